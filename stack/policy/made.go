package policy

import (
	"slices"

	"github.com/solocron/solocron/stack"
)

// part is something of the stack that CloudFormation makes, with the actions
// that it takes on behalf of whoever has it do so. They are those that the
// resource types' own schemas name (handlers, permissions), but for what
// concerns properties that the template doesn't use.
// https://github.com/aws-cloudformation/cloudformation-resource-schema
type part struct {
	sid, needs         string // of the statement: Make, or Remove, goes before
	resources          []string
	look, make, remove []string
}

// parts are those of an installation, and of one that had another jobs file: to
// take away what the file no longer asks for takes rights, too.
func parts(i *stack.Installation) []part {
	all := []part{
		{
			sid: "Roles", needs: "the roles of function, scheduler and report", resources: roleARNs(i),
			look:   []string{"iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"},
			make:   []string{"iam:CreateRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:UpdateRoleDescription", "iam:UpdateRole", "iam:TagRole"},
			remove: []string{"iam:DeleteRolePolicy", "iam:DeleteRole"},
		},
		{
			sid: "Function", needs: "the function, whom it may be invoked by, and what becomes of failed events",
			// What an invocation's config is of has a qualifier, $LATEST.
			resources: []string{i.FunctionARN(), i.FunctionARN() + ":$LATEST"},
			look: []string{
				"lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig", "lambda:GetFunctionRecursionConfig", "lambda:GetRuntimeManagementConfig",
				"lambda:GetFunctionEventInvokeConfig", "lambda:GetPolicy", "lambda:ListTags",
			},
			make: []string{
				"lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:TagResource",
				"lambda:PutFunctionEventInvokeConfig", "lambda:UpdateFunctionEventInvokeConfig", "lambda:AddPermission",
			},
			remove: []string{"lambda:DeleteFunction", "lambda:DeleteFunctionEventInvokeConfig", "lambda:RemovePermission"},
		},
		{
			sid: "Log", needs: "the function's log group",
			// Some actions take the ARN with the :* at its end, some without.
			// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
			resources: []string{arn("logs", "log-group:"+i.LogGroup()), arn("logs", "log-group:"+i.LogGroup()+":*")},
			look:      []string{"logs:ListTagsForResource", "logs:GetDataProtectionPolicy"},
			make:      []string{"logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:TagResource"},
			remove:    []string{"logs:DeleteLogGroup"},
		},
		{sid: "LogLook", needs: "finding the function's log group", resources: everything, look: []string{"logs:DescribeLogGroups"}},
		// The table outlives the stack, so nothing removes it.
		{
			sid: "Ledger", needs: "the ledger's table", resources: []string{i.TableARN()},
			make: []string{
				"dynamodb:CreateTable", "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive", "dynamodb:UpdateContinuousBackups", "dynamodb:TagResource",
				"dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeContributorInsights",
				"dynamodb:DescribeKinesisStreamingDestination", "dynamodb:GetResourcePolicy", "dynamodb:ListTagsOfResource",
			},
		},
		{
			sid: "Queues", needs: "the queues of what could not be delivered", resources: []string{stack.QueueARN(i.ScheduleQueue()), stack.QueueARN(i.EventQueue())},
			look:   []string{"sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"},
			make:   []string{"sqs:CreateQueue", "sqs:SetQueueAttributes", "sqs:TagQueue"},
			remove: []string{"sqs:SetQueueAttributes", "sqs:DeleteQueue"},
		},
		{
			sid: "Rules", needs: "the rules for the sweep and for news of commands", resources: []string{stack.RuleARN(i.SweepRule()), stack.RuleARN(i.CommandRule())},
			look:   []string{"events:DescribeRule", "events:ListTargetsByRule", "events:ListTagsForResource"},
			make:   []string{"events:PutRule", "events:PutTargets", "events:TagResource"},
			remove: []string{"events:RemoveTargets", "events:DeleteRule"},
		},
		{
			sid: "Group", needs: "the schedule group", resources: []string{i.GroupARN()},
			look:   []string{"scheduler:GetScheduleGroup", "scheduler:ListTagsForResource"},
			make:   []string{"scheduler:CreateScheduleGroup", "scheduler:TagResource"},
			remove: []string{"scheduler:DeleteScheduleGroup"},
		},
		{
			sid: "Alarms", needs: "the alarms", resources: []string{arn("cloudwatch", "alarm:"+i.Name+"-*")},
			look:   []string{"cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"},
			make:   []string{"cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"},
			remove: []string{"cloudwatch:DeleteAlarms"},
		},
	}
	return append(all, optionalParts(i)...)
}

// optionalParts are those that not every file has.
func optionalParts(i *stack.Installation) []part {
	var all []part
	if i.OwnDocument() {
		all = append(all, part{
			sid: "Document", needs: "fleet.document", resources: []string{i.DocumentARN()},
			look:   []string{"ssm:GetDocument", "ssm:DescribeDocument", "ssm:ListTagsForResource"},
			make:   []string{"ssm:CreateDocument", "ssm:UpdateDocument", "ssm:UpdateDocumentDefaultVersion", "ssm:AddTagsToResource"},
			remove: []string{"ssm:DeleteDocument"},
		})
	}
	if topics := i.Topics(); len(topics) > 0 {
		p := part{
			sid: "Topics", needs: "the topics that the file gives by name",
			look:   []string{"sns:GetTopicAttributes", "sns:GetDataProtectionPolicy", "sns:GetSubscriptionAttributes", "sns:ListSubscriptionsByTopic", "sns:ListTagsForResource"},
			make:   []string{"sns:CreateTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource"},
			remove: []string{"sns:Unsubscribe", "sns:DeleteTopic"},
		}
		for _, t := range topics {
			p.resources = append(p.resources, stack.TopicARN(t.Name))
		}
		all = append(all, p)
	}
	return all
}

func roleARNs(i *stack.Installation) []string {
	return []string{stack.RoleARN(i.FunctionRole()), stack.RoleARN(i.SchedulerRole()), stack.RoleARN(i.ReportRole())}
}

// byCloudFormation is set for what a service does for the caller. Alone, the
// caller may not.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/fas-requests-and-permission-evaluation.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html
func byCloudFormation() Condition {
	return Condition{"ForAnyValue:StringEquals": {"aws:CalledVia": {"cloudformation.amazonaws.com"}}}
}

// makeParts lets CloudFormation make the stack, and change it, which includes
// to remove what is no longer in it.
func makeParts(i *stack.Installation) []Statement {
	var all []Statement
	for _, p := range parts(i) {
		all = append(all, p.statement("Make", p.look, p.make, p.remove))
	}
	return append(all, Statement{
		Sid: "PassFunctionRole", Needs: "giving the function its role",
		Actions: []string{"iam:PassRole"}, Resources: []string{stack.RoleARN(i.FunctionRole())}, Condition: passedTo(lambdaService),
	})
}

// removeParts lets CloudFormation remove the stack.
func removeParts(i *stack.Installation) []Statement {
	var all []Statement
	for _, p := range parts(i) {
		if s := p.statement("Remove", p.look, p.remove); len(s.Actions) > 0 {
			all = append(all, s)
		}
	}
	return all
}

func (p part) statement(verb string, actions ...[]string) Statement {
	list := slices.Concat(actions...)
	slices.Sort(list)
	return Statement{
		Sid: verb + p.sid, Needs: p.needs + ", through CloudFormation alone", Actions: slices.Compact(list), Resources: p.resources, Condition: byCloudFormation(),
	}
}
