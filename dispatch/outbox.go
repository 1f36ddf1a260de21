package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/notifier"
)

// deliver empties the outbox until ctx is done. Every target has a delivery of
// its own, so that a slow or dead receiver holds up nobody else; runs never
// wait for any of them.
func (d *Dispatcher) deliver(ctx context.Context) {
	tick := time.NewTicker(noticeEvery)
	defer tick.Stop()
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	busy := map[string]bool{}
	idle := make(chan string)
	for {
		for target, send := range d.deliverers() {
			if busy[target] {
				continue
			}
			busy[target] = true
			deliveries.Go(func() {
				d.deliverTo(ctx, target, send)
				select {
				case idle <- target:
				case <-ctx.Done():
				}
			})
		}
	wait:
		for {
			select {
			case <-ctx.Done():
				return
			case target := <-idle:
				delete(busy, target)
			case <-d.outbox:
				break wait
			case <-tick.C:
				break wait
			}
		}
	}
}

// deliverer tries one delivery of a notice.
type deliverer func(context.Context, ledger.Notice) error

// deliverers are the ways out of the outbox, by target.
func (d *Dispatcher) deliverers() map[string]deliverer {
	d.mu.Lock()
	receivers := d.receivers
	d.mu.Unlock()
	all := make(map[string]deliverer, len(receivers)+1)
	for target, to := range receivers {
		all[target] = func(ctx context.Context, n ledger.Notice) error { return send(ctx, to, n) }
	}
	if d.Protector != nil {
		all[protection] = d.unprotect
	}
	return all
}

// deliverTo sends what is due for the target, a few at a time, until nothing is.
func (d *Dispatcher) deliverTo(ctx context.Context, target string, send deliverer) {
	for ctx.Err() == nil {
		notices, err := d.Ledger.TakeNotices(ctx, target, d.now(), noticeLease, noticeBatch)
		if err != nil {
			if errors.Is(err, ledger.ErrWentBack) {
				d.distrust(err)
			} else if ctx.Err() == nil {
				d.Log.Error("outbox", "target", target, "error", err)
			}
			return
		}
		if len(notices) == 0 {
			return
		}
		var batch sync.WaitGroup
		for _, n := range notices {
			batch.Go(func() { d.deliverOne(ctx, send, n) })
		}
		batch.Wait()
	}
}

// deliverOne tries one delivery and records what became of it. A crash in
// between repeats the message after its lease.
func (d *Dispatcher) deliverOne(ctx context.Context, send deliverer, n ledger.Notice) {
	err := d.contained("notice", n.ID, func() error { return send(ctx, n) })
	if ctx.Err() != nil && err != nil {
		return
	}
	s := ledger.Settlement{At: d.now()}
	if err != nil {
		s.Error = err.Error()
		pause := min(noticeFirst<<min(n.Tries, 16), noticeSlowest)
		if retry := s.At.Add(pause); !errors.Is(err, notifier.ErrFinal) && retry.Sub(n.Created) < noticeFor {
			s.Retry = retry
		}
	}
	switch {
	case err == nil:
	case s.Retry.IsZero():
		d.Log.Error("a notice did not arrive and is given up", "run", n.Run, "target", n.Target, "tries", n.Tries+1, "error", err)
	default:
		d.Log.Warn("a notice did not arrive", "run", n.Run, "target", n.Target, "retry", s.Retry, "error", err)
	}
	if err := d.Ledger.SettleNotice(ctx, n.ID, s); err != nil {
		d.Log.Error("what became of a notice is not recorded; it may arrive twice", "notice", n.ID, "error", err)
	}
}

func send(ctx context.Context, to notifier.Notifier, n ledger.Notice) error {
	var m notifier.Message
	if err := json.Unmarshal(n.Body, &m); err != nil {
		return fmt.Errorf("notice %s: %w: %w", n.ID, notifier.ErrFinal, err)
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	return to.Notify(ctx, m)
}
