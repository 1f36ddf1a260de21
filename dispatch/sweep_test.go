package dispatch

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// longList is a ledger that takes a while to hand out what a sweep asks for, as a list
// of thousands of runs takes a while to go through.
type longList struct{ ledger.Ledger }

func (l longList) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	all, err := l.Ledger.Runs(ctx, q)
	if slices.Contains(q.States, run.Lost) {
		time.Sleep(2 * time.Second) // of the bubble's time
	}
	return all, err
}

// waits counts how often the hosts are asked for the end of an attempt.
type waits struct {
	*hosts
	n atomic.Int64
}

func (w *waits) Wait(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Result, error) {
	w.n.Add(1)
	return w.hosts.Wait(ctx, h, a)
}

// A run that ends while a sweep goes through what it read is over: nobody carries
// on with it and asks its host once more.
func TestSweepLeavesWhatEnded(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.ledger = longList{w.ledger}
		w.hosts.command = func(guard.Order) (time.Duration, int) { return 6 * time.Second, 0 }
		asked := &waits{hosts: w.hosts}
		w.tune = func(o *Options) { o.Executor = asked }
		d := w.start(aJob("j", "* * * * *"))
		pass(59 * time.Minute)
		d.end()
		if n, runs := asked.n.Load(), len(w.runs("j")); n != int64(runs) || runs < 58 {
			t.Errorf("the hosts were asked %d times for the ends of %d runs", n, runs)
		}
	})
}

// lateNo is a ledger that takes its time to say that a run is there already.
type lateNo struct {
	ledger.Ledger
	by time.Duration
}

func (l lateNo) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	out, err := l.Ledger.Write(ctx, changes...)
	if err == nil && errors.Is(out[0].Err, ledger.ErrExists) {
		time.Sleep(l.by) // of the bubble's time
	}
	return out, err
}

// A run that a dead scheduler had prepared starts on time, although the plan finds that
// it is somebody else's: before the sweep adopts it, or while its driver still is
// about to leave it. (The job is so new that what it is owed is planned once more.)
func TestSweepAdoptsWhatThePlanLeaves(t *testing.T) {
	for _, by := range []time.Duration{500 * time.Millisecond, 2500 * time.Millisecond} {
		inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
			plain := w.ledger
			w.ledger = lateNo{longList{plain}, by}
			w.mortal(true)
			w.ledger = plain
			d := w.start(aJob("j", "8 * * * * *"))
			pass(2500 * time.Millisecond) // between two sweeps
			if r := w.only("j"); r.State != run.Starting {
				t.Fatalf("%s is %s, want it prepared", r.ID, r.State)
			}
			d.crash()
			d = w.start()
			pass(30 * time.Second)
			d.end()
			first := w.runs("j")[0]
			if late := first.StartedAt.Sub(first.Due); first.State != run.Succeeded || late > time.Second {
				t.Errorf("after %v: %s is %s %s, and was %v late", by, first.ID, first.State, first.Reason, late)
			}
		})
	}
}

// listed counts the runs that sweeps have read.
type listed struct {
	ledger.Ledger
	n atomic.Int64
}

func (l *listed) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	all, err := l.Ledger.Runs(ctx, q)
	if slices.Contains(q.States, run.Lost) {
		l.n.Add(int64(len(all)))
	}
	return all, err
}

// A scheduler that is alone on its ledger does not read what it drives: with thousands
// of runs under way that would be most of what it does.
func TestSweepDoesNotReadWhatIsDriven(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		l := &listed{Ledger: w.ledger}
		w.ledger = l
		w.hosts.command = func(guard.Order) (time.Duration, int) { return 50 * time.Minute, 0 }
		d := w.start(aJob("a", "1 * * * *"), aJob("b", "1 * * * *"))
		pass(30 * time.Minute)
		if n, open := l.n.Load(), len(w.states("a"))+len(w.states("b")); n != 0 || open != 2 {
			t.Errorf("sweeps read %d runs, with %d under way", n, open)
		}
		d.end() // and leaves them to run on
		d = w.start()
		pass(time.Minute)
		if n := l.n.Load(); n == 0 {
			t.Error("what the one before left was not read")
		}
		d.end()
	})
}
