package awsloop_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/solocron/solocron/awsloop"
)

// cli runs the aws command against the server and returns its answer, or what
// it said when it failed.
func cli(t *testing.T, s *awsloop.Server, environ []string, args ...string) (answer map[string]any, failure string) {
	t.Helper()
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Fatalf("the aws command is missing (Debian package awscli): %v", err)
	}
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), path, append([]string{"--output", "json"}, args...)...)
	c.Env = append(append(os.Environ(), "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null"), s.Environ()...)
	c.Env = append(c.Env, environ...)
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return nil, strings.TrimSpace(stderr.String())
	}
	if stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
			t.Fatalf("aws %v: %v: %s", args, err, stdout.Bytes())
		}
	}
	return answer, ""
}

// The aws command is a client that nobody here wrote.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	if _, err := s.Start(); err != nil {
		t.Fatal(err)
	}
	for n := range 12 {
		addInstance(t, s, instanceID(n), awsloop.InstanceOptions{Online: true})
	}
	must := func(args ...string) map[string]any {
		t.Helper()
		answer, failure := cli(t, s, nil, append([]string{"ssm"}, args...)...)
		if failure != "" {
			t.Fatalf("aws ssm %v: %s", args, failure)
		}
		return answer
	}

	listed := must("describe-instance-information")
	if n := len(listed["InstanceInformationList"].([]any)); n != 12 || s.Calls()["ssm.DescribeInstanceInformation"] != 2 {
		t.Errorf("%d instances in %v", n, s.Calls())
	}

	made := must("create-document", "--name", "greet", "--document-type", "Command", "--document-format", "YAML",
		"--content", "file://testdata/document.yaml")
	if v := made["DocumentDescription"].(map[string]any)["LatestVersion"]; v != "1" {
		t.Errorf("made %v", made)
	}
	sent := must("send-command", "--document-name", "greet", "--instance-ids", instanceID(3), "--comment", "hello",
		"--parameters", `{"verb":["start"],"words":["sleep 1000"]}`)
	id := sent["Command"].(map[string]any)["CommandId"].(string)
	must("cancel-command", "--command-id", id)
	eventually(t, "it is cancelled", func() bool {
		got := must("get-command-invocation", "--command-id", id, "--instance-id", instanceID(3))
		return got["StatusDetails"] == "Cancelled" && got["Comment"] == "hello"
	})
	commands := must("list-commands", "--filters", "key=DocumentName,value=greet", "key=InvokedAfter,value=2020-01-01T00:00:00Z")
	if n := len(commands["Commands"].([]any)); n != 1 {
		t.Errorf("%d commands", n)
	}
	details := must("list-command-invocations", "--command-id", id, "--details")
	if v := details["CommandInvocations"].([]any); len(v) != 1 || v[0].(map[string]any)["Status"] != "Cancelled" {
		t.Errorf("invocations %v", details)
	}

	_, failure := cli(t, s, []string{"AWS_SECRET_ACCESS_KEY=wrong"}, "ssm", "list-commands")
	if !strings.Contains(failure, "InvalidSignatureException") {
		t.Errorf("a wrong secret: %s", failure)
	}
	_, failure = cli(t, s, nil, "ssm", "send-command", "--document-name", "AWS-RunShellScript", "--instance-ids", "i-00000000")
	if !strings.Contains(failure, "InvalidParameters") {
		t.Errorf("no parameters: %s", failure)
	}
}
