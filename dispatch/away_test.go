package dispatch

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/solocron/solocron/ledger"
)

// awayLedger is a ledger that can't be written for a while, or, for a
// dispatcher that is to look dead, never again.
type awayLedger struct {
	ledger.Ledger
	away atomic.Bool
}

var errAway = errors.New("connection refused")

func (l *awayLedger) set(away bool) { l.away.Store(away) }

func (l *awayLedger) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	if l.away.Load() {
		return nil, errAway
	}
	return l.Ledger.Write(ctx, changes...)
}

func (l *awayLedger) Beat(ctx context.Context, owner string, now time.Time, ttl time.Duration) (ledger.Mark, error) {
	if l.away.Load() {
		return ledger.Mark{}, errAway
	}
	return l.Ledger.Beat(ctx, owner, now, ttl)
}

func (l *awayLedger) Leave(ctx context.Context, owner string) error {
	if l.away.Load() {
		return nil
	}
	return l.Ledger.Leave(ctx, owner)
}

// crash ends the dispatcher as kill -9 would: it writes nothing any more.
func (d *daemon) crash() {
	d.Ledger.(*awayLedger).set(true)
	d.end()
}

// mortal makes every dispatcher of the world one that can crash.
func (w *world) mortal(sole bool) {
	real := w.ledger
	w.tune = func(o *Options) {
		o.Ledger, o.Sole, o.Drain = &awayLedger{Ledger: real}, sole, 0
	}
}
