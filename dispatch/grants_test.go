package dispatch

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// slow is a ledger whose writes take a while. It counts the gos among them.
type slow struct {
	ledger.Ledger
	going, most atomic.Int32
}

func (s *slow) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	if changes[0].Run.State == run.Running {
		most := s.going.Add(1)
		defer s.going.Add(-1)
		if most > s.most.Load() {
			s.most.Store(most)
		}
	}
	time.Sleep(50 * time.Millisecond)
	return s.Ledger.Write(ctx, changes...)
}

// Of many that are due at once the first don't wait for the gos of all.
func TestGosAreCommittedInTurns(t *testing.T) {
	l := &slow{}
	var jobs []job.Job
	for i := range 3 * grantsAtOnce {
		jobs = append(jobs, aJob(fmt.Sprint("j", i), "0 1 * * *"))
	}
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		l.Ledger, w.ledger = w.ledger, l
		d := w.start(jobs...)
		defer d.end()
		pass(time.Hour + time.Minute)
		if n := len(w.hosts.witness()); n != len(jobs) || l.most.Load() != grantsAtOnce {
			t.Errorf("%d of %d started, at most %d gos together", n, len(jobs), l.most.Load())
		}
	})
}
