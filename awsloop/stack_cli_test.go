package awsloop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solocron/solocron/awsloop/mototest"
)

// TestStackCLI drives a stack by the aws command, which reads each answer
// by the service's model.
func TestStackCLI(t *testing.T) {
	t.Parallel()
	s := New(Options{Moto: mototest.Start(t), Dir: t.TempDir()})
	t.Cleanup(func() { s.Close() })
	if _, err := s.Start(); err != nil {
		t.Fatal(err)
	}
	NewAccount(s, AccountOptions{})
	do := func(args ...string) map[string]any {
		t.Helper()
		got, failure := awsCLI(t, s, append([]string{"cloudformation"}, args...)...)
		if failure != "" {
			t.Fatalf("%s: %s", strings.Join(args, " "), failure)
		}
		return got
	}
	body := filepath.Join(t.TempDir(), "template.json")
	const text = `{
  "Description": "of <the> \"test\" & more",
  "Parameters": {"Name": {"Type": "String", "Default": "cli-topic"}},
  "Resources": {
    "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "Name"}}},
    "Group": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": {"Ref": "AWS::StackName"}}}
  },
  "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}}
}`
	if err := os.WriteFile(body, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	template := "file://" + body
	do("create-change-set", "--stack-name", "cli", "--change-set-name", "one", "--change-set-type", "CREATE", "--template-body", template,
		"--tags", "Key=part,Value=cron", "--parameters", "ParameterKey=Name,ParameterValue=cli-other")
	set := []string{"--stack-name", "cli", "--change-set-name", "one"}
	until(t, "the change set", func() bool {
		return do(append([]string{"describe-change-set"}, set...)...)["Status"] == "CREATE_COMPLETE"
	})
	if got := do("list-change-sets", "--stack-name", "cli")["Summaries"].([]any); len(got) != 1 {
		t.Errorf("change sets %v", got)
	}
	do(append([]string{"execute-change-set"}, set...)...)
	stack := func(name string) map[string]any {
		return do("describe-stacks", "--stack-name", name)["Stacks"].([]any)[0].(map[string]any)
	}
	until(t, "the stack", func() bool { return stack("cli")["StackStatus"] == "CREATE_COMPLETE" })
	made := stack("cli")
	id := made["StackId"].(string)
	if text, err := json.Marshal(made); err != nil || !strings.Contains(string(text), ":cli-other") || !strings.Contains(string(text), `of \u003cthe\u003e \"test\" \u0026 more`) {
		t.Errorf("%s, %v", text, err)
	}
	if got := do("get-template-summary", "--stack-name", "cli"); len(got["ResourceTypes"].([]any)) != 2 {
		t.Errorf("%v", got)
	}
	if got := do("describe-stack-resource", "--stack-name", "cli", "--logical-resource-id", "Group"); got["StackResourceDetail"].(map[string]any)["PhysicalResourceId"] != "cli" {
		t.Errorf("%v", got)
	}
	if got := do("describe-stack-resources", "--stack-name", "cli")["StackResources"].([]any); len(got) != 2 {
		t.Errorf("%v", got)
	}
	if got := do("describe-stack-events", "--stack-name", id)["StackEvents"].([]any); got[0].(map[string]any)["ResourceStatus"] != "CREATE_COMPLETE" {
		t.Errorf("%v", got[0])
	}
	said, failure := awsSays(t, s, "cloudformation", "deploy", "--stack-name", "cli", "--template-file", body, "--no-fail-on-empty-changeset")
	if failure != "" || !strings.Contains(said, "No changes to deploy. Stack cli is up to date") {
		t.Errorf("deploy: %s %s", said, failure)
	}
	do("delete-stack", "--stack-name", "cli")
	until(t, "its end", func() bool { return stack(id)["StackStatus"] == "DELETE_COMPLETE" })
	if _, failure := awsCLI(t, s, "cloudformation", "describe-stacks", "--stack-name", "cli"); !strings.Contains(failure, "(ValidationError)") || !strings.Contains(failure, "Stack with id cli does not exist") {
		t.Error(failure)
	}
}
