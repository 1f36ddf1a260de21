package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger/pgtest"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

const restoredJobs = `
defaults: { start-within: 1h, catchup: { mode: all, within: 1h } }
jobs:
  often: { schedule: every 1s, command: 'echo "$SOLOCRON_RUN_ID $SOLOCRON_FENCE" >> WITNESS' }
  long:
    schedule: "@yearly"
    command: 'echo "$SOLOCRON_RUN_ID $SOLOCRON_FENCE" >> DIR/long; while ! test -e DIR/enough; do sleep 0.1; done'
  flaky:
    schedule: "@yearly"
    retry: { attempts: 5, backoff: 3s }
    command: 'echo "$SOLOCRON_RUN_ID $SOLOCRON_FENCE" >> DIR/flaky; exit 1'
`

// startsOf is how often the job's commands have started.
func (s *site) startsOf(job string) (n int) {
	for id, times := range s.starts() {
		if strings.HasPrefix(id, job+"@") {
			n += times
		}
	}
	return n
}

// fences are the fencing numbers that the commands were given, in their order:
// the second word of each line of the witness file.
func (s *site) fences() (all []int) {
	s.t.Helper()
	data, err := os.ReadFile(s.witness)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		_, fence, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(fence)
		if err != nil {
			s.t.Fatalf("witness %q: %v", line, err)
		}
		all = append(all, n)
	}
	return all
}

// refuses launches a daemon, which must end with an error that says the words.
func (s *site) refuses(file string, words ...string) {
	s.t.Helper()
	d := s.launch(file)
	select {
	case <-d.done:
	case <-time.After(30 * time.Second):
		s.t.Fatal("the daemon did not refuse the ledger")
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 1 {
		s.t.Errorf("exit code %d", code)
	}
	for _, w := range words {
		if !strings.Contains(d.log.String(), w) {
			s.t.Errorf("the daemon does not say %q:\n%s", w, d.log)
		}
	}
}

// ledgerFiles are what a SQLite ledger consists of.
var ledgerFiles = []string{"ledger.db", "ledger.db-wal"}

func (s *site) copyLedger() map[string][]byte {
	s.t.Helper()
	files := map[string][]byte{}
	for _, name := range ledgerFiles {
		b, err := os.ReadFile(s.path(name))
		if err != nil && !os.IsNotExist(err) {
			s.t.Fatal(err)
		}
		files[name] = b
	}
	return files
}

func (s *site) putLedger(files map[string][]byte) {
	s.t.Helper()
	for _, name := range append(slices.Clone(ledgerFiles), "ledger.db-shm") {
		if err := os.Remove(s.path(name)); err != nil && !os.IsNotExist(err) {
			s.t.Fatal(err)
		}
		if b := files[name]; b != nil {
			if err := os.WriteFile(s.path(name), b, 0o600); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// A backup of the ledger is put back after it has grown old. The daemon refuses
// it until a person accepts the gap, and then goes on without starting anything
// that may have been started before.
func TestFault28RestoredBackup(t *testing.T) {
	s := newSite(t)
	s.write("jobs.yaml", "ledger: DIR/ledger.db\nfleet: { hosts: { a: { address: local, run-dir: DIR/a }, b: { address: local, run-dir: DIR/b } } }\n"+restoredJobs)
	file := []string{"--file", s.path("jobs.yaml")}
	d := s.serve("jobs.yaml")
	for _, job := range []string{"long", "flaky"} {
		if _, err := s.try(append([]string{"run", job}, file...)...); err != nil {
			t.Fatal(err)
		}
	}
	of := func(job string) (r web.Run) {
		for _, r = range s.runs("jobs.yaml") {
			if r.Job == job {
				return r
			}
		}
		return r
	}
	await(t, time.Minute, "each job is where the backup finds it", func() bool {
		return s.startsOf("often") >= 3 && of("long").State == run.Running && of("flaky").NotBefore != nil
	})
	d.kill()
	backup := s.copyLedger()
	attempts := func() int { b, _ := os.ReadFile(s.path("flaky")); return strings.Count(string(b), "\n") }

	d = s.serve("jobs.yaml")
	before := s.startsOf("often")
	await(t, time.Minute, "the backup is old", func() bool { return s.startsOf("often") >= before+3 && attempts() >= 2 })
	d.kill()
	s.putLedger(backup)
	gap, tries := s.starts(), attempts()

	s.refuses("jobs.yaml", s.path("ledger.db"), "went back in time", "was seen at beat", "solocron ledger resume")
	out, err := s.try(append([]string{"ledger", "resume"}, file...)...)
	if err != nil || !strings.Contains(string(out), "nothing was changed") || !strings.Contains(string(out), runIn(s.path("long"))) {
		t.Errorf("ledger resume: %v\n%s", err, out)
	}
	s.refuses("jobs.yaml", "went back in time")
	s.putLedger(nil)
	s.refuses("jobs.yaml", s.path("ledger.db"), "there is none, and it was seen at beat")
	s.putLedger(map[string][]byte{"ledger.db": {}})
	s.refuses("jobs.yaml", "there is none, and it was seen at beat")
	s.putLedger(backup)
	for range 2 { // the second time there is nothing to do
		if out, err := s.try(append([]string{"ledger", "resume", "--accept-gap"}, file...)...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}

	d = s.serve("jobs.yaml")
	s.write("enough", "")
	await(t, time.Minute, "the job goes on and the long run's result is known", func() bool {
		return s.startsOf("often") >= before+6 && of("long").State == run.Succeeded
	})
	s.pause("jobs.yaml", s.runs("jobs.yaml"))
	await(t, time.Minute, "no run is open", func() bool { return settled(s.runs("jobs.yaml")) })
	runs := s.runs("jobs.yaml")
	d.stop()

	checkAfterGap(t, runs, s.starts(), gap, s.fences())
	if r := runIn(s.path("flaky")); attempts() != tries || !slices.ContainsFunc(runs, func(f web.Run) bool {
		return f.ID == r && f.State == run.Failed && strings.Contains(f.Reason, "the ledger was restored")
	}) {
		t.Errorf("the retry in the gap: %d starts, %d before; %+v", attempts(), tries, runs)
	}
	if !slices.ContainsFunc(runs, func(r web.Run) bool { return strings.HasPrefix(r.Reason, run.ReasonForgotten) && r.Until != nil }) {
		t.Error("the gap is not on record")
	}
}

// runIn is the run that a file of witness lines is about.
func runIn(path string) string {
	b, _ := os.ReadFile(path)
	id, _, _ := strings.Cut(string(b), " ")
	return id
}

// checkAfterGap holds the witness against the ledger of one that was resumed:
// nothing started twice, what is on record as not started was started in the
// gap at most, and fencing numbers only grew.
func checkAfterGap(t *testing.T, runs []web.Run, starts, gap map[string]int, fences []int) {
	t.Helper()
	for id, n := range starts {
		if n != 1 {
			t.Errorf("run %s started %d times", id, n)
		}
	}
	for _, r := range runs {
		if r.State == run.Skipped && starts[r.ID] > 0 && gap[r.ID] == 0 {
			t.Errorf("run %s started, and is recorded as skipped: %s", r.ID, r.Reason)
		}
	}
	if !slices.IsSorted(fences) || len(slices.Compact(slices.Clone(fences))) != len(fences) {
		t.Errorf("fencing numbers %v", fences)
	}
}

// The primary of a PostgreSQL dies and a standby that had not heard of its last
// commits takes over. The running daemon notices with its first write, halts,
// says so everywhere, and a second one refuses to start.
func TestFault27LaggingStandby(t *testing.T) {
	s := newSite(t)
	pair := pgtest.NewPair(t)
	var told atomic.Bool
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m notifier.Message
		told.Store(told.Load() || json.Unmarshal(body, &m) == nil && m.Event == notifier.Halted)
	}))
	defer receiver.Close()
	for n := range 2 {
		s.write(fmt.Sprintf("d%d.yaml", n), fmt.Sprintf(`
ledger: %q
fleet: { hosts: { a: { address: local, run-dir: DIR/a }, b: { address: local, run-dir: DIR/b } } }
notify: { targets: { people: { webhook: { url: %q } } } }
`, pair.URL(), receiver.URL)+restoredJobs)
	}
	d := s.serve("d0.yaml")
	await(t, time.Minute, "the job runs", func() bool { return s.startsOf("often") >= 3 })
	pair.Lag()
	before := s.startsOf("often")
	await(t, time.Minute, "it runs without the standby's knowing", func() bool { return s.startsOf("often") >= before+3 })
	pair.Failover()
	var status struct{ Scheduler web.Status }
	await(t, time.Minute, "scheduling is halted", func() bool {
		out, err := s.try("status", "--file", s.path("d0.yaml"), "--output", "json")
		return err == nil && json.Unmarshal(out, &status) == nil && status.Scheduler.Halted != ""
	})
	gap, halted := s.starts(), time.Now()
	await(t, time.Minute, "people are told", told.Load)
	if !strings.Contains(d.log.String(), "scheduling is halted") || !strings.Contains(status.Scheduler.Halted, "lost a write") {
		t.Errorf("halted: %s", status.Scheduler.Halted)
	}
	if _, err := s.try("run", "long", "--file", s.path("d0.yaml")); err == nil || !strings.Contains(err.Error(), "halted") {
		t.Errorf("a run by hand: %v", err)
	}
	s.refuses("d1.yaml", "went back in time", "solocron ledger resume") // by the ledger's word: it remembers as much itself
	await(t, time.Minute, "three more due times have come", func() bool { return time.Since(halted) > 4*time.Second })
	d.stop()
	if after := s.starts(); len(after) != len(gap) {
		t.Errorf("%d starts, %d when it was halted", len(after), len(gap))
	}

	await(t, time.Minute, "the gap is accepted", func() bool {
		out, err := s.try("ledger", "resume", "--accept-gap", "--file", s.path("d0.yaml"))
		return err == nil && strings.Contains(string(out), "the gap is accepted")
	})
	d = s.serve("d0.yaml")
	await(t, time.Minute, "the job goes on", func() bool { return len(s.starts()) >= len(gap)+3 })
	s.pause("d0.yaml", s.runs("d0.yaml"))
	await(t, time.Minute, "no run is open", func() bool { return settled(s.runs("d0.yaml")) })
	runs := s.runs("d0.yaml")
	d.stop()
	checkAfterGap(t, runs, s.starts(), gap, s.fences())
}
