package dispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/solocron/solocron/apart"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// A mistake in this program, or in an adapter, ends the run that met it and
// nothing else: other runs go on, and people are told.

// errMistake is a panic. What it said is in the log alone: nobody knows what
// that holds.
var errMistake = errors.New("solocron made a mistake; please report what its log says of it")

// contained calls f and turns its panic into errMistake.
func (d *Dispatcher) contained(what, id string, f func() error) (err error) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		d.Log.Error("a mistake in solocron", what, id, "panic", fmt.Sprint(cause), "stack", string(apart.Stack(cause)))
		err = errMistake
	}()
	return f()
}

// aside does something about a run beside its driver.
func (d *Dispatcher) aside(id string, f func()) {
	d.drivers.Go(func() {
		_ = d.contained("run", id, func() error { f(); return nil }) // the log has it, and the sweep tries again
	})
}

// abandon ends a run that a mistake stopped, as far as the ledger says that it
// had come: one whose command may be running is lost, any other failed, after
// its attempt was taken back.
func (d *Dispatcher) abandon(ctx context.Context, r run.Run) (run.Run, error) {
	stored, err := d.Ledger.Run(ctx, r.ID)
	switch {
	case err == nil:
		r = stored
	case r.Version > 0 || !errors.Is(err, ledger.ErrNotFound):
		return r, err
	}
	switch {
	case r.Owner != d.owner:
		return r, nil
	case r.State == run.Running:
		return d.apply(ctx, r, run.Vanished{N: r.Attempt().N, Reason: errMistake.Error()})
	case r.State == run.Starting:
		r, err = d.apply(ctx, r, run.Refused{N: r.Attempt().N, Proof: errMistake.Error()})
		if err != nil || r.State != run.Planned || r.Owner != d.owner {
			return r, err
		}
	}
	if r.State == run.Planned {
		return d.apply(ctx, r, run.GiveUp{Reason: errMistake.Error()})
	}
	return r, nil
}
