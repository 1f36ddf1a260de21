package stack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
)

const head = `
ledger: dynamodb://eu-central-1/cron
fleet: { region: eu-central-1 }
`

const nightly = `
jobs:
  nightly: { schedule: "30 2 * * *", timezone: Asia/Tokyo, hosts: { cron: "true" }, command: "true" }
`

func decode(t testing.TB, text string) *job.File {
	t.Helper()
	f, err := job.Decode("jobs.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func installation(t testing.TB, text string) *Installation {
	t.Helper()
	i, err := New(decode(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestNames(t *testing.T) {
	i := installation(t, head+nightly)
	p := Place{"aws-cn", "eu-central-1", "123456789012"}
	names := map[string]string{
		i.FunctionARN():               "arn:aws-cn:lambda:eu-central-1:123456789012:function:cron",
		i.LogGroup():                  "/aws/lambda/cron",
		i.GroupARN():                  "arn:aws-cn:scheduler:eu-central-1:123456789012:schedule-group/cron",
		i.TableARN():                  "arn:aws-cn:dynamodb:eu-central-1:123456789012:table/cron",
		RoleARN(i.FunctionRole()):     "arn:aws-cn:iam::123456789012:role/cron-eu-central-1-function",
		RoleARN(i.SchedulerRole()):    "arn:aws-cn:iam::123456789012:role/cron-eu-central-1-scheduler",
		RoleARN(i.ReportRole()):       "arn:aws-cn:iam::123456789012:role/cron-eu-central-1-report",
		QueueARN(i.ScheduleQueue()):   "arn:aws-cn:sqs:eu-central-1:123456789012:cron-schedules-undelivered",
		QueueARN(i.EventQueue()):      "arn:aws-cn:sqs:eu-central-1:123456789012:cron-events-undelivered",
		RuleARN(i.SweepRule()):        "arn:aws-cn:events:eu-central-1:123456789012:rule/cron-sweep",
		RuleARN(i.CommandRule()):      "arn:aws-cn:events:eu-central-1:123456789012:rule/cron-commands",
		i.DocumentARN():               "arn:aws-cn:ssm:eu-central-1:123456789012:document/solocron",
		TopicARN("ops"):               "arn:aws-cn:sns:eu-central-1:123456789012:ops",
		TopicARN("arn:aws:sns:x:1:y"): "arn:aws:sns:x:1:y",
		i.Bucket(p):                   "cron-123456789012-eu-central-1",
	}
	for got, want := range names {
		if got := p.Fill(got); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	other := installation(t, strings.Replace(head, "-1 }", "-1, document: AWS-RunShellScript }", 1)+nightly)
	if got, want := p.Fill(other.DocumentARN()), "arn:aws-cn:ssm:eu-central-1::document/AWS-RunShellScript"; got != want || other.OwnDocument() {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The longest names that the longest stack name makes.
func TestLongestNames(t *testing.T) {
	i := &Installation{Name: strings.Repeat("a", 25), Region: "ap-southeast-11"}
	if len(i.SchedulerRole()) > 64 || len(i.FunctionRole()) > 64 || len(i.ReportRole()) > 64 {
		t.Errorf("roles: %d characters", len(i.SchedulerRole()))
	}
	if len(i.ScheduleQueue()) > 80 || len(i.EventQueue()) > 80 || len(i.CommandRule()) > 64 {
		t.Errorf("%s, %s, %s", i.ScheduleQueue(), i.EventQueue(), i.CommandRule())
	}
	if b := i.Bucket(Place{Account: "123456789012", Region: i.Region}); len(b) > 63 {
		t.Errorf("bucket %s", b)
	}
}

// Whatever keeps a file from AWS is said together with what to do instead.
func TestRefused(t *testing.T) {
	many := ""
	for n := range 40 {
		many += fmt.Sprintf("    target-%d: { sns: { topic: topic-%d-%s } }\n", n, n, strings.Repeat("x", 40))
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"local", nightly, []string{"jobs.yaml is for solocron serve", "ledger: dynamodb://REGION/TABLE", "fleet: {region: REGION}"}},
		{"no table", "fleet: { region: eu-central-1, claims: table }\n" + nightly, []string{"solocron serve"}},
		{"no fleet", "ledger: dynamodb://eu-central-1/cron\n" + nightly, []string{"solocron serve"}},
		{"region", strings.Replace(head, "{ region: eu-central-1 }", "{ region: eu-west-1, claims: other }", 1) + nightly, []string{"use dynamodb://eu-west-1/cron"}},
		{"dot", strings.Replace(head, "/cron", "/my.cron", 1) + nightly, []string{`"my.cron" is no stack's name`, "use 3 to 25 letters, digits and -"}},
		{"long", strings.Replace(head, "/cron", "/"+strings.Repeat("a", 26), 1) + nightly, []string{"use 3 to 25 letters"}},
		{"digit", strings.Replace(head, "/cron", "/1cron", 1) + nightly, []string{"a letter first"}},
		{"seconds", head + "jobs:\n  fast: { schedule: \"*/10 * * * * *\", command: x }\n", []string{"job fast", "whole minutes", "solocron serve"}},
		{"period", head + "jobs:\n  fast: { schedule: every 30s, command: x }\n", []string{"job fast", "whole minutes"}},
		{"webhook", head + "notify: { targets: { hook: { webhook: { url: https://example.com } } } }\n" + nightly, []string{"notify.targets.hook", "sns: {topic: NAME}"}},
		{"environment", head + "notify:\n  targets:\n" + many + nightly, []string{"Lambda allows 4096", "fewer notify targets"}},
		{
			"all at once", strings.NewReplacer("/cron", "/1cr", "{ region: eu-central-1 }", "{ region: eu-west-1, claims: other }").Replace(head) +
				"jobs:\n  a: { schedule: every 1s, command: x }\n  b: { schedule: every 2s, command: x }\n",
			[]string{"stack's name", "use dynamodb://eu-west-1/1cr", "job a", "job b"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(decode(t, test.text))
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

const people = `
notify:
  targets:
    ops: { sns: { topic: ops, email: [b@example.com, a@example.com] } }
    again: { sns: { topic: ops, email: [a@example.com] } }
    slack: { sns: { topic: chat, chat: true } }
    here: { sns: { topic: "arn:aws:sns:eu-central-1:123456789012:theirs" } }
    there: { sns: { topic: "arn:aws:sns:us-east-1:123456789012:far" } }
`

func TestTopics(t *testing.T) {
	i := installation(t, strings.Replace(head, "-1 }", "-1, report: { topic: reports } }", 1)+people+nightly)
	var made []string
	for _, topic := range i.Topics() {
		made = append(made, fmt.Sprint(topic.Name, topic.Email, topic.Chat))
	}
	if want := []string{"chat[] true", "ops[a@example.com b@example.com] false", "reports[] false"}; !slices.Equal(made, want) {
		t.Errorf("made: %v, want %v", made, want)
	}
	own, theirs, far := TopicARN("ops"), "arn:aws:sns:eu-central-1:123456789012:theirs", "arn:aws:sns:us-east-1:123456789012:far"
	if got, want := i.TopicARNs(), []string{TopicARN("chat"), own, theirs, far}; !slices.Equal(got, want) {
		t.Errorf("all: %v, want %v", got, want)
	}
	if got, want := i.AlarmTopics(), []string{own, theirs}; !slices.Equal(got, want) {
		t.Errorf("for alarms: %v, want %v", got, want)
	}
	if got, want := *i.Report(), (job.Report{Topic: TopicARN("reports"), Role: RoleARN(i.ReportRole())}); got != want {
		t.Errorf("report: %v, want %v", got, want)
	}
	if got := installation(t, head+nightly); got.Report() != nil || len(got.Topics())+len(got.TopicARNs())+len(got.AlarmTopics()) > 0 {
		t.Errorf("a file without targets has topics")
	}
}

// Lambda counts what the settings take in JSON, with a backslash for every quote.
func TestLongestSettings(t *testing.T) {
	text, accepted := head+"notify:\n  targets:\n", 0
	for n := range 100 {
		text += fmt.Sprintf("    team%d: { sns: { topic: team%[1]d } }\n", n)
		i, err := New(decode(t, text+nightly))
		if err != nil {
			break
		}
		settings, err := i.Settings()
		if err != nil {
			t.Fatal(err)
		}
		counted, err := json.Marshal(map[string]string{SettingsVariable: settings})
		if err != nil {
			t.Fatal(err)
		}
		if len(counted) > 4096 {
			t.Fatalf("%d targets take %d bytes of the environment", n+1, len(counted))
		}
		accepted = n + 1
	}
	if accepted < 20 {
		t.Errorf("only %d targets are accepted", accepted)
	}
}

// What the function is told is what the file says, also where the user's text
// looks like a placeholder.
func TestSettings(t *testing.T) {
	tags := map[string]string{"a${b": "}", "plain": "1<2", "AWS": "${AWS::Region}", "escaped": "${!x}", "two": "${${x", "slash": `\${`}
	text, err := json.Marshal(tags)
	if err != nil {
		t.Fatal(err)
	}
	i := installation(t, "retention: 7d\n"+strings.Replace(head, "-1 }", "-1, hybrid: true, claim-within: 1m, report: { topic: reports }, tags: "+string(text)+" }", 1)+people+nightly)
	got, err := i.Settings()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(got, "${") != strings.Count(got, "${AWS::") || strings.Contains(got, "${AWS::Region}\"") {
		t.Errorf("a ${ of the user's is left: %s", got)
	}
	s, err := job.ReadSettings(Place{"aws", "eu-central-1", "210987654321"}.Fill(got))
	if err != nil {
		t.Fatal(err)
	}
	if s.Table != "cron" || s.Retention != 7*24*time.Hour || s.EC2.ClaimWithin != time.Minute || !s.EC2.Hybrid || s.EC2.Claims != "cron" {
		t.Errorf("%+v", s)
	}
	if fmt.Sprint(s.EC2.Tags) != fmt.Sprint(tags) {
		t.Errorf("tags: got %v, want %v", s.EC2.Tags, tags)
	}
	want := map[string]job.SNS{
		"ops":   {Topic: "arn:aws:sns:eu-central-1:210987654321:ops"},
		"again": {Topic: "arn:aws:sns:eu-central-1:210987654321:ops"},
		"slack": {Topic: "arn:aws:sns:eu-central-1:210987654321:chat", Chat: true},
		"here":  {Topic: "arn:aws:sns:eu-central-1:123456789012:theirs"},
		"there": {Topic: "arn:aws:sns:us-east-1:123456789012:far"},
	}
	if fmt.Sprint(s.Topics) != fmt.Sprint(want) {
		t.Errorf("topics: got %v, want %v", s.Topics, want)
	}
	if r := s.EC2.Report; r == nil || r.Role != "arn:aws:iam::210987654321:role/cron-eu-central-1-report" {
		t.Errorf("report: %v", r)
	}
	if i.File.Fleet.EC2.Report.Role != "" || len(i.File.Fleet.EC2.Tags) != len(tags) || i.File.Fleet.EC2.Tags["AWS"] != "${AWS::Region}" {
		t.Errorf("the file was changed: %+v", i.File.Fleet.EC2)
	}
	if again, _ := i.Settings(); again != got {
		t.Errorf("settings differ:\n%s\n%s", got, again)
	}
}
