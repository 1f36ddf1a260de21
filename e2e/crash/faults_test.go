package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

// pointFaults are the faults that are one moment: the scheduler dies at the
// point in the first run that it has, and the next one goes on from there.
var pointFaults = []struct {
	name, point, command string
	want                 []run.AttemptState // what becomes of the first attempt's run
	proof                string             // that the first of two did not start
}{
	{"fault 1: kill -9 before the intent", "before ledger starting", "WITNESS", []run.AttemptState{run.AttemptSucceeded}, ""},
	{"fault 2: kill -9 after the intent", "after ledger starting", "WITNESS",
		[]run.AttemptState{run.AttemptNotStarted, run.AttemptSucceeded}, "its scheduler ended before it gave go"},
	{"fault 3: kill -9 after the order is sent", "after guard order", "WITNESS",
		[]run.AttemptState{run.AttemptNotStarted, run.AttemptSucceeded}, "its scheduler ended before it gave go"},
	{"fault 4: kill -9 after go is written", "before guard word of go", "WITNESS",
		[]run.AttemptState{run.AttemptNotStarted, run.AttemptSucceeded}, "no go was given to this attempt"},
	{"fault 5: kill -9 after go is sent", "after guard word of go", "WITNESS; sleep 1; exit 3", []run.AttemptState{run.AttemptFailed}, ""},
	{"fault 6: kill -9 before the end is written", "before ledger failed with notices", "WITNESS; exit 3", []run.AttemptState{run.AttemptFailed}, ""},
	{"fault 7: kill -9 before anybody is told", "after ledger failed with notices", "WITNESS; exit 3", []run.AttemptState{run.AttemptFailed}, ""},
}

func TestFaultsAtAPoint(t *testing.T) {
	for _, f := range pointFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			for _, k := range []kind{{}, {postgres: true}, {ssh: true}} {
				s := newSite(t, k, "  j: { schedule: every 1s, timeout: 1m, command: '"+f.command+"' }\n")
				d := s.start(0, f.point)
				<-d.done
				if !d.killed() {
					t.Fatalf("ended by itself: %v\n%s", d.cmd.ProcessState, d.log())
				}
				s.bury()
				s.settle()
				h := s.judge()
				first := h.first()
				var got []run.AttemptState
				for _, a := range first.Attempts {
					got = append(got, a.State)
				}
				if !slices.Equal(got, f.want) || !strings.Contains(first.Attempts[0].Reason, f.proof) {
					t.Errorf("%s: %s is %s (%s) after %+v, want %v", k, first.ID, first.State, first.Reason, first.Attempts, f.want)
				}
			}
		})
	}
}

// first is the run of the attempt that was the first of all.
func (h *history) first() run.Run {
	for _, r := range h.Runs {
		if len(r.Attempts) > 0 && r.Attempts[0].Fence == 1 {
			return r
		}
	}
	return run.Run{}
}

// drained are two commands: one that ends within a drain and one that does not.
const drained = `
  short: { schedule: every 1s, overlap: skip, command: "WITNESS; sleep 1.5" }
  long: { schedule: every 1s, overlap: skip, timeout: 1m, command: "WITNESS; sleep 8" }
`

// A drain waits for the commands under way and starts no more; one that takes
// longer than the drain goes on and is found by the next scheduler.
func TestFault8Drain(t *testing.T) {
	t.Parallel()
	for _, k := range []kind{{}, {ssh: true}} {
		s := newSite(t, k, drained)
		d := s.start(0, "")
		s.awaitBoth()
		before := len(s.starts())
		d.drain()
		if n := len(s.starts()); n > before+2 { // each job's next may have had its go
			t.Errorf("%s: %d commands started during the drain", k, n-before)
		}
		s.wantFirst("short", run.Succeeded)
		s.wantFirst("long", run.Running)
		s.settle()
		s.judge()
		s.wantFirst("long", run.Succeeded)
	}
}

// A scheduler that is killed while it drains leaves what any kill leaves.
func TestFault9KilledInMidDrain(t *testing.T) {
	t.Parallel()
	for _, k := range []kind{{}, {postgres: true}, {ssh: true}} {
		s := newSite(t, k, drained)
		d := s.start(0, "")
		s.awaitBoth()
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		await(t, "it drains", func() error {
			if !strings.Contains(d.log(), "draining; ") {
				return errors.New(d.log())
			}
			return nil
		})
		d.kill()
		s.bury()
		s.wantFirst("long", run.Running)
		s.settle()
		s.judge()
		s.wantFirst("long", run.Succeeded)
	}
}

// awaitBoth waits until both jobs' commands have started.
func (s *site) awaitBoth() {
	s.t.Helper()
	await(s.t, "both commands have started", func() error {
		jobs := map[string]bool{}
		for _, start := range s.starts() {
			name, _, _ := strings.Cut(start.Run, "@")
			jobs[name] = true
		}
		if len(jobs) < 2 {
			return fmt.Errorf("only %v have", jobs)
		}
		return nil
	})
}

// wantFirst looks at the job's first run that was tried, which has one attempt. The run
// before it may have been skipped as overlapping with it, if no host had answered when
// it came due. No scheduler may be at work.
func (s *site) wantFirst(job string, state run.State) {
	s.t.Helper()
	var first run.Run
	for _, r := range s.history().Runs { // the latest due first
		if r.Job == job && len(r.Attempts) > 0 {
			first = r
		}
	}
	if first.State != state || len(first.Attempts) != 1 {
		s.t.Errorf("%s: %s is %s after %+v, want %s", s.kind, first.ID, first.State, first.Attempts, state)
	}
}

// A scheduler that gets no more memory dies in the middle of whatever it does.
func TestFault19OutOfMemory(t *testing.T) {
	t.Parallel()
	for _, k := range []kind{{}, {postgres: true}} {
		s := newSite(t, k, everyKind)
		d := s.start(0, "")
		await(t, "a command has started", func() error {
			if len(s.starts()) == 0 {
				return errors.New(d.log())
			}
			return nil
		})
		if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_DATA, &unix.Rlimit{}, nil); err != nil {
			t.Fatal(err)
		}
		await(t, "the memory is used up", func() error {
			var askers sync.WaitGroup
			for range 30 {
				askers.Go(func() { _, _ = s.client(0).Runs(context.Background(), web.Select{}) })
			}
			askers.Wait()
			if !d.await(0) {
				return errors.New("the scheduler lives")
			}
			return nil
		})
		if !strings.Contains(d.log(), "goroutine") {
			t.Errorf("%s: ended with %v and not for want of memory:\n%s", k, d.cmd.ProcessState, d.log())
		}
		s.bury()
		s.settle()
		s.judge()
	}
}

// A scheduler that is killed before and after each step to the present schema
// leaves the old one or the new one, and the next start finishes the work.
func TestFault36KilledAroundAMigration(t *testing.T) {
	t.Parallel()
	for _, k := range []kind{{}, {postgres: true}} {
		s := newSite(t, k, "  j: { schedule: every 1s, command: WITNESS }\n")
		db := "sqlite"
		if k.postgres {
			db = "postgres"
		}
		for _, point := range []string{"before", "after", "before"} { // each dies one step further on
			point += " " + db + " migration"
			d := s.start(0, point)
			<-d.done
			if _, died := s.passed(); !d.killed() || died[point] == 0 {
				t.Fatalf("%s: ended with %v before it came to %q:\n%s", k, d.cmd.ProcessState, point, d.log())
			}
		}
		s.settle()
		s.judge()
	}
}
