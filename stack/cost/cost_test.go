package cost

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/policy"
	"github.com/solocron/solocron/stack/template"
)

var from = time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)

func installation(t testing.TB, jobs string) *stack.Installation {
	t.Helper()
	f, err := job.Decode("jobs.yaml", []byte(`
ledger: dynamodb://eu-central-1/cron
fleet: { region: eu-central-1 }
notify: { targets: { ops: { sns: { topic: ops } }, night: { sns: { topic: night } } } }
jobs:
`+jobs))
	if err != nil {
		t.Fatal(err)
	}
	i, err := stack.New(f)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func text(e Estimate) string {
	var b strings.Builder
	for _, i := range e.Items {
		fmt.Fprintf(&b, "%.0f %s %s $%.2f\n", i.Quantity, i.Service, i.Unit, i.Dollars)
	}
	fmt.Fprintf(&b, "$%.2f, %s of %s\n", e.Total, e.Region, e.Priced)
	return b.String()
}

func TestOf(t *testing.T) {
	tests := []struct{ name, jobs, want string }{
		{"one job a night", `  nightly: { schedule: "30 2 * * *", timezone: Asia/Tokyo, command: x }`, `
30 EventBridge Scheduler invocations $0.01
43290 Lambda invocations $0.01
2165 Lambda GB-seconds: 0.2 s of 256 MB for each, on arm64 $0.03
750 DynamoDB write units $0.01
518580 DynamoDB read units $0.07
8 CloudWatch alarms $0.80
44 CloudWatch Logs MB $0.03
0 SNS messages $0.00
30 Systems Manager commands on EC2 instances $0.00
$0.96, us-east-1 of 2026-05-01
`},
		{"more rings than due times, and success told", `
  often: { schedule: "every 7m", command: x, notify: { on: [succeeded], to: [ops, night] } }
  same: { schedule: "every 7m", command: x }
  either: { schedule: "0 6 13 * fri", command: x }`, `
86405 EventBridge Scheduler invocations $0.09
154299 Lambda invocations $0.04
7715 Lambda GB-seconds: 0.2 s of 256 MB for each, on arm64 $0.11
469121 DynamoDB write units $0.30
752940 DynamoDB read units $0.10
8 CloudWatch alarms $0.80
155 CloudWatch Logs MB $0.08
12342 SNS messages $0.01
12347 Systems Manager commands on EC2 instances $0.00
$1.53, us-east-1 of 2026-05-01
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := text(Of(installation(t, test.jobs), from)); got != test.want[1:] {
				t.Errorf("got\n%swant%s", got, test.want)
			}
		})
	}
}

// A month that is not over yet has the last due times of at() alone.
func TestOnce(t *testing.T) {
	i := installation(t, `
  past: { schedule: "at(2026-11-22T12:29:00)", command: x }
  soon: { schedule: "at(2026-11-22T12:31:00)", command: x }
  later: { schedule: "at(2026-12-22T12:31:00)", command: x }`)
	if u := usage(i, from); u.runs != 1 || u.rings != 1 {
		t.Errorf("%+v", u)
	}
}

// The alarms that are counted are those of the template.
func TestAlarms(t *testing.T) {
	i := installation(t, `  nightly: { schedule: "30 2 * * *", command: x }`)
	roles, err := policy.Roles(i)
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := template.New(i, roles, template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	made, err := tpl.CloudFormation()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(made), `"AWS::CloudWatch::Alarm"`); n != alarms {
		t.Errorf("the template has %d alarms, and %d are counted", n, alarms)
	}
}

// BenchmarkOf is what planning a file of 10,000 jobs spends here.
func BenchmarkOf(b *testing.B) {
	var jobs strings.Builder
	for n := range 10_000 {
		fmt.Fprintf(&jobs, "  job-%d: { schedule: %q, command: x }\n", n, []string{"~ 2 * * mon-fri", "*/5 * * * *"}[n%2])
	}
	i := installation(b, jobs.String())
	for b.Loop() {
		Of(i, from)
	}
}
