package dispatch

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqliteledger"
	"github.com/solocron/solocron/run"
)

func count(states []run.State, s run.State) int {
	n := 0
	for _, x := range states {
		if x == s {
			n++
		}
	}
	return n
}

func TestEveryDueTimeHasItsRun(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		l, err := sqliteledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		w := newWorld(t, l, "web-1", "web-2")
		d := w.start(aJob("a", "* * * * *"), aJob("b", "every 10s"), aJob("c", "*/5 * * * *"))
		pass(time.Hour + 5*time.Second)
		d.end()
		for name, want := range map[string]int{"a": 60, "b": 360, "c": 12} {
			if got := count(w.states(name), run.Succeeded); got != want {
				t.Errorf("job %s succeeded %d times, want %d", name, got, want)
			}
		}
		for id, n := range w.hosts.witness() {
			if n != 1 {
				t.Errorf("run %s started %d times", id, n)
			}
		}
	})
}

func TestCatchup(t *testing.T) {
	for _, c := range []struct {
		catchup job.Catchup
		overlap job.Overlap
		within  time.Duration // start-within
		want    map[run.State]int
	}{
		{job.Catchup{Mode: job.CatchupNone}, job.Skip, time.Minute, map[run.State]int{run.Skipped: 6}},
		{job.Catchup{Mode: job.CatchupNone}, job.Skip, 20 * time.Minute, map[run.State]int{run.Skipped: 5, run.Succeeded: 1}},
		{job.Catchup{Mode: job.CatchupLatest}, job.Skip, time.Minute, map[run.State]int{run.Skipped: 5, run.Succeeded: 1}},
		{job.Catchup{Mode: job.CatchupLatest, Within: time.Minute}, job.Skip, time.Minute, map[run.State]int{run.Skipped: 6}},
		{job.Catchup{Mode: job.CatchupAll}, job.BufferAll, time.Minute, map[run.State]int{run.Succeeded: 6}},
		{job.Catchup{Mode: job.CatchupAll, Within: 45 * time.Minute}, job.BufferAll, time.Minute, map[run.State]int{run.Skipped: 3, run.Succeeded: 3}},
	} {
		inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
			j := aJob("j", "*/15 * * * *")
			j.Catchup, j.Overlap, j.StartWithin = c.catchup, c.overlap, c.within
			d := w.start(j)
			pass(time.Minute)
			d.end()
			pass(99 * time.Minute) // 00:15 … 01:30 come and go; it is 01:40
			d = w.start()
			pass(4 * time.Minute)
			d.end()
			got := map[run.State]int{}
			for _, s := range w.states("j") {
				got[s]++
			}
			if len(w.runs("j")) != 6 || got[run.Skipped] != c.want[run.Skipped] || got[run.Succeeded] != c.want[run.Succeeded] {
				t.Errorf("%+v, start-within %v: got %v, want %v", c.catchup, c.within, got, c.want)
			}
		})
	}
}

func TestReload(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		a, b := aJob("a", "*/10 * * * *"), aJob("b", "*/10 * * * *")
		d := w.start(a, b)
		defer d.end()
		pass(10*time.Minute + time.Second)
		next := *w.file
		a.When.Expr = "*/7 * * * *"
		next.Jobs = []job.Job{a}
		if err := d.Load(t.Context(), &next, nil); err != nil {
			t.Fatal(err)
		}
		pass(20 * time.Minute)
		if got := len(w.runs("a")); got != 1+3 { // 00:10; 00:14, 00:21, 00:28
			t.Errorf("a ran %d times: %v", got, w.runs("a"))
		}
		if got := len(w.runs("b")); got != 1 {
			t.Errorf("b, no longer in the file, ran %d times", got)
		}
	})
}

func TestLedgerAwayIsCaughtUpWithoutHoles(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		away := &awayLedger{Ledger: w.ledger}
		w.ledger = away
		j := aJob("j", "* * * * *")
		d := w.start(j)
		pass(time.Minute + time.Second)
		away.set(true)
		pass(30 * time.Minute)
		if len(w.hosts.witness()) != 1 {
			t.Errorf("started %d commands without an intent", len(w.hosts.witness())-1)
		}
		away.set(false)
		pass(5 * time.Minute)
		d.end()
		seen := map[time.Time]bool{}
		for _, r := range w.runs("j") {
			seen[r.Due] = true
		}
		for due := time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC); due.Minute() <= 35; due = due.Add(time.Minute) {
			if !seen[due] {
				t.Errorf("nothing is recorded for %v", due)
			}
		}
	})
}

func TestPause(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		d := w.start(aJob("j", "*/10 * * * *"))
		defer d.end()
		pass(time.Minute)
		if err := d.Pause(t.Context(), "j", ledger.Pause{On: true, By: "ann", At: now()}); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Minute)
		if r := w.only("j"); r.State != run.Skipped || !strings.HasPrefix(r.Reason, run.ReasonPaused) {
			t.Fatalf("paused: %s %q", r.State, r.Reason)
		}
		if _, err := d.RunNow(t.Context(), "j", "ann"); err != nil {
			t.Fatal(err)
		}
		if err := d.Pause(t.Context(), "j", ledger.Pause{}); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Minute)
		if got := w.states("j"); !slices.Equal(got, []run.State{run.Skipped, run.Succeeded, run.Succeeded}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestJitterHoldsBackButNotTheDueTime(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		j := aJob("j", "0 * * * *")
		j.Jitter, j.StartWithin = 20*time.Minute, time.Minute
		d := w.start(j)
		defer d.end()
		pass(90 * time.Minute)
		r := w.only("j")
		if late := r.StartedAt.Sub(r.Due); r.State != run.Succeeded || late != j.Delay(r.Due) || late == 0 {
			t.Errorf("got %s, started %v after due, want %v", r.State, late, j.Delay(r.Due))
		}
	})
}

func TestRetryOfOnePastDoesNotDelayTheNext(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.hosts.command = func(guard.Order) (time.Duration, int) { return time.Second, 1 }
		a, b := aJob("a", "every 1m"), aJob("b", "every 1m")
		a.Retry.Attempts = 3
		d := w.start(a, b)
		pass(3*time.Minute + 30*time.Second)
		d.end()
		if got := len(w.runs("b")); got != 3 {
			t.Errorf("b ran %d times", got)
		}
	})
}
