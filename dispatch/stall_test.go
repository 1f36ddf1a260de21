package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

// fullLedger takes no writes for a while, as on a full disk, or in a table that
// is throttled; reads go on.
type fullLedger struct {
	*awayLedger
	err error
}

func (l fullLedger) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	out, err := l.awayLedger.Write(ctx, changes...)
	if errors.Is(err, errAway) {
		err = l.err
	}
	return out, err
}

// While the disk is full nothing starts; what runs goes on, and its true end is
// recorded once there is space again.
func TestFault31FullDisk(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		full := fullLedger{&awayLedger{Ledger: w.ledger}, fmt.Errorf("write: %w", ledger.ErrFull)}
		w.ledger = full
		w.hosts.command = func(o guard.Order) (time.Duration, int) {
			if o.Job == "long" {
				return 10 * time.Minute, 3
			}
			return time.Second, 0
		}
		d := w.start(aJob("long", "5 0 * * *"), aJob("often", "* * * * *"))
		defer d.end()
		pass(6*time.Minute + 30*time.Second)
		full.set(true)
		before := len(w.hosts.started)
		pass(20 * time.Minute)
		if n := len(w.hosts.started) - before; n != 0 {
			t.Errorf("%d commands started on a full disk", n)
		}
		full.set(false)
		pass(2 * time.Minute)
		if r := w.only("long"); r.State != run.Failed || *r.ExitCode != 3 || r.EndedAt.Sub(r.StartedAt) != 10*time.Minute {
			t.Errorf("the long run is %s, %s to %s", r.State, r.StartedAt, r.EndedAt)
		}
		checkWitness(t, w)
		checkComplete(t, w, "often", time.Minute)
		runs := w.runs("often")
		if last := runs[len(runs)-1]; last.State != run.Succeeded || last.Created.After(last.Due) {
			t.Errorf("the latest is %s, due %s, planned %s", last.State, last.Due, last.Created)
		}
	})
}

// heldLedger answers nothing while somebody holds it.
type heldLedger struct {
	ledger.Ledger
	mu   sync.Mutex
	held chan struct{} // closed once it is let go; nil while nobody holds it
}

func (l *heldLedger) hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := make(chan struct{})
	l.held = held
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		close(held)
		l.held = nil
	}
}

// wait is a statement that runs into the ledger's limit for one.
func (l *heldLedger) wait(ctx context.Context) error {
	l.mu.Lock()
	held := l.held
	l.mu.Unlock()
	if held == nil {
		return nil
	}
	select {
	case <-held:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(15 * time.Second):
		return errors.New("canceling statement due to lock timeout")
	}
}

func (l *heldLedger) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	return l.Ledger.Write(ctx, changes...)
}

func (l *heldLedger) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	return l.Ledger.Runs(ctx, q)
}

func (l *heldLedger) Beat(ctx context.Context, owner string, now time.Time, ttl time.Duration) (ledger.Mark, error) {
	if err := l.wait(ctx); err != nil {
		return ledger.Mark{}, err
	}
	return l.Ledger.Beat(ctx, owner, now, ttl)
}

func (l *heldLedger) TakeNotices(ctx context.Context, target string, now time.Time, lease time.Duration, limit int) ([]ledger.Notice, error) {
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	return l.Ledger.TakeNotices(ctx, target, now, lease, limit)
}

// While the ledger stands still for hours, due times wait for it without taking
// up anything; each is on record afterwards.
func TestFault30LedgerStandsStill(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		held := &heldLedger{Ledger: w.ledger}
		w.tune = func(o *Options) { o.Ledger = held }
		w.mail = map[string]notifier.Notifier{"mail": &inbox{}}
		w.hosts.command = func(guard.Order) (time.Duration, int) { return time.Second, 1 }
		var jobs []job.Job
		for i := range 20 {
			jobs = append(jobs, told(aJob(fmt.Sprintf("j%d", i), "* * * * *"), "mail"))
		}
		d := w.start(jobs...)
		defer d.end()
		pass(10*time.Minute + 30*time.Second)
		release := held.hold()
		pass(5 * time.Minute)
		early, started := runtime.NumGoroutine(), len(w.hosts.started)
		pass(3 * time.Hour)
		if late := runtime.NumGoroutine(); late > early+few {
			t.Errorf("%d goroutines after three hours, %d after five minutes", late, early)
		}
		if n := len(w.hosts.started); n != started {
			t.Errorf("%d commands started without a ledger", n-started)
		}
		release()
		pass(2 * time.Minute)
		for _, j := range jobs {
			checkComplete(t, w, j.Name, time.Minute)
			runs := w.runs(j.Name)
			if last := runs[len(runs)-1]; last.Due.Before(now().Add(-time.Minute)) {
				t.Errorf("the latest run of %s is due %s; it is %s", j.Name, last.Due, now())
			}
		}
		checkWitness(t, w)
	})
}

// A table that throttles every write until a due time is too late to start: it
// is skipped and told, not forgotten.
func TestFault39ThrottledUntilTooLate(t *testing.T) {
	mail := &inbox{}
	j := told(aJob("j", "0 1 * * *"), "mail")
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		c.mail = map[string]notifier.Notifier{"mail": mail}
		full := fullLedger{&awayLedger{Ledger: c.ledger}, errors.New("ThrottlingException: slow down")}
		c.ledger = full
		pass(time.Hour)
		full.set(true)
		// Each event ends after its time, as an invocation does, and says why.
		for minute := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			err := c.fresh().Due(ctx, "j", "", midnight.Add(time.Hour))
			cancel()
			if err == nil || !strings.Contains(err.Error(), "slow down") {
				t.Errorf("minute %d: %v", minute, err)
			}
			pass(30 * time.Second)
		}
		full.set(false)
		c.sweep()
		c.sweep()
		if r := c.only("j"); r.State != run.Skipped || !strings.HasPrefix(r.Reason, run.ReasonMissed) {
			t.Errorf("%s %s", r.State, r.Reason)
		}
		if got := mail.events(); len(got) != 1 {
			t.Errorf("told %v", got)
		}
		c.once(0)
	})
}
