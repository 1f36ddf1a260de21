package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

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
	ours, err := d.protectedByUs(ctx, h.ID)
	if err != nil || ours {
		return ours, err
	}
	return d.wasProtectedByUs(ctx, r, h.ID)
}

// listedFor is more than a list of the fleet may lag behind.
const listedFor = time.Minute

// wasProtectedByUs reports whether an attempt of the job protected the host just
// now: what it switched on is to be taken off yet, or seemed to be on when the
// fleet was listed.
func (d *Dispatcher) wasProtectedByUs(ctx context.Context, r run.Run, host string) (bool, error) {
	latest, err := d.Ledger.Runs(ctx, ledger.Query{Job: r.Job, Until: r.Due.Add(time.Second), Limit: 3})
	if err != nil {
		return false, err
	}
	for _, e := range latest {
		if !slices.ContainsFunc(e.Attempts, func(a run.Attempt) bool { return a.Protects && a.Host == host }) {
			continue
		}
		notices, err := d.Ledger.Notices(ctx, e.ID)
		if err != nil {
			return false, err
		}
		for _, n := range notices {
			if n.Target == protection && (n.Settled.IsZero() || d.now().Sub(n.Settled) < listedFor) {
				return true, nil
			}
		}
	}
	return false, nil
}

// protectedByUs reports whether an attempt under way protects the host.
func (d *Dispatcher) protectedByUs(ctx context.Context, host string) (bool, error) {
	open, err := d.Ledger.Runs(ctx, ledger.Query{States: []run.State{run.Starting, run.Running}})
	if err != nil {
		return false, err
	}
	for i := range open {
		if a := open[i].Attempt(); a.Host == host && a.Protects {
			return true, nil
		}
	}
	return false, nil
}

// protect switches the protection on, if the attempt is to have it. The intent
// is in the ledger already, so it will be switched off whatever happens: here,
// if another dispatcher has dealt with the attempt's end in the meantime.
func (d *Dispatcher) protect(ctx context.Context, r run.Run, h fleet.Host) error {
	n := len(r.Attempts) - 1
	if !r.Attempts[n].Protects || d.Protector == nil {
		return nil
	}
	err := d.Protector.Protect(ctx, h, true)
	if err == nil {
		r, err = d.Ledger.Run(ctx, r.ID)
	}
	if err == nil && !underWay(&r.Attempts[n]) {
		err = d.assure(ctx, h)
	}
	if err != nil {
		return fmt.Errorf("protect %s from scale-in: %w", h.ID, err)
	}
	return nil
}

// assure switches the protection to what the attempts under way need, until that
// is what they still need afterwards: other dispatchers start and end some.
func (d *Dispatcher) assure(ctx context.Context, h fleet.Host) error {
	needed, err := d.protectedByUs(ctx, h.ID)
	for did := !needed; err == nil && did != needed; {
		did = needed
		if err = d.Protector.Protect(ctx, h, did); err == nil {
			needed, err = d.protectedByUs(ctx, h.ID)
		}
	}
	return err
}

// releases are the notices that a change of a run calls for: one if it ends
// an attempt that protects its host.
func (d *Dispatcher) releases(was, next run.Run) []ledger.Notice {
	a := was.Attempt()
	if a == nil || !a.Protects || !underWay(a) || underWay(&next.Attempts[a.N-1]) {
		return nil
	}
	at := d.now()
	return []ledger.Notice{{
		ID: fmt.Sprintf("%s/%d/%s", was.ID, a.N, protection), Run: was.ID, Target: protection,
		Body: []byte(a.Ref), Created: at, Due: at,
	}}
}

func underWay(a *run.Attempt) bool {
	return a.State == run.AttemptStarting || a.State == run.AttemptRunning
}

// unprotect delivers such a notice. A host on which another attempt needs the
// protection keeps it; that one's end takes it off.
func (d *Dispatcher) unprotect(ctx context.Context, n ledger.Notice) error {
	var h fleet.Host
	if err := json.Unmarshal(n.Body, &h); err != nil {
		return errors.Join(fmt.Errorf("notice %s: %w", n.ID, err), notifier.ErrFinal)
	}
	return d.assure(ctx, h)
}
