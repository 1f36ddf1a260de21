package aws_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
)

// A daemon with its record in SQLite runs its jobs on EC2 instances, and finds
// them again when it was killed.
func TestServe(t *testing.T) {
	a := newAccount(t, nil)
	a.host(cron)
	a.host(cron)
	dir := guardtest.Dir(t)
	file := filepath.Join(dir, "solocron.yaml")
	jobs := `
fleet: {region: REGION, claims: TABLE, tags: {account: TAG}}
defaults: {hosts: {cron: "true"}}
jobs:
  often: {schedule: "every 2s", command: "echo $SOLOCRON_RUN_ID >>WITNESS"}
  long: {schedule: "0 2 1 1 *", command: "echo long >>WITNESS; sleep 4; echo slept; exit 5"}
`
	jobs = strings.NewReplacer("REGION", region, "TABLE", a.settings.Table, "TAG", a.tag, "WITNESS", a.witness).Replace(jobs)
	if err := os.WriteFile(file, []byte(jobs), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := a.serve(file)
	var id string
	a.eventually(func() bool {
		id = strings.TrimSpace(a.local(file, "run", "long"))
		return strings.HasPrefix(id, "long@")
	}, func() string { return "the daemon takes a run: " + id })
	a.eventually(func() bool { return strings.Contains(strings.Join(a.saw(), " "), "long") }, func() string { return "it begins" })
	stop()
	stop = a.serve(file)
	defer stop()
	a.eventually(func() bool { return strings.Contains(a.local(file, "show", id), "exit code  5") }, func() string { return a.local(file, "show", id) })
	a.says(a.local(file, "logs", id), "slept")
	a.eventually(func() bool { return len(a.saw()) > 5 }, func() string { return strings.Join(a.saw(), " ") })
	seen := map[string]int{}
	for _, word := range a.saw() {
		if seen[word]++; seen[word] > 1 {
			t.Errorf("%s was started %d times", word, seen[word])
		}
	}
	var runs []struct{ ID, State string }
	if err := json.Unmarshal([]byte(a.local(file, "runs", "often", "--output", "json")), &runs); err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		if r.State == "succeeded" && seen[r.ID] != 1 || r.State == "skipped" && seen[r.ID] != 0 {
			t.Errorf("%s is %s, and was started %d times", r.ID, r.State, seen[r.ID])
		}
	}
}

// serve starts a daemon; the returned function kills it.
func (a *account) serve(file string) (kill func()) {
	a.t.Helper()
	cmd := exec.Command(solocron, "serve", "--file", file)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(file), guard.RunDirVariable + "=" + filepath.Dir(file), // hosts here name their own
	}, a.loop.Environ()...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		a.t.Logf("the daemon said:\n%s", &log)
	})
	a.t.Cleanup(kill)
	return kill
}

// local runs the command line against the daemon of the file.
func (a *account) local(file string, args ...string) string {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), solocron, append(args, "--file", file)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(file), "NO_COLOR=1"}
	out, _ := cmd.Output()
	return string(out)
}
