package policy

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
)

// fixture is a jobs file whose rights are tried. What its ARNs should be is
// written down here once more, by hand.
type fixture struct {
	path     string
	name     string // N in the table below
	place    stack.Place
	bucket   string   // B
	given    bool     // the bucket was
	claims   string   // C
	document string   // D
	topics   []string // that the function tells
	made     []string // that the stack makes
	report   string   // topic
	role     string   // of the report
}

const account = "123456789012"

var fixtures = []fixture{
	{
		path: "../../examples/aws.yaml", name: "solocron", place: stack.Place{Partition: "aws", Region: "ap-northeast-1", Account: account},
		bucket: "solocron-123456789012-ap-northeast-1", document: "arn:P:ssm:R:A:document/solocron",
		topics: []string{"arn:P:sns:R:A:solocron"}, made: []string{"arn:P:sns:R:A:solocron"},
	},
	{
		path: "testdata/all.yaml", name: "Fleet-cron", place: stack.Place{Partition: "aws", Region: "eu-central-1", Account: account},
		bucket: "fleet-cron-123456789012-eu-central-1", claims: "claims-of-hosts", document: "arn:P:ssm:R:A:document/solocron",
		topics: []string{"arn:P:sns:R:A:ops", "arn:aws:sns:eu-west-1:123456789012:chat"}, made: []string{"arn:P:sns:R:A:ops", "arn:P:sns:R:A:bad-ends"},
		report: "arn:P:sns:R:A:bad-ends", role: "arn:P:iam::A:role/Fleet-cron-eu-central-1-report",
	},
	{
		path: "testdata/shell.yaml", name: "anywhere", place: stack.Place{Partition: "aws-cn", Region: "cn-north-1", Account: account},
		bucket: "code-of-ours", given: true, document: "arn:P:ssm:R::document/AWS-RunShellScript",
		role: "arn:aws-cn:iam::123456789012:role/given-report",
	},
}

func (f fixture) load(t *testing.T) *stack.Installation {
	t.Helper()
	file, err := job.Load(f.path)
	if err != nil {
		t.Fatal(err)
	}
	i, err := stack.New(file)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// arn reads an ARN of the table.
func (f fixture) arn(short string) string {
	fields := strings.SplitN(short, ":", 6)
	if len(fields) < 6 {
		return short // "*"
	}
	for n, letters := range map[int][2]string{1: {"P", f.place.Partition}, 3: {"R", f.place.Region}, 4: {"A", f.place.Account}} {
		if fields[n] == letters[0] {
			fields[n] = letters[1]
		}
	}
	fields[5] = strings.NewReplacer("{N}", f.name, "{R}", f.place.Region, "{B}", f.bucket, "{C}", f.claims).Replace(fields[5])
	return strings.Join(fields, ":")
}

// circumstances are the values of condition keys in a request.
type circumstances = map[string][]string

// expectation is what a statement is for, and what it must not be good for.
type expectation struct {
	ours    []string        // resources that it has to reach
	theirs  []string        // that it must not reach, beside those that are derived from ours
	with    []circumstances // what is so when it has to allow; nil for nothing in particular
	without []circumstances // what is so when it must not
}

// expected has an entry for every statement of every role and grant.
func (f fixture) expected(i *stack.Installation) map[string]expectation {
	table := map[string]expectation{
		"WriteLog": {
			ours:   []string{"arn:P:logs:R:A:log-group:/aws/lambda/{N}:log-stream:2026/11/22/[$LATEST]e0"},
			theirs: []string{"arn:P:logs:R:A:log-group:/aws/lambda/other:log-stream:2026/11/22/[$LATEST]e0"},
		},
		"KeepLedger":       {ours: []string{"arn:P:dynamodb:R:A:table/{N}"}, theirs: []string{"arn:P:dynamodb:R:A:table/orders"}},
		"KeepClaims":       {ours: []string{"arn:P:dynamodb:R:A:table/{C}"}, theirs: []string{"arn:P:dynamodb:R:A:table/orders"}},
		"SeeTargetHealth":  f.everywhere(),
		"ListHosts":        f.everywhere(),
		"FollowCommands":   f.everywhere(),
		"ListSchedules":    f.everywhere(),
		"ReadNodeTags":     {ours: []string{"arn:P:ssm:R:A:managed-instance/mi-0123456789abcdef0"}, theirs: []string{"arn:P:ssm:R:A:parameter/password"}},
		"ProtectHosts":     {ours: []string{"arn:P:autoscaling:R:A:autoScalingGroup:0b7c:autoScalingGroupName/web"}},
		"SendDocument":     f.ofDocument(),
		"TellPeople":       {ours: f.topics, theirs: []string{"arn:P:sns:R:A:payments", "arn:P:sns:eu-west-1:A:payments"}},
		"TellOfBadEnds":    {ours: []string{f.report}, theirs: []string{"arn:P:sns:R:A:payments"}},
		"KeepFailedEvents": {ours: []string{"arn:P:sqs:R:A:{N}-events-undelivered"}, theirs: []string{"arn:P:sqs:R:A:{N}-schedules-undelivered"}},
		"KeepUndelivered":  {ours: []string{"arn:P:sqs:R:A:{N}-schedules-undelivered"}, theirs: []string{"arn:P:sqs:R:A:{N}-events-undelivered"}},
		"SeeUndelivered": {
			ours:   []string{"arn:P:sqs:R:A:{N}-events-undelivered", "arn:P:sqs:R:A:{N}-schedules-undelivered"},
			theirs: []string{"arn:P:sqs:R:A:orders"},
		},
		"SeeSubscribers":    {ours: f.topics, theirs: []string{"arn:P:sns:R:A:payments", "arn:P:sns:eu-west-1:A:payments"}},
		"PassReportRole":    passing("ssm.amazonaws.com", f.role, "arn:P:iam::A:role/{N}-{R}-function"),
		"PassFunctionRole":  passing("lambda.amazonaws.com", "arn:P:iam::A:role/{N}-{R}-function", "arn:P:iam::A:role/{N}-{R}-scheduler"),
		"PassSchedulerRole": passing("scheduler.amazonaws.com", "arn:P:iam::A:role/{N}-{R}-scheduler", "arn:P:iam::A:role/{N}-{R}-function"),
		"PutSchedules":      schedules,
		"ReadSchedules":     schedules,
		"PlanStack":         stacks,
		"ApplyStack":        stacks,
		"RemoveStack":       stacks,
		"SeeLedger":         {ours: []string{"arn:P:dynamodb:R:A:table/{N}"}, theirs: []string{"arn:P:dynamodb:R:A:table/orders"}},
		"DeleteLedger":      {ours: []string{"arn:P:dynamodb:R:A:table/{N}"}, theirs: []string{"arn:P:dynamodb:R:A:table/orders"}},
		"ReadDocument":      f.ofDocument(),
		"UseDocument":       f.ofDocument(),
		"SeeCode":           buckets,
		"MakeBucket":        buckets,
		"RemoveBucket":      buckets,
		"ReadCode":          objects,
		"PutCode":           objects,
		"RemoveCode":        objects,
	}
	for _, sid := range []string{"RingFunction", "AskFunction", "ReadJobs", "RetireJobs"} {
		table[sid] = functions
	}
	for part, e := range f.parts() {
		e.with = []circumstances{{"aws:CalledVia": {"cloudformation.amazonaws.com"}}}
		e.without = []circumstances{nil, {"aws:CalledVia": {"athena.amazonaws.com"}}}
		table["Make"+part], table["Remove"+part] = e, e
	}
	maps.Copy(table, f.starts(i))
	return table
}

var (
	functions = expectation{ours: []string{"arn:P:lambda:R:A:function:{N}"}, theirs: []string{"arn:P:lambda:R:A:function:{N}:live", "arn:P:lambda:R:A:function:payments"}}
	schedules = expectation{ours: []string{"arn:P:scheduler:R:A:schedule/{N}/nightly.abcdef"}, theirs: []string{"arn:P:scheduler:R:A:schedule/default/{N}"}}
	stacks    = expectation{ours: []string{"arn:P:cloudformation:R:A:stack/{N}/0b7c-11"}, theirs: []string{"arn:P:cloudformation:R:A:stack/network/0b7c-11"}}
	buckets   = expectation{ours: []string{"arn:P:s3:::{B}"}, theirs: []string{"arn:P:s3:::invoices", "arn:P:s3:::{B}2"}}
	objects   = expectation{ours: []string{"arn:P:s3:::{B}/solocron/0b7c.zip"}, theirs: []string{"arn:P:s3:::invoices/solocron/0b7c.zip", "arn:P:s3:::{B}/other/0b7c.zip"}}
)

// parts are what CloudFormation makes and removes.
func (f fixture) parts() map[string]expectation {
	const group = "arn:P:logs:R:A:log-group:/aws/lambda/"
	return map[string]expectation{
		"Roles": {
			ours:   []string{"arn:P:iam::A:role/{N}-{R}-function", "arn:P:iam::A:role/{N}-{R}-scheduler", "arn:P:iam::A:role/{N}-{R}-report"},
			theirs: []string{"arn:P:iam::A:role/Admin", "arn:P:iam::A:role/{N}-us-east-1-function"},
		},
		"Function":  {ours: []string{"arn:P:lambda:R:A:function:{N}", "arn:P:lambda:R:A:function:{N}:$LATEST"}, theirs: functions.theirs},
		"Schedules": schedules,
		"Log":       {ours: []string{group + "{N}", group + "{N}:log-stream:"}, theirs: []string{group + "payments", group + "payments:log-stream:"}},
		"LogLook":   {ours: []string{"*"}},
		"Ledger":    {ours: []string{"arn:P:dynamodb:R:A:table/{N}"}, theirs: []string{"arn:P:dynamodb:R:A:table/orders"}},
		"Queues": {
			ours:   []string{"arn:P:sqs:R:A:{N}-events-undelivered", "arn:P:sqs:R:A:{N}-schedules-undelivered"},
			theirs: []string{"arn:P:sqs:R:A:orders"},
		},
		"Rules":    {ours: []string{"arn:P:events:R:A:rule/{N}-sweep", "arn:P:events:R:A:rule/{N}-commands"}, theirs: []string{"arn:P:events:R:A:rule/audit"}},
		"Group":    {ours: []string{"arn:P:scheduler:R:A:schedule-group/{N}"}, theirs: []string{"arn:P:scheduler:R:A:schedule-group/default"}},
		"Alarms":   {ours: []string{"arn:P:cloudwatch:R:A:alarm:{N}-sweep-missing"}, theirs: []string{"arn:P:cloudwatch:R:A:alarm:billing"}},
		"Document": f.ofDocument(),
		"Topics":   {ours: f.made, theirs: []string{"arn:P:sns:R:A:payments"}},
	}
}

// everywhere is for actions that know no resource.
func (f fixture) everywhere() expectation {
	return expectation{
		ours: []string{"*"}, with: []circumstances{{"aws:RequestedRegion": {f.place.Region}}},
		without: []circumstances{{"aws:RequestedRegion": {"us-west-2"}}, {"aws:RequestedRegion": {f.place.Region + "x"}}, nil},
	}
}

func (f fixture) ofDocument() expectation {
	return expectation{ours: []string{f.document}, theirs: []string{
		"arn:P:ssm:R::document/AWS-RunPatchBaseline", "arn:P:ssm:R:A:document/wipe", "arn:P:ssm:R:A:document/AWS-RunShellScript", "arn:P:ssm:R:A:document/solocron2",
	}}
}

func passing(service, role, other string) expectation {
	return expectation{
		ours: []string{role}, theirs: []string{other, "arn:P:iam::A:role/Admin"},
		with:    []circumstances{{"iam:PassedToService": {service}}},
		without: []circumstances{{"iam:PassedToService": {"ec2.amazonaws.com"}}, {"iam:PassedToService": {"glue.amazonaws.com"}}, nil},
	}
}

// starts are for the statements that let commands go to hosts. Which tags these
// have to have is taken from what picks hosts for jobs.
func (f fixture) starts(i *stack.Installation) map[string]expectation {
	var theirs []string
	hosts := []string{"arn:P:ec2:R:A:instance/i-0123456789abcdef0"}
	if i.File.Fleet.EC2.Hybrid {
		hosts = append(hosts, "arn:P:ssm:R:A:managed-instance/mi-0123456789abcdef0")
	} else {
		theirs = append(theirs, "arn:P:ssm:R:A:managed-instance/mi-0123456789abcdef0")
	}
	fit, unfit := hostsOf(i.File)
	table := map[string]expectation{}
	roles, _ := Roles(i) // an error is another test's
	for _, s := range roles[0].Statements {
		if strings.HasPrefix(s.Sid, "StartOn") {
			table[s.Sid] = expectation{ours: hosts, theirs: theirs, with: fit, without: unfit}
		}
	}
	return table
}

// hostsOf makes up hosts that jobs of the file may run on, and others that are
// as like them as can be.
func hostsOf(f *job.File) (fit, unfit []circumstances) {
	picked := func(tags map[string]string) bool {
		return slices.ContainsFunc(f.Jobs, func(j job.Job) bool {
			_, ofFleet := fleet.Selector(f.Fleet.EC2.Tags).Match(tags)
			_, ofJob := j.Hosts.Match(tags)
			return ofFleet && ofJob
		})
	}
	add := func(tags map[string]string) {
		c := circumstances{}
		for key, value := range tags {
			c["aws:ResourceTag/"+key] = []string{value}
		}
		if picked(tags) {
			fit = append(fit, c)
		} else {
			unfit = append(unfit, c)
		}
	}
	add(nil)
	add(map[string]string{"Name": "web"})
	for _, j := range f.Jobs {
		tags := map[string]string{}
		for _, s := range []fleet.Selector{f.Fleet.EC2.Tags, j.Hosts} {
			for key, value := range s {
				if tags[key] = value; value == "*" {
					tags[key] = "anything"
				}
			}
		}
		add(tags)
		for _, key := range slices.Sorted(maps.Keys(tags)) {
			less, other := maps.Clone(tags), maps.Clone(tags)
			delete(less, key)
			other[key] += "2"
			add(less)
			add(other)
		}
	}
	return fit, unfit
}
