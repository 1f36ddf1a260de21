package awsloop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// awsCLI runs the aws command against the server and returns the JSON that it
// printed, or how it failed.
func awsCLI(t *testing.T, s *Server, args ...string) (map[string]any, string) {
	t.Helper()
	out, failure := awsSays(t, s, args...)
	if failure != "" {
		return nil, failure
	}
	var answer map[string]any
	if text := strings.TrimSpace(out); text != "" {
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatalf("aws %s printed %s: %v", strings.Join(args, " "), out, err)
		}
	}
	return answer, ""
}

// awsSays is awsCLI for what isn't JSON.
func awsSays(t *testing.T, s *Server, args ...string) (said, failure string) {
	t.Helper()
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Fatalf("the aws command is missing (Debian package awscli): %v", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(s.Environ(), "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir(), "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", complaint.String() + err.Error()
	}
	return string(out), ""
}

func TestLambdaCLI(t *testing.T) {
	t.Parallel()
	s, l := newLoop(t)
	newTestFunction(t, l, FunctionOptions{})
	dir := t.TempDir()
	path := filepath.Join(dir, "starts")
	invoke := func(payload []byte, more ...string) (map[string]any, string) {
		event := filepath.Join(dir, "event")
		if err := os.WriteFile(event, payload, 0o600); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"lambda", "invoke", "--function-name", "fn", "--payload", "fileb://" + event}, more...)
		got, failure := awsCLI(t, s, append(args, filepath.Join(dir, "out"))...)
		if failure != "" {
			t.Fatal(failure)
		}
		return got, read(filepath.Join(dir, "out"))
	}
	if got, out := invoke([]byte(`{"echo":"hello"}`)); got["StatusCode"] != 200.0 || got["ExecutedVersion"] != "$LATEST" || !strings.Contains(out, `"Echo":"hello"`) {
		t.Errorf("%v %s", got, out)
	}
	if got, out := invoke([]byte(`{"error":"no luck"}`)); got["FunctionError"] != "Unhandled" || !strings.Contains(out, "no luck") {
		t.Errorf("%v %s", got, out)
	}
	if got, out := invoke(noted(t, path, "x", nil), "--invocation-type", "Event"); got["StatusCode"] != 202.0 || out != "" {
		t.Errorf("%v %s", got, out)
	}
	until(t, "the event", func() bool { return len(lines(path)) == 1 })
	if n := s.Calls()["lambda.Invoke"]; n != 3 {
		t.Errorf("calls %v", s.Calls())
	}
}
