package dispatch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// sweep goes over everything open or lost: takes over the runs of dispatchers
// that are gone, carries on with its own that nobody drives, repeats
// cancellations, and asks the hosts of lost runs for news. None of it is as urgent
// as a start.
func (d *Dispatcher) sweep(ctx context.Context) {
	d.starts.goFirst(ctx)
	if d.Halted() != nil {
		return
	}
	if err := d.sweepOnce(ctx); err != nil && ctx.Err() == nil {
		d.Log.Error("sweep", "error", err)
	}
}

func (d *Dispatcher) sweepOnce(ctx context.Context) error {
	var others []string
	if !d.Sole { // else there are none, and all that is said to one is said to this one
		if err := d.learnPauses(ctx); err != nil {
			return err
		}
		var err error
		if others, err = d.Ledger.Owners(ctx, d.now()); err != nil {
			return err
		}
	}
	defer d.watchEnds()()
	states := []run.State{run.Planned, run.Starting, run.Running, run.Lost}
	unfinished, err := d.Ledger.Runs(ctx, ledger.Query{States: states, Without: d.driven()})
	if err != nil {
		return err
	}
	for _, r := range unfinished {
		orphan := r.Owner != d.owner && !slices.Contains(others, r.Owner)
		switch {
		case r.Owner == d.owner && d.movedOn(r.ID): // the next sweep sees how it stands
		case r.State == run.Lost:
			if orphan || r.Owner == d.owner {
				d.aside(r.ID, func() { d.ask(ctx, r) })
			}
		case orphan:
			_ = d.contained("run", r.ID, func() error { d.adopt(ctx, r); return nil })
		case r.Owner == d.owner && r.State == run.Running && r.Cancel != "":
			d.aside(r.ID, func() { d.haltRun(ctx, r, false) })
		case r.Owner == d.owner:
			d.start(ctx, r) // unless it is driven already
		}
	}
	return nil
}

// driven are the runs that a sweep has nothing to do about, where nobody else can have
// written to them.
func (d *Dispatcher) driven() map[string]bool {
	if !d.Sole {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := make(map[string]bool, len(d.active))
	for id, driven := range d.active {
		if driven.settled {
			ids[id] = true
		}
	}
	return ids
}

// watchEnds has the drives that end from now on known to [Dispatcher.movedOn],
// until stop.
func (d *Dispatcher) watchEnds() (stop func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = map[string]bool{}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ended = nil
	}
}

// movedOn reports whether a drive of the run has ended since the sweep began, so
// that how the sweep read it is not how it stands.
func (d *Dispatcher) movedOn(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ended[id]
}

// adopt takes a run over by a conditional write, so that of two adopters one
// gets it and the former owner's next write fails. An attempt that had no go
// is taken back in the same write: whoever waits for that go waits in vain.
func (d *Dispatcher) adopt(ctx context.Context, r run.Run) {
	mine, tell := r, []run.Effect(nil)
	if r.State == run.Starting {
		var err error
		mine, tell, err = run.Step(r, run.Refused{N: r.Attempt().N, Proof: "its scheduler ended before it gave go", Revoked: true}, d.now())
		if err != nil {
			d.Log.Error("adopt", "run", r.ID, "error", err)
			return
		}
	}
	mine.Owner = d.owner
	out, err := d.store(ctx, r, mine, tell, ledger.Slot{}, nil)
	switch {
	case err != nil:
		d.Log.Error("adopt", "run", r.ID, "error", err)
	case errors.Is(out.Err, ledger.ErrStale): // another dispatcher was first
	case out.Err != nil:
		d.Log.Error("adopt", "run", r.ID, "error", out.Err)
	default:
		d.Log.Info("took a run over", "run", r.ID, "state", r.State, "from", r.Owner)
		d.written(r, out.Run, tell)
		d.takeUp(ctx, out.Run)
	}
}

// How often the host of a lost run is asked: soon at first, then patiently.
const (
	askSoon  = 10 * time.Second
	askLater = 5 * time.Minute
	askFor   = 10 * time.Minute
)

// ask looks whether the host of a lost run knows by now what became of it.
func (d *Dispatcher) ask(ctx context.Context, r run.Run) {
	pause := askSoon
	if d.now().Sub(r.EndedAt) > askFor {
		pause = askLater
		// Who lives for one event has no memory of the last time; of the sweeps of
		// every minute one in five asks.
		if at := d.now(); d.Stepwise && at.Truncate(askLater).Equal(at.Add(-time.Minute).Truncate(askLater)) {
			return
		}
	}
	d.mu.Lock()
	early := d.now().Before(d.heard[r.ID])
	if !early {
		d.heard[r.ID] = d.now().Add(pause)
	}
	d.mu.Unlock()
	if early {
		return
	}
	a := r.Attempt()
	host, err := hostOf(a)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askSoon)
	defer cancel()
	status, err := d.Executor.Status(ctx, host, attemptOf(&r, a.N, host))
	if err != nil || status.Phase != guard.PhaseEnded {
		return
	}
	r.Owner = d.owner // so that what follows is carried on here
	after, err := d.conclude(ctx, r, a.N, status.Result)
	if errors.Is(err, errLater) {
		return // another one has heard of it too
	}
	if err != nil {
		d.Log.Error("record what a lost run came to", "run", r.ID, "error", err)
		return
	}
	if after.State != run.Lost {
		d.mu.Lock()
		delete(d.heard, r.ID)
		d.mu.Unlock()
		d.start(ctx, after)
	}
}

// prune forgets what is older than the file's retention.
func (d *Dispatcher) prune(ctx context.Context) {
	f := d.File()
	if f == nil || f.Retention <= 0 || d.Halted() != nil {
		return
	}
	before := d.now().Add(-f.Retention)
	n, err := 0, d.vouch(ctx, f, before)
	if err == nil {
		n, err = d.Ledger.Prune(ctx, before)
	}
	switch {
	case err != nil && ctx.Err() == nil:
		d.Log.Error("prune", "error", err)
	case n > 0:
		d.Log.Info("pruned", "runs", n)
	}
}

// vouch records for a stepwise dispatcher, which may go on from this ledger, that
// the due times so far have their runs: it would take the absence of those that
// are about to be pruned for due times that nobody delivered. Here they are
// planned in their order, so the latest run stands for all before it. If no run
// is as old as that, none is about to be pruned.
func (d *Dispatcher) vouch(ctx context.Context, f *job.File, before time.Time) error {
	old, err := d.Ledger.Runs(ctx, ledger.Query{Until: before, Limit: 1})
	if err != nil || len(old) == 0 {
		return err
	}
	jobs, err := d.Ledger.Jobs(ctx)
	if err != nil {
		return err
	}
	mine := make(map[string]bool, len(f.Jobs))
	for i := range f.Jobs {
		mine[f.Jobs[i].Name] = true
	}
	return each(d.Abreast, jobs, func(k ledger.Job) error {
		if !mine[k.Name] || !k.Through.After(k.Checked) {
			return nil
		}
		return d.Ledger.Check(ctx, k.Name, k.Through)
	})
}

// learnPauses takes over what operators said to any dispatcher.
func (d *Dispatcher) learnPauses(ctx context.Context) error {
	jobs, err := d.Ledger.Jobs(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		d.learn(j)
	}
	return nil
}

func (d *Dispatcher) isPaused(jobName string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.paused[jobName]
}

func (d *Dispatcher) isRetired(jobName string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.retired[jobName]
}
