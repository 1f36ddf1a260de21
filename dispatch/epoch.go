package dispatch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/notifier"
)

// A ledger that went back in time, restored from a backup or served by a standby
// that had not heard of everything, has forgotten which runs it had started. A
// dispatcher that notices halts: it plans, starts, adopts and gives go no more,
// for good. It has that recorded in the ledger, so that the others on it halt
// too, and tells every target of the file. Commands go on, and what they come to
// is recorded as far as the ledger takes it. The way out is [Dispatcher.Resume].

// ErrHalted means that nothing is started, because the ledger went back in time.
var ErrHalted = errors.New("scheduling is halted")

// Halted returns why nothing is started any more, nil while all is well. It
// wraps ErrHalted.
func (d *Dispatcher) Halted() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.halted
}

// pulse beats, if there is any use in it: a copy of the ledger that is made between two
// beats lacks nothing as long as no run is written.
func (d *Dispatcher) pulse(ctx context.Context) {
	if !d.rests() {
		d.beat(ctx)
	}
}

// rests reports whether the next beat can wait.
func (d *Dispatcher) rests() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Sole && d.halted == nil && !d.stirred && len(d.active) == 0 && d.now().Sub(d.beaten).Abs() < beatAtRest {
		return true
	}
	d.stirred = false
	return false
}

// beat keeps this dispatcher's runs its own, and notices a ledger that went back.
// Who has halted beats no more: the ledger must not come to where it was before.
func (d *Dispatcher) beat(ctx context.Context) {
	if d.Halted() != nil {
		d.recordHalt(ctx)
		return
	}
	known := d.seen()
	m, err := d.Ledger.Beat(ctx, d.owner, d.now(), beatTTL)
	switch {
	case errors.Is(err, ledger.ErrWentBack):
		d.distrust(err)
	case err != nil:
		if ctx.Err() == nil {
			d.Log.Error("this scheduler's beat is not recorded; others may take its runs over", "error", err)
		}
		d.stir()
	default:
		if err := d.saw(m, known); err != nil {
			d.distrust(err)
		}
		d.mu.Lock()
		d.beaten = d.now()
		d.mu.Unlock()
	}
}

// stir has the next pulse be a beat.
func (d *Dispatcher) stir() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stirred = true
}

// check compares the ledger as it stands with what was seen of it.
func (d *Dispatcher) check(ctx context.Context) error {
	if err := d.Halted(); err != nil {
		return err
	}
	known := d.seen()
	m, err := d.Ledger.Mark(ctx)
	if err != nil {
		return err
	}
	return d.saw(m, known)
}

// seen is the furthest that was seen of the ledger.
func (d *Dispatcher) seen() ledger.Mark {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Seen
}

// saw remembers a mark, unless the ledger went back from what was known before it
// was asked: a beat may have come between. One that can't be kept for the next
// start is no reason to stop.
func (d *Dispatcher) saw(m, known ledger.Mark) error {
	if err := m.Follows(known); err != nil {
		return err
	}
	d.mu.Lock()
	further := m.Follows(d.Seen) == nil
	if further {
		d.Seen = m
	}
	d.mu.Unlock()
	if !further || d.Remember == nil {
		return nil
	}
	d.keeping.Lock()
	defer d.keeping.Unlock()
	err := d.Remember(m)
	if err != nil && !d.unkept { // else the log is full of it
		d.Log.Warn("how far the ledger has come is not remembered; if it is restored from a backup, the next start may not notice", "error", err)
	}
	d.unkept = err != nil
	return nil
}

// distrust stops all starting, for good.
func (d *Dispatcher) distrust(cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.halted != nil {
		return
	}
	d.halted = fmt.Errorf("%w: %w", ErrHalted, cause)
	d.Log.Error("scheduling is halted; nothing is started until solocron ledger resume was run and the scheduler started again", "error", cause)
	close(d.alarm)
}

// raise tells the other dispatchers and every target of the file once this
// dispatcher halts, the targets past the outbox, which is in the ledger.
func (d *Dispatcher) raise(ctx context.Context) {
	select {
	case <-d.alarm:
	case <-ctx.Done():
		return
	}
	d.mu.Lock()
	receivers, cause := d.receivers, d.halted
	d.mu.Unlock()
	m := notifier.Message{
		Key: "halted/" + d.owner, Event: notifier.Halted, State: "halted", Due: d.now(), Reason: cause.Error(), More: "solocron ledger resume",
	}
	var all sync.WaitGroup
	all.Go(func() { d.recordHalt(ctx) }) // at once: one that starts now may remember less
	for target, to := range receivers {
		all.Go(func() { d.tellHalted(ctx, target, to, m) })
	}
	all.Wait()
}

func (d *Dispatcher) tellHalted(ctx context.Context, target string, to notifier.Notifier, m notifier.Message) {
	for pause := noticeFirst; ; pause = min(2*pause, noticeSlowest) {
		within, cancel := context.WithTimeout(ctx, noticeTimeout)
		err := to.Notify(within, m)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		d.Log.Error("that scheduling is halted could not be told", "target", target, "error", err)
		if errors.Is(err, notifier.ErrFinal) || !d.rest(ctx, pause) {
			return
		}
	}
}

// recordHalt tells the other dispatchers of the ledger. Each beat repeats it, should
// the ledger not have taken it or have gone back once more.
func (d *Dispatcher) recordHalt(ctx context.Context) {
	why := fmt.Sprintf("%s noticed at %s: %v", d.owner, d.now().Format(time.RFC3339), d.Halted())
	if err := d.Ledger.Halt(ctx, why); err != nil && ctx.Err() == nil {
		d.Log.Error("that scheduling is halted is not in the ledger; other schedulers may go on", "error", err)
	}
}
