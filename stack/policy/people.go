package policy

import "github.com/solocron/solocron/stack"

// People are the grants for those who use solocron: one for each thing that
// they do. Each fits into a managed policy of IAM. The function's code is in the
// given bucket; empty for the one that apply makes.
//
// Whoever may apply has a way to every right: the roles are theirs to write,
// and the function is theirs to program. Only what the account grants them at
// most (a permissions boundary, a service control policy) ends it.
func People(i *stack.Installation, bucket string) []Grant {
	code := codeIn(i, bucket)
	return []Grant{
		{Name: "operate", Needs: "solocron run, runs, logs, pause and the like, with --function " + i.Name, Statements: operate(i)},
		{Name: "plan", Needs: "solocron plan", Statements: plan(i, code)},
		{Name: "apply", Needs: "solocron apply", Besides: []string{"plan", "make"}, Statements: apply(i, code)},
		{Name: "make", Needs: "what CloudFormation makes when somebody applies", Statements: makeParts(i)},
		{Name: "destroy", Needs: "solocron destroy", Statements: destroy(i, code)},
		{Name: "doctor", Needs: "solocron doctor", Besides: []string{"plan"}, Statements: doctor(i)},
	}
}

func operate(i *stack.Installation) []Statement {
	return []Statement{{
		Sid: "AskFunction", Needs: "asking the function; who may, may have it do all it can",
		Actions: []string{"lambda:InvokeFunction"}, Resources: []string{i.FunctionARN()},
	}}
}

// plan asks who is calling, too, which takes no right.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func plan(i *stack.Installation, code bucket) []Statement {
	all := []Statement{
		{
			Sid: "PlanStack", Needs: "reading the stack, and a change set that is removed again; with a stack that is not there yet, the empty one that the change set made",
			Actions: []string{
				"cloudformation:DescribeStacks", "cloudformation:GetTemplate", "cloudformation:ListChangeSets", "cloudformation:TagResource",
				"cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet", "cloudformation:DeleteChangeSet", "cloudformation:DeleteStack",
			},
			Resources: []string{stackARN(i)},
		},
		code.see(),
		{
			Sid: "ReadCode", Needs: "seeing whether the function's code is in the bucket",
			Actions: []string{"s3:GetObject"}, Resources: []string{code.objects()},
		},
		{Sid: "ReadJobs", Needs: "the jobs of the ledger, which the function reads and writes", Actions: []string{"lambda:InvokeFunction"}, Resources: []string{i.FunctionARN()}},
		listSchedules(),
		{
			Sid: "ReadSchedules", Needs: "reading a schedule that seems to be edited by hand",
			Actions: []string{"scheduler:GetSchedule"}, Resources: []string{scheduleARN(i)},
		},
		{
			Sid: "SeeLedger", Needs: "seeing whether the ledger's table is there already",
			Actions: []string{"dynamodb:DescribeTable"}, Resources: []string{i.TableARN()},
		},
	}
	if i.OwnDocument() {
		all = append(all, Statement{
			Sid: "ReadDocument", Needs: "seeing whether fleet.document is this solocron's",
			Actions: []string{"ssm:GetDocument"}, Resources: []string{i.DocumentARN()},
		})
	}
	return append(all, listRights(i)...)
}

func apply(i *stack.Installation, code bucket) []Statement {
	all := []Statement{
		{
			Sid: "ApplyStack", Needs: "having CloudFormation make and change the stack",
			Actions: []string{"cloudformation:ExecuteChangeSet", "cloudformation:DescribeStackEvents"}, Resources: []string{stackARN(i)},
		},
		{Sid: "PutCode", Needs: "the function's code", Actions: []string{"s3:PutObject"}, Resources: []string{code.objects()}},
		{
			Sid: "PutSchedules", Needs: "the jobs' schedules",
			Actions:   []string{"scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule"},
			Resources: []string{scheduleARN(i)},
		},
		{
			Sid: "PassSchedulerRole", Needs: "giving schedules their role",
			Actions: []string{"iam:PassRole"}, Resources: []string{stack.RoleARN(i.SchedulerRole())}, Condition: passedTo(schedulerService),
		},
	}
	if i.OwnDocument() {
		all = append(all, Statement{
			Sid: "UseDocument", Needs: "making this solocron's version of fleet.document the one that is used",
			Actions: []string{"ssm:UpdateDocumentDefaultVersion"}, Resources: []string{i.DocumentARN()},
		})
	}
	if code.made {
		// To say who owns the objects of a new bucket takes a right of its own.
		// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
		all = append(all, Statement{
			Sid: "MakeBucket", Needs: "a private bucket for the function's code",
			Actions:   []string{"s3:CreateBucket", "s3:PutBucketOwnershipControls", "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging"},
			Resources: []string{code.arn()},
		})
	}
	return all
}

func destroy(i *stack.Installation, code bucket) []Statement {
	all := []Statement{
		{
			Sid: "RemoveStack", Needs: "having CloudFormation remove the stack",
			Actions: []string{
				"cloudformation:DescribeStacks", "cloudformation:GetTemplate", "cloudformation:DescribeStackEvents", "cloudformation:DeleteStack",
			},
			Resources: []string{stackARN(i)},
		},
		{Sid: "RetireJobs", Needs: "retiring the jobs, and asking which runs are not over", Actions: []string{"lambda:InvokeFunction"}, Resources: []string{i.FunctionARN()}},
		listSchedules(),
		{
			Sid: "RemoveSchedules", Needs: "the jobs' schedules, which go with their group, through CloudFormation alone",
			Actions: []string{"scheduler:DeleteSchedule"}, Resources: []string{scheduleARN(i)}, Condition: byCloudFormation(),
		},
		{
			Sid: "SeeLedger", Needs: "seeing whether the ledger's table is there", Actions: []string{"dynamodb:DescribeTable"}, Resources: []string{i.TableARN()},
		},
		{
			Sid: "DeleteLedger", Needs: "the ledger's table, with --delete-ledger",
			Actions: []string{"dynamodb:UpdateTable", "dynamodb:DeleteTable"}, Resources: []string{i.TableARN()},
		},
	}
	if code.made {
		all = append(all,
			Statement{
				Sid: "RemoveBucket", Needs: "the bucket that apply made, once it is empty",
				Actions: []string{"s3:ListBucket", "s3:GetBucketTagging", "s3:DeleteBucket"}, Resources: []string{code.arn()},
			},
			Statement{Sid: "RemoveCode", Needs: "the function's code", Actions: []string{"s3:DeleteObject"}, Resources: []string{code.objects()}},
		)
	}
	return append(all, removeParts(i)...)
}

func doctor(i *stack.Installation) []Statement {
	all := []Statement{{
		Sid: "SeeUndelivered", Needs: "counting what could not be delivered",
		Actions:   []string{"sqs:GetQueueUrl", "sqs:GetQueueAttributes"},
		Resources: []string{stack.QueueARN(i.ScheduleQueue()), stack.QueueARN(i.EventQueue())},
	}}
	if topics := i.TopicARNs(); len(topics) > 0 {
		all = append(all, Statement{
			Sid: "SeeSubscribers", Needs: "seeing who is subscribed to notify.targets",
			Actions: []string{"sns:ListSubscriptionsByTopic"}, Resources: topics,
		})
	}
	return all
}

// listSchedules has no narrower resource than all schedules of the account.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
func listSchedules() Statement {
	return Statement{
		Sid: "ListSchedules", Needs: "finding the jobs' schedules", Actions: []string{"scheduler:ListSchedules"}, Resources: everything, Condition: inRegion(),
	}
}

// stackARN is that of the stack, whose ID nobody knows beforehand.
func stackARN(i *stack.Installation) string { return arn("cloudformation", "stack/"+i.Name+"/*") }

// scheduleARN is that of all schedules of the group.
func scheduleARN(i *stack.Installation) string { return arn("scheduler", "schedule/"+i.Group()+"/*") }

// bucket is where the function's code is.
type bucket struct {
	name string
	made bool // by apply
}

func codeIn(i *stack.Installation, name string) bucket {
	if name != "" {
		return bucket{name, false}
	}
	return bucket{i.Bucket(Placeholders), true}
}

// see lets the bucket be looked at; one that apply made is known by its tag.
func (b bucket) see() Statement {
	s := Statement{Sid: "SeeCode", Needs: "seeing whether the bucket for the function's code is there", Actions: []string{"s3:ListBucket"}, Resources: []string{b.arn()}}
	if b.made {
		s.Actions = append(s.Actions, "s3:GetBucketTagging")
	}
	return s
}

func (b bucket) arn() string     { return "arn:" + stack.Partition + ":s3:::" + b.name }
func (b bucket) objects() string { return b.arn() + "/solocron/*" }
