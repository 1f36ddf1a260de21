package policy

import (
	"fmt"
	"slices"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
)

// maxInline is how many characters all inline policies of a role may have
// together.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const maxInline = 10_240

// Roles are those of the stack: the function's, the scheduler's, and SSM's if
// the file's fleet.report leaves its role to the stack. It is an error if IAM
// could not hold them.
func Roles(i *stack.Installation) ([]Role, error) {
	reach, err := reachOf(i.File)
	if err != nil {
		return nil, err
	}
	function := functionRole(i, reach.statements(i))
	if n := function.size(i); n > maxInline {
		if len(i.File.Fleet.EC2.Tags) == 0 {
			return nil, fmt.Errorf("the function's rights have %d characters, and IAM takes %d: the hosts of the jobs are %d different selectors. "+
				"Set fleet.tags to what all of these instances carry; the function may then start commands on every instance that carries them",
				n, maxInline, reach.selectors)
		}
		function = functionRole(i, reach.whole(i.File).statements(i))
	}
	if n := function.size(i); n > maxInline {
		return nil, fmt.Errorf("the function's rights have %d characters, and IAM takes %d: use fewer notify targets or fleet tags", n, maxInline)
	}
	roles := []Role{function, schedulerRole(i)}
	if r := i.File.Fleet.EC2.Report; r != nil && r.Role == "" {
		roles = append(roles, reportRole(i))
	}
	return roles, nil
}

// size is that of the role's policy where the installation is.
func (r *Role) size(i *stack.Installation) int {
	return Allow(r.Statements, stack.Place{Partition: Partition(i.Region), Region: i.Region, Account: "123456789012"}).size()
}

func functionRole(i *stack.Installation, starts []Statement) Role {
	all := []Statement{{
		Sid: "WriteLog", Needs: "the function's log",
		Actions:   []string{"logs:CreateLogStream", "logs:PutLogEvents"},
		Resources: []string{arn("logs", "log-group:"+i.LogGroup()+":log-stream:*")},
	}}
	all = append(all, ledgerRights(i)...)
	all = append(all, listRights(i)...)
	all = append(all, protectRights(i)...)
	all = append(all, documentRights(i)...)
	all = append(all, starts...)
	all = append(all, tellRights(i)...)
	return Role{
		Name: i.FunctionRole(), Needs: "the function, which schedules", Service: lambdaService, Statements: all,
		// That Lambda names the account is seen in AWS's own examples alone; whether
		// it names the function, AWS doesn't say. So each counts if it is told. A
		// role can't be passed to another account's function anyway.
		// https://github.com/aws/agent-toolkit-for-aws/blob/main/skills/specialized-skills/serverless-skills/deploying-custom-domain-rest-api/scripts/lambda-trust-policy.json
		Trust: Condition{
			"StringEqualsIfExists": {"aws:SourceAccount": {stack.Account}},
			"ArnLikeIfExists":      {"aws:SourceArn": {i.FunctionARN(), i.FunctionARN() + ":*"}},
		},
	}
}

// ledgerRights are for one table or two. A transaction has no action of its own
// but those of its parts, which are puts, updates and deletes: no part merely
// checks a condition.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
func ledgerRights(i *stack.Installation) []Statement {
	ledger := Statement{
		Sid: "KeepLedger", Needs: "ledger: jobs, runs, notices",
		Actions: []string{
			"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query",
			"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem",
		},
		Resources: []string{i.TableARN()},
	}
	switch i.File.Fleet.EC2.Claims {
	case "":
		return []Statement{ledger}
	case i.Name:
		ledger.Needs += ", and the claims that hosts make with the function's signature"
		return []Statement{ledger}
	}
	return []Statement{ledger, {
		Sid: "KeepClaims", Needs: "fleet.claims: what hosts claim with the function's signature",
		Actions:   []string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
		Resources: []string{arn("dynamodb", "table/"+i.File.Fleet.EC2.Claims)},
	}}
}

// listRights are for looking at the hosts. All but one of the actions know no
// narrower resource.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
func listRights(i *stack.Installation) []Statement {
	ec2 := i.File.Fleet.EC2
	all := []Statement{{
		Sid: "ListHosts", Needs: "finding hosts: which instances run, have a live agent and are in service in their Auto Scaling group",
		Actions:   []string{"ec2:DescribeInstances", "ssm:DescribeInstanceInformation", "autoscaling:DescribeAutoScalingInstances"},
		Resources: everything, Condition: inRegion(),
	}}
	if ec2.TargetGroup != "" {
		all = append(all, Statement{
			Sid: "SeeTargetHealth", Needs: "fleet.target-group: which instances the load balancer finds healthy",
			Actions: []string{"elasticloadbalancing:DescribeTargetHealth"}, Resources: everything, Condition: inRegion(),
		})
	}
	if ec2.Hybrid {
		all = append(all, Statement{
			Sid: "ReadNodeTags", Needs: "fleet.hybrid: the tags of managed nodes outside of EC2",
			Actions: []string{"ssm:ListTagsForResource"}, Resources: []string{arn("ssm", "managed-instance/*")},
		})
	}
	return all
}

// protectRights are for groups that nobody names: which they are, the instances
// tell.
func protectRights(i *stack.Installation) []Statement {
	if !slices.ContainsFunc(i.File.Jobs, func(j job.Job) bool { return j.Protect }) {
		return nil
	}
	return []Statement{{
		Sid: "ProtectHosts", Needs: "protect: a host is not scaled in while a job runs there",
		Actions: []string{"autoscaling:SetInstanceProtection"}, Resources: []string{arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*")},
	}}
}

// documentRights are for commands but for the hosts they may go to. Following
// and cancelling know no narrower resource.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
func documentRights(i *stack.Installation) []Statement {
	return []Statement{
		{
			Sid: "SendDocument", Needs: "sending commands with fleet.document alone",
			Actions: []string{"ssm:SendCommand"}, Resources: []string{i.DocumentARN()},
		},
		{
			Sid: "FollowCommands", Needs: "following commands to their end, finding one whose sending was interrupted, cancelling one that was taken back",
			Actions: []string{"ssm:GetCommandInvocation", "ssm:ListCommands", "ssm:CancelCommand"}, Resources: everything, Condition: inRegion(),
		},
	}
}

// tellRights are for what leaves the function.
func tellRights(i *stack.Installation) []Statement {
	var all []Statement
	if topics := i.TopicARNs(); len(topics) > 0 {
		all = append(all, Statement{Sid: "TellPeople", Needs: "notify.targets", Actions: []string{"sns:Publish"}, Resources: topics})
	}
	if r := i.Report(); r != nil {
		all = append(all, Statement{
			Sid: "PassReportRole", Needs: "fleet.report: the role that SSM tells of bad ends with",
			Actions: []string{"iam:PassRole"}, Resources: []string{r.Role}, Condition: passedTo(ssmService),
		})
	}
	// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
	return append(all, Statement{
		Sid: "KeepFailedEvents", Needs: "events that the function gave up are kept in a queue",
		Actions: []string{"sqs:SendMessage"}, Resources: []string{stack.QueueARN(i.EventQueue())},
	})
}

func schedulerRole(i *stack.Installation) Role {
	return Role{
		Name: i.SchedulerRole(), Needs: "EventBridge Scheduler, which rings when jobs are due", Service: schedulerService,
		// https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
		Trust: Condition{"StringEquals": {"aws:SourceAccount": {stack.Account}, "aws:SourceArn": {i.GroupARN()}}},
		Statements: []Statement{
			{
				Sid: "RingFunction", Needs: "handing due times to the function",
				Actions: []string{"lambda:InvokeFunction"}, Resources: []string{i.FunctionARN()},
			},
			{
				Sid: "KeepUndelivered", Needs: "due times that could not be handed over are kept in a queue",
				Actions: []string{"sqs:SendMessage"}, Resources: []string{stack.QueueARN(i.ScheduleQueue())},
			},
		},
	}
}

func reportRole(i *stack.Installation) Role {
	return Role{
		Name: i.ReportRole(), Needs: "fleet.report: Systems Manager itself tells of bad ends", Service: ssmService,
		// AWS's page on these notifications has a trust policy without conditions,
		// so SSM may name neither.
		// https://docs.aws.amazon.com/systems-manager/latest/userguide/monitoring-sns-notifications.html
		Trust: Condition{
			"StringEqualsIfExists": {"aws:SourceAccount": {stack.Account}},
			"ArnLikeIfExists":      {"aws:SourceArn": {arn("ssm", "*")}},
		},
		Statements: []Statement{{
			Sid: "TellOfBadEnds", Needs: "fleet.report", Actions: []string{"sns:Publish"}, Resources: []string{i.Report().Topic},
		}},
	}
}
