package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/policy"
)

func TestMain(m *testing.M) { mototest.Main(m) }

const full = "testdata/full.yaml"

// load reads an installation from a jobs file.
func load(t testing.TB, path string) *stack.Installation {
	t.Helper()
	f, err := job.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	i, err := stack.New(f)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// write makes a jobs file of the text and reads its installation.
func write(t testing.TB, text string) *stack.Installation {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jobs.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, path)
}

func newTemplate(t testing.TB, i *stack.Installation, o Options) *Template {
	t.Helper()
	made, err := New(i, roles(t, i), o)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func cloudFormation(t testing.TB, made *Template) []byte {
	t.Helper()
	text, err := made.CloudFormation()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func roles(t testing.TB, i *stack.Installation) []policy.Role {
	t.Helper()
	all, err := policy.Roles(i)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// manyJobs is a jobs file with n of them.
func manyJobs(n int) string {
	var b strings.Builder
	b.WriteString("ledger: dynamodb://eu-central-1/cron\nfleet: { region: eu-central-1 }\njobs:\n")
	for k := range n {
		fmt.Fprintf(&b, "  job-%04d: { schedule: \"%d 2 * * *\", hosts: { cron: \"true\" }, command: echo %d }\n", k, k%60, k)
	}
	return b.String()
}

func TestJobsAreNotInside(t *testing.T) {
	t.Parallel()
	one, many := newTemplate(t, write(t, manyJobs(1)), Options{}), newTemplate(t, write(t, manyJobs(1000)), Options{})
	if diff := cmp.Diff(string(cloudFormation(t, one)), string(cloudFormation(t, many))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(string(one.Terraform()), string(many.Terraform())); diff != "" {
		t.Error(diff)
	}
	t.Logf("1 job and 1,000: %d bytes, %d resources", len(cloudFormation(t, many)), len(many.Resources()))
}

func TestSameEveryTime(t *testing.T) {
	t.Parallel()
	first := newTemplate(t, load(t, full), Options{})
	for range 10 {
		again := newTemplate(t, load(t, full), Options{})
		if !bytes.Equal(cloudFormation(t, first), cloudFormation(t, again)) || !bytes.Equal(first.Terraform(), again.Terraform()) {
			t.Fatal("two templates of one file differ")
		}
	}
}

func TestIndented(t *testing.T) {
	t.Parallel()
	made := newTemplate(t, load(t, full), Options{Release: "v1.2.3"})
	text, err := made.Indented()
	if err != nil {
		t.Fatal(err)
	}
	if !stack.SameJSON(text, cloudFormation(t, made)) {
		t.Error("indented, the template means something else")
	}
	if len(text) > MaxBytes || !bytes.Contains(text, []byte("\n  \"Resources\": {\n")) && !bytes.Contains(text, []byte("\n \"Resources\": {\n")) {
		t.Errorf("%d bytes, beginning %.60s", len(text), text)
	}
	if !bytes.Contains(text, []byte("(solocron v1.2.3)")) {
		t.Error("the version is not named")
	}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	is := func(r *Resource) bool { return r.Type() == "AWS::DynamoDB::Table" }
	made, adopted := newTemplate(t, load(t, full), Options{}), newTemplate(t, load(t, full), Options{Adopt: true})
	if !slices.ContainsFunc(made.Resources(), is) || slices.ContainsFunc(adopted.Resources(), is) {
		t.Error("the table is to be made, and not if it is adopted")
	}
	if len(adopted.Resources()) != len(made.Resources())-1 {
		t.Error("more than the table is left out")
	}
}

func TestAWSDocument(t *testing.T) {
	t.Parallel()
	text := strings.Replace(manyJobs(1), "fleet: { ", "fleet: { document: AWS-RunShellScript, ", 1)
	for _, r := range newTemplate(t, write(t, text), Options{}).Resources() {
		if r.Type() == "AWS::SSM::Document" {
			t.Error("AWS's own document is made")
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	i := write(t, manyJobs(1))
	subscribed := func(n int) *stack.Installation {
		var addresses []string
		for k := range n {
			addresses = append(addresses, fmt.Sprintf("somebody-%d@example.com", k))
		}
		list, _ := json.Marshal(addresses)
		return write(t, "notify: { targets: { ops: { sns: { topic: ops, email: "+string(list)+" } } } }\n"+manyJobs(1))
	}
	tests := map[string]struct {
		i     *stack.Installation
		roles []policy.Role
		o     Options
		wrong string
	}{
		"another architecture": {i: i, roles: roles(t, i), o: Options{Architecture: "riscv64"}, wrong: "no Lambda for riscv64"},
		"no role":              {i: i, wrong: "role cron-eu-central-1-function is missing"},
		"a role of others":     {i: i, roles: append(roles(t, i), policy.Role{Name: "admin"}), wrong: "role admin has no place"},
		"too long":             {i: subscribed(150), roles: roles(t, i), wrong: "CloudFormation takes 51200"},
		"too many resources":   {i: subscribed(500), roles: roles(t, i), wrong: "CloudFormation takes 500"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, err := New(test.i, test.roles, test.o)
			if err == nil {
				_, err = made.CloudFormation()
			}
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("error %v, want %q in it", err, test.wrong)
			}
		})
	}
}

// A resource that changes its ID is made anew, while the one of the old ID still
// has the name. So IDs depend on the names alone, and no two names share one.
func TestTopicIDs(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, name := range []string{"ops", "Ops", "a-b", "ab", "aB", "a_b", "A-B", "a--b", "-ab", "ab-", "a1-2b", "a12b", "1ab", "_", "-", "cron-alerts", "cronAlerts"} {
		id := "Topic" + camel(name)
		if other := seen[id]; other != "" {
			t.Errorf("%s and %s are both %s", other, name, id)
		}
		if strings.ContainsFunc(id, func(r rune) bool { return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9') }) {
			t.Errorf("%s: letters and digits only, got %s", name, id)
		}
		seen[id] = name
	}
	if got := camel("cron-alerts"); got != "CronAlerts" {
		t.Errorf("cron-alerts became %s", got)
	}
}

// GetTemplate answers with ? for what is not ASCII, so none of that is in a
// template, whatever the file says.
func TestASCII(t *testing.T) {
	i := write(t, `
ledger: dynamodb://eu-central-1/cron
fleet: { region: eu-central-1, tags: { "größe": "日本 🕒" } }
jobs: { nightly: { schedule: "@daily", hosts: { ort: "Zürich" }, command: x } }
`)
	text := cloudFormation(t, newTemplate(t, i, Options{}))
	if at := bytes.IndexFunc(text, func(r rune) bool { return r > 127 }); at >= 0 {
		t.Errorf("%q", text[at:min(at+40, len(text))])
	}
	var read struct {
		Resources struct {
			FunctionRole struct {
				Properties struct {
					Policies []struct {
						PolicyDocument struct {
							Statement []struct {
								Sid       string
								Condition map[string]map[string]any
							}
						}
					}
				}
			}
		}
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"aws:ResourceTag/größe": []any{"日本 🕒"}, "aws:ResourceTag/ort": []any{"Zürich"}}
	for _, s := range read.Resources.FunctionRole.Properties.Policies[0].PolicyDocument.Statement {
		if strings.HasPrefix(s.Sid, "StartOn") && cmp.Equal(s.Condition["StringEquals"], want) {
			return
		}
	}
	t.Errorf("no statement asks for %v in %s", want, text)
}
