package dispatch

import (
	"context"
	"maps"
	"slices"

	"github.com/solocron/solocron/run"
)

// driving is a run that is driven here.
type driving struct {
	recorded chan struct{} // closed once the run is in the ledger
	adopted  bool          // it became this dispatcher's own, which its driver may not have seen
	settled  bool          // it is on record as this dispatcher's own, and nobody wants it to end
}

// start drives a run in a goroutine of its own, unless one does already. The
// returned channel is closed once the run is in the ledger, or will not be by
// this driver's doing. A stepwise dispatcher has driven the run as far as it
// goes when start returns.
func (d *Dispatcher) start(ctx context.Context, r run.Run) (recorded <-chan struct{}) {
	c := make(chan struct{})
	if d.Stepwise {
		if err := d.step(ctx, r); err != nil {
			d.Log.Error("run does not get on", "run", r.ID, "error", err)
		}
		close(c)
		return c
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if driven := d.active[r.ID]; driven != nil {
		return driven.recorded
	}
	if d.work == nil || d.stopping() {
		close(c)
		return c
	}
	d.active[r.ID] = &driving{recorded: c, settled: r.Version > 0 && d.settled(r)}
	d.drivers.Go(func() {
		defer d.done(r.ID)
		_ = d.drive(d.work, &r, c)
	})
	return c
}

// settled reports whether the run as it is stored is one that a sweep has nothing to do
// about as long as it is driven here.
func (d *Dispatcher) settled(r run.Run) bool { return r.Owner == d.owner && r.Cancel == "" }

// takeUp starts a run that has just become this dispatcher's own. A driver that it
// has already may be about to leave it to the former owner: then it gets another one.
func (d *Dispatcher) takeUp(ctx context.Context, r run.Run) {
	d.mu.Lock()
	driven := d.active[r.ID]
	if driven != nil {
		driven.adopted = true
	}
	d.mu.Unlock()
	if driven == nil {
		d.start(ctx, r)
	}
}

// done ends the drive of a run.
func (d *Dispatcher) done(id string) {
	d.mu.Lock()
	adopted := d.active[id].adopted
	delete(d.active, id)
	if d.ended != nil {
		d.ended[id] = true
	}
	d.mu.Unlock()
	if !adopted {
		return
	}
	if r, err := d.Ledger.Run(d.work, id); err == nil && r.State.Open() && r.Owner == d.owner {
		d.start(d.work, r) // else the next sweep does
	}
}

// open lists the runs driven here.
func (d *Dispatcher) open() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.active))
}
