package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

// protection is the target of notices that take a host's scale-in protection
// off again. Like all notices they are in the same write as the end of the
// attempt, so that a crash can't leave a host protected; no target of a file
// has such a name.
const protection = "-protection"

// protects reports whether the run's next attempt has to switch its host's
// protection on, and hence off again. A host that somebody else protects stays
// as it is.
func (d *Dispatcher) protects(ctx context.Context, r run.Run, h fleet.Host) (bool, error) {
	if !r.Policy.Protect || h.Group == "" || d.Protector == nil {
		return false, nil
	}
	if !h.Protected {
		return true, nil
	}
	return d.protectedByUs(ctx, h.ID, r.ID)
}

// protectedByUs reports whether another run's attempt protects the host.
func (d *Dispatcher) protectedByUs(ctx context.Context, host, but string) (bool, error) {
	open, err := d.Ledger.Runs(ctx, ledger.Query{States: []run.State{run.Starting, run.Running}})
	if err != nil {
		return false, err
	}
	for i := range open {
		if a := open[i].Attempt(); open[i].ID != but && a.Host == host && a.Protects {
			return true, nil
		}
	}
	return false, nil
}

// protect switches the protection on, if the attempt is to have it. The intent
// is in the ledger already, so it will be switched off whatever happens.
func (d *Dispatcher) protect(ctx context.Context, a run.Attempt, h fleet.Host) error {
	if !a.Protects || d.Protector == nil {
		return nil
	}
	if err := d.Protector.Protect(ctx, h, true); err != nil {
		return fmt.Errorf("protect %s from scale-in: %w", h.ID, err)
	}
	return nil
}

// releases are the notices that a change of a run calls for: one if it ends
// an attempt that protects its host.
func releases(was, next run.Run) []ledger.Notice {
	a := was.Attempt()
	if a == nil || !a.Protects || !underWay(a) || underWay(&next.Attempts[a.N-1]) {
		return nil
	}
	at := now()
	return []ledger.Notice{{
		ID: fmt.Sprintf("%s/%d/%s", was.ID, a.N, protection), Run: was.ID, Target: protection,
		Body: []byte(a.Ref), Created: at, Due: at,
	}}
}

func underWay(a *run.Attempt) bool {
	return a.State == run.AttemptStarting || a.State == run.AttemptRunning
}

// unprotect delivers such a notice. A host on which another run needs the
// protection keeps it; that run's end takes it off.
func (d *Dispatcher) unprotect(ctx context.Context, n ledger.Notice) error {
	var h fleet.Host
	if err := json.Unmarshal(n.Body, &h); err != nil {
		return errors.Join(fmt.Errorf("notice %s: %w", n.ID, err), notifier.ErrFinal)
	}
	needed, err := d.protectedByUs(ctx, h.ID, n.Run)
	if err != nil || needed {
		return err
	}
	return d.Protector.Protect(ctx, h, false)
}
