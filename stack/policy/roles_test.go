package policy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
)

func installation(f *job.File) *stack.Installation {
	return &stack.Installation{Name: "cron", Region: f.Fleet.EC2.Region, File: f}
}

// many are selectors that can't be merged.
func many(n int) (all []fleet.Selector) {
	for k := range n {
		all = append(all, fleet.Selector{"role": fmt.Sprint("role-", k), "zone": fmt.Sprint("zone-", k)})
	}
	return all
}

// A policy that is too large is refused, and the remedy is one.
func TestTooManySelectors(t *testing.T) {
	t.Parallel()
	if _, err := Roles(installation(fileOf(nil, many(30)...))); err != nil {
		t.Errorf("30 selectors: %v", err)
	}
	_, err := Roles(installation(fileOf(nil, many(100)...)))
	if err == nil || !strings.Contains(err.Error(), "100 different selectors") || !strings.Contains(err.Error(), "Set fleet.tags") {
		t.Errorf("100 selectors: %v", err)
	}
	i := installation(fileOf(fleet.Selector{"fleet": "shop"}, many(100)...))
	roles, err := Roles(i)
	if err != nil {
		t.Fatal(err)
	}
	n := slices.IndexFunc(roles[0].Statements, func(s Statement) bool { return s.Sid == "StartOnFleet" })
	if n < 0 || roles[0].size(i) > maxInline {
		t.Errorf("with fleet.tags: %d characters, %v", roles[0].size(i), roles[0].Statements)
	}
	if w := Warnings(i); len(w) != 1 || !strings.Contains(w[0], "every instance with fleet=shop") {
		t.Errorf("warnings %q", w)
	}
	// A thousand hosts' values of one key are no more than one statement.
	var names []fleet.Selector
	for k := range 400 {
		names = append(names, fleet.Selector{"Name": fmt.Sprint("host-", k)})
	}
	if _, err := Roles(installation(fileOf(nil, names...))); err != nil {
		t.Errorf("400 names: %v", err)
	}
}

// Neither tags nor topics that are too many make a policy that IAM refuses.
func TestTooManyTopics(t *testing.T) {
	t.Parallel()
	f := fileOf(fleet.Selector{"fleet": "shop"}, fleet.Selector{"a": "b"})
	f.Targets = map[string]job.Target{}
	for n := range 300 {
		f.Targets[fmt.Sprint(n)] = job.Target{SNS: &job.SNS{Topic: fmt.Sprint("topic-", n)}}
	}
	if _, err := Roles(installation(f)); err == nil || !strings.Contains(err.Error(), "use fewer notify targets") {
		t.Errorf("300 topics: %v", err)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	if w := Warnings(installation(fileOf(nil, fleet.Selector{"a": "b"}))); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
	if w := Warnings(installation(fileOf(fleet.Selector{"a": "b"}, nil))); len(w) != 0 {
		t.Errorf("with fleet.tags: warnings %q", w)
	}
	f := fileOf(nil, fleet.Selector{"a": "b"}, nil)
	f.Fleet.EC2.Document = "AWS-RunShellScript"
	w := Warnings(installation(f))
	if len(w) != 2 || !strings.Contains(w[0], "job job1: it names no hosts") || !strings.Contains(w[1], "AWS-RunShellScript") {
		t.Errorf("warnings %q", w)
	}
}

var plainSid = regexp.MustCompile(`^[A-Za-z0-9]+$`)

// What each holder has is told apart by its name, says what it is for, and
// stands in IAM's limits.
func TestStatementsAreNamed(t *testing.T) {
	t.Parallel()
	for _, f := range fixtures {
		for _, h := range holders(t, f) {
			seen := map[string]bool{}
			for _, s := range append(slices.Clone(h.own), h.beside...) {
				if !plainSid.MatchString(s.Sid) || seen[s.Sid] || s.Needs == "" || len(s.Actions) == 0 || len(s.Resources) == 0 {
					t.Errorf("%s: %s has statement %+v", f.name, h.name, s)
				}
				seen[s.Sid] = true
				if slices.ContainsFunc(s.Actions, func(a string) bool { return strings.Contains(a, "*") }) {
					t.Errorf("%s: %s has actions %s", f.name, h.name, s.Actions)
				}
			}
			if text := Allow(h.own, f.place).JSON(); strings.Contains(text, "${") || !json.Valid([]byte(text)) {
				t.Errorf("%s: %s has placeholders: %s", f.name, h.name, text)
			}
		}
	}
}

// Only what a file asks for is there.
func TestFeatures(t *testing.T) {
	t.Parallel()
	sids := func(change func(*job.EC2, *job.Job)) (all []string) {
		f := fileOf(nil, fleet.Selector{"cron": "true"})
		change(f.Fleet.EC2, &f.Jobs[0])
		roles, err := Roles(installation(f))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range roles {
			for _, s := range r.Statements {
				all = append(all, s.Sid)
			}
		}
		return all
	}
	plain := sids(func(*job.EC2, *job.Job) {})
	for want, change := range map[string]func(*job.EC2, *job.Job){
		"":             func(*job.EC2, *job.Job) {},
		"ProtectHosts": func(_ *job.EC2, j *job.Job) { j.Protect = true },
		"ReadNodeTags": func(e *job.EC2, _ *job.Job) { e.Hybrid = true },
		"SeeTargetHealth": func(e *job.EC2, _ *job.Job) {
			e.TargetGroup = "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/web/1"
		},
		"KeepClaims":                   func(e *job.EC2, _ *job.Job) { e.Claims = "claims" },
		"PassReportRole":               func(e *job.EC2, _ *job.Job) { e.Report = &job.Report{Topic: "t", Role: "arn:aws:iam::1:role/r"} },
		"PassReportRole TellOfBadEnds": func(e *job.EC2, _ *job.Job) { e.Report = &job.Report{Topic: "t"} },
	} {
		got := slices.DeleteFunc(sids(change), func(s string) bool { return slices.Contains(plain, s) })
		if strings.Join(got, " ") != want {
			t.Errorf("%q adds %q", want, got)
		}
	}
}

func TestPartition(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{"eu-central-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "us-west-1": "aws"} {
		if got := Partition(region); got != want {
			t.Errorf("%s is in %s, want %s", region, got, want)
		}
	}
}
