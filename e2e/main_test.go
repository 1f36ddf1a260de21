// Package e2e tests the real program: the binary as it is released, real
// processes that are really killed, real servers on loopback. What the commands
// themselves write to a witness file is held against the ledger.
package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
	"github.com/solocron/solocron/ledger/pgtest"
	"github.com/solocron/solocron/web"
)

// binary is the program under test, built by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "solocron-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "solocron")
		os.Setenv(guard.RunDirVariable, filepath.Join(dir, "state")) // what the daemons remember; hosts here name their own
		build := exec.Command("go", "build", "-trimpath", "-o", binary, "../cmd/solocron")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build solocron: %v\n%s", err, out)
			return 1
		}
		return pgtest.Run(m)
	}())
}

// site is a folder with jobs files, on which daemons run.
type site struct {
	t       *testing.T
	dir     string
	witness string // the file that the commands write to
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := guardtest.Dir(t)
	return &site{t: t, dir: dir, witness: filepath.Join(dir, "witness")}
}

// path is a file of the site.
func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// write writes a jobs file; WITNESS in it becomes the witness file's path and
// DIR the site's folder.
func (s *site) write(name, file string) {
	s.t.Helper()
	file = strings.NewReplacer("WITNESS", s.witness, "DIR", s.dir).Replace(file)
	if err := os.WriteFile(s.path(name), []byte(file), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// daemon is a running solocron serve.
type daemon struct {
	t    *testing.T
	file string
	cmd  *exec.Cmd
	log  *journal
	done chan struct{}
}

// journal keeps what a daemon prints.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// launch starts a daemon on the file, if need be by another program.
func (s *site) launch(file string, by ...string) *daemon {
	s.t.Helper()
	d := &daemon{t: s.t, file: file, log: &journal{}, done: make(chan struct{})}
	argv := append(by, binary, "serve", "--file", s.path(file))
	d.cmd = exec.Command(argv[0], argv[1:]...)
	d.cmd.Dir = s.dir
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { _ = d.cmd.Wait(); close(d.done) }()
	s.t.Cleanup(func() {
		d.kill()
		if s.t.Failed() {
			s.t.Logf("%s printed:\n%s", file, d.log)
		}
	})
	return d
}

// serve launches a daemon and waits until it answers.
func (s *site) serve(file string, by ...string) *daemon {
	s.t.Helper()
	d := s.launch(file, by...)
	await(s.t, 30*time.Second, "the daemon answers", func() bool {
		if d.ended() {
			s.t.Fatalf("the daemon ended at once:\n%s", d.log)
		}
		_, err := s.try("status", "--file", s.path(file))
		return err == nil
	})
	return d
}

func (d *daemon) signal(sig syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.t.Fatal(err)
	}
}

// kill is kill -9. Commands under way go on.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

// stop is SIGTERM, and waits for the drain.
func (d *daemon) stop() {
	d.t.Helper()
	d.signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(30 * time.Second):
		d.t.Fatal("no drain within 30s")
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		d.t.Errorf("the daemon drained with exit code %d", code)
	}
}

func (d *daemon) ended() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// try runs a command of the program and returns what it wrote to stdout.
func (s *site) try(args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	c := exec.Command(binary, args...)
	c.Dir, c.Stderr = s.dir, &stderr
	out, err := c.Output()
	if err != nil {
		return out, fmt.Errorf("solocron %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return out, nil
}

// runs lists every run of the daemon's ledger, the earliest due first.
func (s *site) runs(file string) []web.Run {
	s.t.Helper()
	out, err := s.try("runs", "--file", s.path(file), "--limit", "0", "--output", "json")
	if err != nil {
		s.t.Fatal(err)
	}
	var list []web.Run
	if err := json.Unmarshal(out, &list); err != nil {
		s.t.Fatalf("runs --output json: %v in %s", err, out)
	}
	slices.Reverse(list)
	return list
}

// starts is how often each run's command started, by its own word.
func (s *site) starts() map[string]int {
	s.t.Helper()
	data, err := os.ReadFile(s.witness)
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	count := map[string]int{}
	for line := range strings.Lines(string(data)) {
		id, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		count[id]++
	}
	return count
}

// pause stops every job that the runs are of from coming due.
func (s *site) pause(file string, runs []web.Run) {
	s.t.Helper()
	done := map[string]bool{}
	for _, r := range runs {
		if done[r.Job] {
			continue
		}
		done[r.Job] = true
		if _, err := s.try("pause", r.Job, "--file", s.path(file)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// await waits until the condition holds.
func await(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain until %s", limit, what)
		}
	}
}

// settled reports whether none of the runs is open.
func settled(runs []web.Run) bool {
	return !slices.ContainsFunc(runs, func(r web.Run) bool { return r.State.Open() })
}

// tally counts the runs by state.
func tally(runs []web.Run) map[string]int {
	count := map[string]int{}
	for _, r := range runs {
		count[string(r.State)]++
	}
	return count
}

// checkHistory holds the witness against the ledger: no run started twice,
// every run that succeeded did start, and what started is on record.
func checkHistory(t *testing.T, runs []web.Run, starts map[string]int) {
	t.Helper()
	known := map[string]bool{}
	for _, r := range runs {
		known[r.ID] = true
		n := starts[r.ID]
		switch {
		case n > 1:
			t.Errorf("run %s started %d times: %+v", r.ID, n, r.Attempts)
		case r.State == "succeeded" && n == 0:
			t.Errorf("run %s succeeded without having started", r.ID)
		case n == 1 && (r.State == "skipped" || r.StartedAt == nil):
			t.Errorf("run %s started, and is recorded as %s: %s", r.ID, r.State, r.Reason)
		}
	}
	for id := range starts {
		if !known[id] {
			t.Errorf("run %s started and is not in the ledger", id)
		}
	}
}

// checkComplete looks for due times without a record, for jobs that are due
// every period.
func checkComplete(t *testing.T, runs []web.Run, period time.Duration) {
	t.Helper()
	last := map[string]time.Time{}
	for _, r := range runs {
		if before, ok := last[r.Job]; ok && r.Due.Sub(before) != period {
			t.Errorf("job %s: nothing is recorded between %v and %v", r.Job, before, r.Due)
		}
		last[r.Job] = r.Due
		if r.Until != nil {
			last[r.Job] = *r.Until
		}
	}
}

// manyJobs are n jobs j000, j001, … that are due together and write their run
// and host to the witness file.
func manyJobs(n int, schedule string) string {
	var b strings.Builder
	b.WriteString("jobs:\n")
	for i := range n {
		fmt.Fprintf(&b, "  j%03d:\n    schedule: %q\n    command: echo \"$SOLOCRON_RUN_ID $SOLOCRON_HOST\" >> WITNESS\n", i, schedule)
	}
	return b.String()
}
