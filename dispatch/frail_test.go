package dispatch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// harm is what befalls a scheduler at one of its writes.
type harm int

const (
	killedBefore harm = iota // kill -9, and the write does not happen
	killedAfter              // kill -9, and it did
	unwritten                // an error, and it does not happen
	unanswered               // an error, although it did
)

// frail is the ledger as one scheduler sees it: one that may be away, or give
// a wrong answer, or a scheduler that dies at any write and then writes and
// reads nothing any more.
type frail struct {
	ledger.Ledger
	kill context.CancelFunc

	mu         sync.Mutex
	dead, away bool
	in         int // writes until harm is done; 0 for none
	harm       harm
}

func (f *frail) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *frail) die() {
	f.set(func() { f.dead = true })
	f.kill()
}

// gone is why the ledger does not answer.
func (f *frail) gone() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.dead:
		return errKilled
	case f.away:
		return errAway
	}
	return nil
}

// strikes reports whether harm is done at this write, and which.
func (f *frail) strikes() (harm, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.in == 0 {
		return 0, false
	}
	f.in--
	return f.harm, f.in == 0
}

func (f *frail) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	if err := f.gone(); err != nil {
		return nil, err
	}
	harm, strikes := f.strikes()
	if !strikes {
		return f.Ledger.Write(ctx, changes...)
	}
	switch harm {
	case killedBefore:
		f.die()
	case killedAfter:
		_, _ = f.Ledger.Write(ctx, changes...)
		f.die()
	case unanswered:
		_, _ = f.Ledger.Write(ctx, changes...)
	}
	return nil, fmt.Errorf("write: %w", errAway)
}

func (f *frail) Run(ctx context.Context, id string) (run.Run, error) {
	if err := f.gone(); err != nil {
		return run.Run{}, err
	}
	return f.Ledger.Run(ctx, id)
}

func (f *frail) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	if err := f.gone(); err != nil {
		return nil, err
	}
	return f.Ledger.Runs(ctx, q)
}

func (f *frail) Jobs(ctx context.Context) ([]ledger.Job, error) {
	if err := f.gone(); err != nil {
		return nil, err
	}
	return f.Ledger.Jobs(ctx)
}

func (f *frail) PutJobs(ctx context.Context, now time.Time, specs ...ledger.JobSpec) error {
	if err := f.gone(); err != nil {
		return err
	}
	return f.Ledger.PutJobs(ctx, now, specs...)
}

func (f *frail) Pause(ctx context.Context, name string, p ledger.Pause) error {
	if err := f.gone(); err != nil {
		return err
	}
	return f.Ledger.Pause(ctx, name, p)
}

func (f *frail) Beat(ctx context.Context, owner string, now time.Time, ttl time.Duration) (ledger.Mark, error) {
	if err := f.gone(); err != nil {
		return ledger.Mark{}, err
	}
	return f.Ledger.Beat(ctx, owner, now, ttl)
}

func (f *frail) Owners(ctx context.Context, now time.Time) ([]string, error) {
	if err := f.gone(); err != nil {
		return nil, err
	}
	return f.Ledger.Owners(ctx, now)
}

func (f *frail) Leave(ctx context.Context, owner string) error {
	if f.gone() != nil {
		return nil //nolint:nilerr // it never said goodbye
	}
	return f.Ledger.Leave(ctx, owner)
}

func (f *frail) TakeNotices(ctx context.Context, target string, now time.Time, lease time.Duration, limit int) ([]ledger.Notice, error) {
	if err := f.gone(); err != nil {
		return nil, err
	}
	return f.Ledger.TakeNotices(ctx, target, now, lease, limit)
}

func (f *frail) SettleNotice(ctx context.Context, id string, s ledger.Settlement) error {
	if err := f.gone(); err != nil {
		return err
	}
	return f.Ledger.SettleNotice(ctx, id, s)
}
