package dispatch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
)

// Due every minute, each command takes 2.5 minutes, watched for ten.
func TestOverlapPolicies(t *testing.T) {
	for policy, check := range map[job.Overlap]func(t *testing.T, runs []run.Run, most int){
		job.Skip: func(t *testing.T, runs []run.Run, most int) {
			if runs[1].State != run.Skipped || !strings.HasPrefix(runs[1].Reason, run.ReasonOverlap) || most != 1 {
				t.Errorf("second: %s %q; %d at once", runs[1].State, runs[1].Reason, most)
			}
		},
		job.BufferOne: func(t *testing.T, runs []run.Run, most int) {
			if runs[1].State != run.Succeeded || runs[2].State != run.Skipped || most != 1 {
				t.Errorf("second %s, third %s; %d at once", runs[1].State, runs[2].State, most)
			}
			if gap := runs[1].StartedAt.Sub(runs[0].EndedAt); gap > time.Second {
				t.Errorf("the buffered run waited %v too long", gap)
			}
		},
		job.BufferAll: func(t *testing.T, runs []run.Run, most int) {
			inOrder := slices.IsSortedFunc(runs[:3], func(a, b run.Run) int { return a.StartedAt.Compare(b.StartedAt) })
			if runs[1].State != run.Succeeded || runs[2].State != run.Succeeded || most != 1 || !inOrder {
				t.Errorf("%s %s; %d at once; in order %v", runs[1].State, runs[2].State, most, inOrder)
			}
		},
		job.CancelOther: func(t *testing.T, runs []run.Run, most int) {
			if runs[0].State != run.Cancelled || !strings.Contains(runs[0].Reason, "replaced by") || most != 1 {
				t.Errorf("first: %s %q; %d at once", runs[0].State, runs[0].Reason, most)
			}
		},
		job.TerminateOther: func(t *testing.T, runs []run.Run, most int) {
			if runs[0].State != run.Cancelled || most != 1 {
				t.Errorf("first: %s; %d at once", runs[0].State, most)
			}
		},
		job.Allow: func(t *testing.T, runs []run.Run, most int) {
			if runs[1].State != run.Succeeded || most != 3 {
				t.Errorf("second: %s; %d at once", runs[1].State, most)
			}
		},
	} {
		t.Run(string(policy), func(t *testing.T) {
			inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
				w.hosts.command = func(guard.Order) (time.Duration, int) { return 150 * time.Second, 0 }
				j := aJob("j", "* * * * *")
				j.Overlap = policy
				d := w.start(j)
				pass(10 * time.Minute)
				d.end()
				runs := w.runs("j")
				check(t, runs, atOnce(runs))
				for id, n := range w.hosts.witness() {
					if n != 1 {
						t.Errorf("run %s started %d times", id, n)
					}
				}
			})
		})
	}
}

// atOnce is how many of the ended runs overlapped at most.
func atOnce(runs []run.Run) int {
	most := 0
	for _, r := range runs {
		n := 0
		for _, o := range runs {
			if !o.StartedAt.IsZero() && !o.EndedAt.IsZero() && !r.StartedAt.Before(o.StartedAt) && r.StartedAt.Before(o.EndedAt) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

func TestALostRunIsInTheWayUntilItsTimeoutIsOver(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.hosts.command = func(guard.Order) (time.Duration, int) { return time.Minute, 0 }
		j := aJob("j", "*/10 * * * *")
		j.Timeout = 25 * time.Minute
		d := w.start(j)
		defer d.end()
		pass(10*time.Minute + time.Second)
		first := w.only("j")
		// Its run directory says that the guard is gone: lost at once.
		w.hosts.set(func() {
			a := w.hosts.attempts[guard.Attempt{Run: first.ID, N: 1}.Dir()]
			a.result = &guard.Result{End: guard.Gone, Reason: "the guard was killed"}
			close(a.ended)
		})
		pass(10 * time.Minute)
		states := w.states("j")
		if !slices.Equal(states, []run.State{run.Lost, run.Skipped}) {
			t.Fatalf("got %v", states)
		}
		pass(22 * time.Minute)
		if states = w.states("j"); states[3] != run.Succeeded {
			t.Errorf("after its timeout: %v", states)
		}
	})
}

func TestLateBufferedRunIsSkipped(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.hosts.command = func(guard.Order) (time.Duration, int) { return 30 * time.Minute, 0 }
		j := aJob("j", "*/20 * * * *")
		j.Overlap, j.StartWithin = job.BufferOne, 5*time.Minute
		d := w.start(j)
		defer d.end()
		pass(55 * time.Minute)
		runs := w.runs("j")
		if r := runs[1]; r.State != run.Skipped || !strings.HasPrefix(r.Reason, run.ReasonLate) {
			t.Errorf("got %s %q", r.State, r.Reason)
		}
	})
}

// What waits is on record at once, and so does not keep the job's next due time
// from its record: a crash would leave it missed.
func TestWaitingRunsAreOnRecord(t *testing.T) {
	for name, wait := range map[string]func(j *job.Job){
		"for an earlier run": func(j *job.Job) { j.Overlap = job.BufferAll },
		"for its jitter":     func(j *job.Job) { j.Overlap, j.Jitter = job.Allow, time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
				w.hosts.command = func(guard.Order) (time.Duration, int) { return time.Hour, 0 }
				j := aJob("j", "every 1s")
				wait(&j)
				d := w.start(j)
				pass(time.Minute + 100*time.Millisecond)
				runs := w.runs("j")
				d.end()
				missed := slices.DeleteFunc(slices.Clone(runs), func(r run.Run) bool { return r.State.Open() })
				if len(runs) != 60 || len(missed) > 0 {
					t.Errorf("%d due times are on record after a minute, want 60; %d of them as missed", len(runs), len(missed))
				}
			})
		})
	}
}
