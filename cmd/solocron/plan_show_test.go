package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/solocron/solocron/schedule"
	"github.com/solocron/solocron/stack/cost"
	"github.com/solocron/solocron/stack/deploy"
	"github.com/solocron/solocron/stack/policy"
)

// golden compares with a file; UPDATE_SCRIPTS=1 writes it anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_SCRIPTS") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func nights(from, to int) (due []time.Time) {
	for day := from; day <= to; day++ {
		due = append(due, time.Date(2026, 11, day, 17, 30, 0, 0, time.UTC))
	}
	return due
}

// plans are as an account sees them one after the other.
func plans() map[string]*deploy.Plan {
	send := policy.Statement{
		Sid: "SendToCronTrue", Needs: "starting commands on hosts with cron=true", Actions: []string{"ssm:SendCommand"},
		Resources: []string{"arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:instance/*"},
		Condition: policy.Condition{"StringEquals": {"aws:ResourceTag/cron": {"true"}}},
	}
	estimate := cost.Estimate{Region: "us-east-1", Priced: "2026-05-01", Total: 0.61, Items: []cost.Item{
		{Service: "Lambda", Quantity: 43260, Unit: "invocations", Dollars: 0.01}, {Service: "CloudWatch", Quantity: 6, Unit: "alarms", Dollars: 0.6},
	}}
	head := deploy.Plan{Name: "solocron", Region: "ap-northeast-1", Account: "123456789012", Cost: estimate, Base: "b"}
	first, edit, none := head, head, head
	first.Stack = deploy.StackChange{
		Action: deploy.Create, Bucket: "solocron-123456789012-ap-northeast-1", Make: true, Upload: true, Code: "solocron/0123456789abcdef0123456789abcdef.zip", Adopted: true,
		Resources: []deploy.Resource{
			{Action: deploy.Create, ID: "Function", Type: "AWS::Lambda::Function"}, {Action: deploy.Create, ID: "Log", Type: "AWS::Logs::LogGroup"},
		},
	}
	first.Jobs = []deploy.JobChange{
		{Action: deploy.Create, Name: "nightly-aggregate", After: nights(22, 24), Zone: "Asia/Tokyo", Timers: []schedule.Timer{{Expr: "cron(30 2 * * ? *)", Zone: "Asia/Tokyo"}}},
	}
	for i := range 30 {
		first.Jobs = append(first.Jobs, deploy.JobChange{Action: deploy.Create, Name: "job-" + itoa(time.Duration(i)), Zone: "UTC", After: nights(22, 22)})
	}
	first.Schedules = deploy.Schedules{Create: 31}
	first.Hosts = []deploy.Hosts{
		{Selector: map[string]string{"cron": "true"}, Jobs: []string{"nightly-aggregate"}, Match: []string{"i-0a", "i-0b"}, Others: []deploy.Rejected{{Host: "i-0c", Reason: "has no tag cron"}}},
		{Jobs: []string{"job-0", "job-1"}},
	}
	first.Rights = []deploy.Right{{Action: deploy.Create, Role: "solocron-ap-northeast-1-function", Statement: send}}
	first.Warnings = []string{"job job-0: no host matches"}

	edit.Stack.Action = deploy.Update
	edit.Stack.Resources = []deploy.Resource{{Action: deploy.Update, ID: "FunctionRole", Type: "AWS::IAM::Role", Properties: []string{"Policies"}}, {Action: deploy.Update, ID: "Document", Type: "AWS::SSM::Document", Replacement: true}}
	edit.Jobs = []deploy.JobChange{
		{
			Action: deploy.Update, Name: "nightly-aggregate", Paused: "ann@desk", Zone: "Asia/Tokyo", Before: nights(22, 24), After: nights(23, 25),
			Fields: []deploy.FieldChange{{Key: "schedule", Before: "30 2 * * *", After: "30 2 * * mon"}, {Key: "retry.attempts", After: "2"}, {Key: "command", Before: "a\x1b[2J\nb", After: "c"}},
			Timers: []schedule.Timer{{Expr: "cron(30 2 ? * 2 *)", Zone: "Asia/Tokyo"}},
		},
		{Action: deploy.Delete, Name: "gone"},
		{Action: deploy.Leave, Name: "left"},
	}
	edit.Unchanged = 29
	edit.Schedules = deploy.Schedules{Create: 1, Delete: 2, Keep: 30, Foreign: []string{"theirs"}, Edited: []string{"job-1.abc"}, Disabled: []string{"job-2.def"}}
	edit.Hosts = []deploy.Hosts{{Selector: map[string]string{"cron": "true"}, Jobs: []string{"nightly-aggregate"}, Error: "AccessDenied"}}
	edit.Rights = []deploy.Right{{Action: deploy.Update, Role: "solocron-ap-northeast-1-function", Statement: send, Before: &send}, {Action: deploy.Delete, Role: "solocron-ap-northeast-1-report", Statement: send}}

	none.Stack.Action = deploy.None
	none.Unchanged = 31
	return map[string]*deploy.Plan{"first": &first, "edit": &edit, "none": &none}
}

// What people and scripts read of a plan.
func TestPlanOnAPage(t *testing.T) {
	for name, p := range plans() {
		golden(t, "plan-"+name+".golden", viewPlan(p, screen{}))
		if name == "edit" {
			golden(t, "plan-terminal.golden", viewPlan(p, screen{width: 100, color: true}))
			var out bytes.Buffer
			c := &cobra.Command{}
			c.SetOut(&out)
			if err := (&globals{output: formatJSON}).print(c, p, nil); err != nil {
				t.Fatal(err)
			}
			golden(t, "plan-json.golden", out.String())
		}
	}
}
