package job

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEC2Fleet(t *testing.T) {
	data, err := os.ReadFile("testdata/good-aws.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Decode("jobs.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	const sns = "arn:aws-us-gov:sns:us-gov-west-1:123456789012:"
	want := Fleet{
		Every: time.Minute, MinFree: 64 << 20, MaxSkew: 30 * time.Second,
		EC2: &EC2{
			Region:      "us-gov-west-1",
			Tags:        map[string]string{"cron": "true", "aws:autoscaling:groupName": "web"},
			TargetGroup: "arn:aws-us-gov:elasticloadbalancing:us-gov-west-1:123456789012:targetgroup/web-1/73e2d6bc24d8a067",
			Hybrid:      true, Document: "AWS-RunShellScript",
			Claims: "claims", ClaimWithin: 270 * time.Second,
			Report: &Report{Topic: sns + "ops", Role: "arn:aws-us-gov:iam::123456789012:role/path/ssm-report"},
		},
	}
	if diff := cmp.Diff(want, f.Fleet); diff != "" {
		t.Errorf("fleet (-want +got)\n%s", diff)
	}
	targets := map[string]Target{"people": {SNS: &SNS{Topic: sns + "people"}}, "rooms": {SNS: &SNS{Topic: sns + "rooms", Chat: true}}}
	if diff := cmp.Diff(targets, f.Targets); diff != "" {
		t.Errorf("targets (-want +got)\n%s", diff)
	}
	on, off := f.Jobs[0], f.Jobs[1]
	if on.Unclaimed || !on.Protect || !off.Unclaimed || off.Protect {
		t.Errorf("unclaimed and protect: on has %v %v, off has %v %v", on.Unclaimed, on.Protect, off.Unclaimed, off.Protect)
	}
}

func TestClaim(t *testing.T) {
	const fleet = "fleet: { region: eu-central-1 }\n"
	for _, c := range []struct {
		name, file string
		unclaimed  bool
	}{
		{"ledger's table", "ledger: dynamodb://eu-central-1/solocron\njobs: { a: { schedule: '@daily', command: x } }", false},
		{"none needed", "jobs: { a: { schedule: '@daily', command: x, claim: off } }", true},
		{"off in defaults", "defaults: { claim: off }\njobs: { a: { schedule: '@daily', command: x } }", true},
		{"on again", "ledger: dynamodb://eu-central-1/solocron\ndefaults: { claim: off }\njobs: { a: { schedule: '@daily', command: x, claim: on } }", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if j := decodeOne(t, fleet+c.file); j.Unclaimed != c.unclaimed {
				t.Errorf("unclaimed %v, want %v", j.Unclaimed, c.unclaimed)
			}
		})
	}
}

func TestDynamoDB(t *testing.T) {
	for ledger, want := range map[string][2]string{
		"dynamodb://ap-northeast-1/solocron":   {"ap-northeast-1", "solocron"},
		"dynamodb://us-gov-west-1/a.b_c-1":     {"us-gov-west-1", "a.b_c-1"},
		"dynamodb://ap-northeast-1/solocron/":  {},
		"dynamodb://ap-northeast-1/so":         {},
		"dynamodb://solocron":                  {},
		"postgres://ap-northeast-1/solocron":   {},
		"/var/dynamodb://ap-northeast-1/table": {},
	} {
		region, table, ok := DynamoDB(ledger)
		if got := [2]string{region, table}; got != want || ok != (region != "") {
			t.Errorf("DynamoDB(%q) = %q, %v; want %q", ledger, got, ok, want)
		}
	}
}
