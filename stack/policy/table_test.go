package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What AWS authorizes by what decides whether a statement means anything: an
// action that isn't there, on a resource that it doesn't know, under a condition
// on a key that it isn't asked with, allows nothing.
func TestAuthorizationTable(t *testing.T) {
	t.Parallel()
	e := newEvaluator(t)
	for _, f := range fixtures {
		all := holders(t, f)
		table := e.table(t, everyAction(all))
		for _, h := range all {
			for _, s := range h.own {
				for _, problem := range table.problems(s) {
					t.Errorf("%s: %s/%s: %s", f.name, h.name, s.Sid, problem)
				}
			}
		}
	}
}

// problems are what makes a statement allow less than it seems to.
func (a authorization) problems(s Statement) (found []string) {
	fit := map[string]bool{} // resources that some action knows
	for _, action := range s.Actions {
		row := a.Actions[action]
		if row == nil || !strings.HasSuffix(action, ":"+row.Name) {
			found = append(found, "there is no action "+action)
			continue
		}
		known := row.Keys
		on := false
		for _, resource := range s.Resources {
			if resource == "*" && len(row.Types) == 0 {
				on, fit[resource] = true, true
			}
			for _, typ := range row.Types {
				if match(typ.ARN, resource) != nil {
					on, fit[resource] = true, true
					known = append(known, typ.Keys...)
				}
			}
		}
		if !on {
			found = append(found, fmt.Sprintf("%s is not for any of %s", action, s.Resources))
		}
		for _, keys := range s.Condition {
			for key := range keys {
				if !global.MatchString(key) && !slices.ContainsFunc(known, func(k string) bool { return sameKey(k, key) }) {
					found = append(found, fmt.Sprintf("%s is not asked with %s", action, key))
				}
			}
		}
	}
	for _, resource := range s.Resources {
		if !fit[resource] {
			found = append(found, "no action is for "+resource)
		}
	}
	return found
}

// global are the keys of every request.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
var global = regexp.MustCompile(`^aws:(RequestedRegion|CalledVia)$`)

// sameKey knows aws:ResourceTag/${TagKey} for aws:ResourceTag/cron.
func sameKey(known, key string) bool {
	prefix, _, any := strings.Cut(known, "${")
	return known == key || any && strings.HasPrefix(key, prefix)
}

func TestProblems(t *testing.T) {
	t.Parallel()
	e := newEvaluator(t)
	sound := Statement{Actions: []string{"ssm:SendCommand"}, Resources: []string{"arn:aws:ec2:r:1:instance/*"}, Condition: Condition{"StringEquals": {"aws:ResourceTag/a": {"b"}}}}
	for name, unsound := range map[string]Statement{
		"no such action":   {Actions: []string{"ssm:SendCommands"}, Resources: []string{"arn:aws:ec2:r:1:instance/*"}},
		"other case":       {Actions: []string{"ssm:sendCommand"}, Resources: []string{"arn:aws:ec2:r:1:instance/*"}},
		"other resource":   {Actions: []string{"ssm:SendCommand"}, Resources: []string{"arn:aws:ec2:r:1:volume/*"}},
		"one too many":     {Actions: []string{"ssm:SendCommand"}, Resources: []string{"arn:aws:ec2:r:1:instance/*", "arn:aws:sqs:r:1:q"}},
		"knows no ARN":     {Actions: []string{"ssm:ListCommands"}, Resources: []string{"arn:aws:ec2:r:1:instance/*"}},
		"needs an ARN":     {Actions: []string{"ssm:SendCommand"}, Resources: []string{"*"}},
		"key of another":   {Actions: []string{"ssm:SendCommand"}, Resources: []string{"arn:aws:ec2:r:1:instance/*"}, Condition: Condition{"StringEquals": {"ec2:ResourceTag/a": {"b"}}}},
		"key of no action": {Actions: []string{"ssm:ListCommands"}, Resources: []string{"*"}, Condition: Condition{"StringEquals": {"aws:ResourceTag/a": {"b"}}}},
	} {
		table := e.table(t, append(unsound.Actions, sound.Actions...))
		if found := table.problems(sound); len(found) > 0 {
			t.Errorf("%s: %s", name, found)
		}
		if len(table.problems(unsound)) == 0 {
			t.Errorf("%s: nothing is said against it", name)
		}
	}
}

// cfn-lint has a table of its own.
func TestLint(t *testing.T) {
	t.Parallel()
	resources := map[string]any{}
	add := func(name string, statements ...Statement) {
		resources[name] = map[string]any{
			"Type": "AWS::IAM::ManagedPolicy", "Properties": map[string]any{"PolicyDocument": Allow(statements, Placeholders)},
		}
	}
	for _, f := range fixtures {
		for n, h := range holders(t, f) {
			add(fmt.Sprintf("%s%d", strings.ReplaceAll(f.name, "-", ""), n), h.own...)
		}
	}
	add("UnknownAction", Statement{Actions: []string{"ssm:SendCommands"}, Resources: []string{"*"}})
	add("OtherResource", Statement{Actions: []string{"sqs:SendMessage"}, Resources: []string{"arn:aws:sns:eu-central-1:123456789012:x"}})
	found := lint(t, resources)
	for policy, rule := range map[string]string{"UnknownAction": "W3037", "OtherResource": "I3510"} {
		if !strings.HasPrefix(strings.Join(found[policy], "; "), rule) {
			t.Errorf("cfn-lint finds %q wrong with %s, want %s", found[policy], policy, rule)
		}
		delete(found, policy)
	}
	for policy, problems := range found {
		t.Errorf("%s: %s", policy, problems)
	}
}

// lint has cfn-lint look at resources, and returns what is wrong with each.
func lint(t *testing.T, resources map[string]any) map[string][]string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "policies.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var said, complaint bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "cfn-lint", "--include-checks", "I", "--format", "json", path)
	cmd.Stdout, cmd.Stderr = &said, &complaint
	err = cmd.Run() // it fails if it finds something, too
	var all []struct {
		Message  string
		Rule     struct{ ID string }
		Location struct{ Path []any }
	}
	if jsonErr := json.Unmarshal(said.Bytes(), &all); jsonErr != nil {
		t.Fatalf("cfn-lint (Python: pip install cfn-lint): %v %s%s", err, said.String(), complaint.String())
	}
	found := map[string][]string{}
	for _, x := range all {
		resource := fmt.Sprint(x.Location.Path[1])
		found[resource] = append(found[resource], x.Rule.ID+" "+x.Message)
	}
	return found
}
