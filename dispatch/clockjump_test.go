package dispatch

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
)

// wall is a clock on the wall: it can be set, and may run slow, while timers
// count the time that really passes.
type wall struct {
	set  atomic.Int64 // how far it was set, in nanoseconds
	slow int64        // it loses one second in that many
}

func (c *wall) now() time.Time {
	at := time.Now()
	if c.slow > 0 {
		at = at.Add(-at.Sub(midnight) / time.Duration(c.slow))
	}
	return at.Add(time.Duration(c.set.Load()))
}

func (c *wall) jump(by time.Duration) { c.set.Add(int64(by)) }

// walled gives the world's dispatchers a clock of their own.
func (w *world) walled(slow int64) *wall {
	c := &wall{slow: slow}
	w.tune = func(o *Options) { o.Now = c.now }
	w.hosts.clock = c.now
	return c
}

// A clock that is set forward, or a machine that was suspended, brings due times
// that have passed: they are caught up as the job says, once, within half a
// minute of waking, and the next one is punctual.
func TestFault41ClockSetForward(t *testing.T) {
	for name, c := range map[string]struct {
		by      time.Duration
		catchup job.Catchup
		starts  int // of what was jumped over
		skips   int
	}{
		"an hour, nothing is caught up":          {time.Hour, job.Catchup{Mode: job.CatchupNone}, 1, 5},
		"an hour, the latest":                    {time.Hour, job.Catchup{Mode: job.CatchupLatest}, 1, 5},
		"an hour, all":                           {time.Hour, job.Catchup{Mode: job.CatchupAll}, 6, 0},
		"fault 43: the machine slept 42 minutes": {42 * time.Minute, job.Catchup{Mode: job.CatchupAll}, 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
				clock := w.walled(0)
				j := aJob("j", "*/10 * * * *")
				j.Catchup, j.Overlap = c.catchup, job.BufferAll
				d := w.start(j)
				defer d.end()
				pass(5 * time.Minute)
				clock.jump(c.by)
				pass(maxSleep + time.Second)
				got := map[run.State]int{}
				for _, s := range w.states("j") {
					got[s]++
				}
				if got[run.Succeeded] != c.starts || got[run.Skipped] != c.skips {
					t.Errorf("half a minute after it: %v", got)
				}
				pass(10 * time.Minute)
				runs := w.runs("j")
				if last := runs[len(runs)-1]; len(runs) != c.starts+c.skips+1 || last.Created.After(last.Due) {
					t.Errorf("%d runs, the last one due %s and planned %s", len(runs), last.Due, last.Created)
				}
				checkWitness(t, w)
				checkComplete(t, w, "j", 10*time.Minute)
			})
		})
	}
}

// A clock that is set back brings no due time a second time, not even to a
// scheduler that starts then.
func TestFault42ClockSetBack(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		clock := w.walled(0)
		d := w.start(aJob("j", "*/10 * * * *"))
		pass(65 * time.Minute)
		clock.jump(-time.Hour)
		pass(20 * time.Minute)
		d.end()
		d = w.start()
		defer d.end()
		if n := len(w.runs("j")); n != 6 {
			t.Errorf("%d runs after the clock was set back, 6 before", n)
		}
		pass(time.Hour)
		if n := len(w.runs("j")); n != 8 {
			t.Errorf("%d runs, want two more once the clock is past 01:10 and 01:20 again", n)
		}
		for id, n := range w.hosts.witness() {
			if n != 1 {
				t.Errorf("run %s started %d times", id, n)
			}
		}
		checkComplete(t, w, "j", 10*time.Minute)
	})
}

// A clock that runs slow lets timers ring before the due time: nothing starts
// early. A leap second that is shown by a second twice starts nothing twice.
func TestFault49EarlyWake(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		clock := w.walled(1000)
		d := w.start(aJob("j", "0 0 * * *"), aJob("k", "* * * * *"))
		defer d.end()
		pass(24*time.Hour + 24*time.Hour/1000 + time.Second)
		clock.jump(-time.Second - 500*time.Millisecond) // 23:59:59 again
		pass(10 * time.Second)
		if r := w.only("j"); !r.Due.Equal(midnight.Add(24*time.Hour)) || r.State != run.Succeeded {
			t.Errorf("%s %s", r.ID, r.State)
		}
		runs := w.runs("k")
		if len(runs) != 24*60 {
			t.Errorf("%d runs of a day's minutes", len(runs))
		}
		if i := slices.IndexFunc(runs, func(r run.Run) bool { return r.StartedAt.Before(r.Due) }); i >= 0 {
			t.Errorf("%s was started at %s", runs[i].ID, runs[i].StartedAt)
		}
		checkWitness(t, w)
	})
}
