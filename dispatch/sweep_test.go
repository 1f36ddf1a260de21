package dispatch

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// longList is a ledger that takes a while to hand a list out, as one of thousands of
// runs takes a while to go through.
type longList struct{ ledger.Ledger }

func (l longList) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	all, err := l.Ledger.Runs(ctx, q)
	time.Sleep(4 * time.Second)
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
		w.hosts.command = func(guard.Order) (time.Duration, int) { return 7 * time.Second, 0 }
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
