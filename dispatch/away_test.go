package dispatch

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/solocron/solocron/ledger"
)

// awayLedger is a ledger that can't be written for a while.
type awayLedger struct {
	ledger.Ledger
	away atomic.Bool
}

func (l *awayLedger) set(away bool) { l.away.Store(away) }

func (l *awayLedger) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	if l.away.Load() {
		return nil, errors.New("connection refused")
	}
	return l.Ledger.Write(ctx, changes...)
}
