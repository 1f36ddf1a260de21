package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// A run is prepared ahead of its due time where the executor can let its guard
// stand ready: the intent is recorded, and the order is with the guard. When it
// comes due only go is missing. Until go is committed the attempt can be taken
// back, which proves that it never starts; a run whose attempt was taken back
// holds nothing and starts the ordinary way when it comes due. See
// docs/adr/0013-prepared.md.

// A go is committed a moment before the due time and given at it. The more stand
// ready the earlier that is, so that all are committed by then.
const (
	goEarly  = 50 * time.Millisecond  // for one
	goTakes  = 200 * time.Microsecond // that each of the others adds: a commit, among many
	goMargin = time.Second            // for any number
)

// errNotDue ends the drive of a run that is not recorded and will not be: its job
// was edited or removed before it came due.
var errNotDue = errors.New("not due any more")

// errTakenBack is why a prepared attempt gets no go although its time has come.
var errTakenBack = errors.New("taken back before its due time")

// preparing is how long before its due time a run may be prepared. Where others
// share the ledger nothing is: they would wait for the beats of a scheduler that
// died with runs prepared.
func (d *Dispatcher) preparing() time.Duration {
	if _, ok := d.Executor.(executor.Patient); !ok || !d.Sole || d.Stepwise {
		return 0
	}
	return max(d.Ahead, 0)
}

// early is how long it is until a run that has yet to come due does; zero or less
// for others. One that came due once and began is not held up by a clock that
// was set back, nor is any where nothing is prepared: there a run is made when it
// is due.
func (d *Dispatcher) early(r *run.Run) time.Duration {
	if d.preparing() == 0 || r.Trigger != run.Scheduled || r.Begun() {
		return 0
	}
	return r.Due.Sub(d.now())
}

// prepare takes a run that has yet to come due as far as it gets without
// anybody's being in the way, or else waits for its due time. It returns early
// when something happens to its job's runs, for another try.
func (d *Dispatcher) prepare(ctx context.Context, r *run.Run) error {
	poke, leave := d.join(r)
	defer leave()
	intended := false
	err := d.apart(ctx, d.preparers, r, func(r run.Run) (_ run.Run, err error) {
		r, intended, err = d.intendEarly(ctx, r)
		return r, err
	})
	if intended || err != nil {
		return err
	}
	timer := time.NewTimer(min(d.early(r), maxSleep))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-poke:
	case <-d.stop:
		return errStopping
	case <-ctx.Done():
		return ctx.Err()
	}
	return d.apart(ctx, nil, r, func(r run.Run) (run.Run, error) { return d.waited(ctx, r) })
}

// waited looks at a run that waited for its due time, or until something happened.
func (d *Dispatcher) waited(ctx context.Context, r run.Run) (run.Run, error) {
	if r.Version > 0 {
		stored, err := d.Ledger.Run(ctx, r.ID)
		if err != nil || stored.State != run.Planned {
			return stored, err
		}
		r = stored
	}
	if d.early(&r) > 0 {
		return r, nil
	}
	return d.renew(ctx, r)
}

// intendEarly records the intent of a run that is not in the ledger yet, if its
// job may run, its slot is free, and the host that is picked can be kept
// waiting.
func (d *Dispatcher) intendEarly(ctx context.Context, r run.Run) (_ run.Run, ok bool, _ error) {
	patient, can := d.Executor.(executor.Patient)
	if !can || r.Version > 0 || d.early(&r) <= 0 || !r.NotBefore.IsZero() || d.isPaused(r.Job) || d.isRetired(r.Job) {
		return r, false, nil
	}
	j, err := d.spec(ctx, r.Spec)
	if err != nil || j.Protect {
		return r, false, err
	}
	if ahead, err := d.ahead(ctx, j, r); ahead != "" || err != nil {
		return r, false, err
	}
	host, pick, done, err := d.pick(ctx, j, &r)
	if err != nil {
		return r, false, nil // there may be one by then
	}
	defer done()
	if !patient.Holds(host) {
		return r, false, nil
	}
	next, err := d.attempt(ctx, j, r, host, pick, "")
	if busy := (*ledger.BusyError)(nil); errors.As(err, &busy) {
		return r, false, nil
	}
	return next, true, err
}

// renew has a run that waited for its due time follow its job, which may have
// been edited meanwhile.
func (d *Dispatcher) renew(ctx context.Context, r run.Run) (run.Run, error) {
	j, hash, ok := d.owes(r)
	switch {
	case ok && hash == r.Spec:
		return r, nil
	case r.Version == 0 && ok:
		return d.newOccurrence(j, occurrence{r.Due, r.Trigger}), nil
	case r.Version == 0:
		return r, errNotDue
	case ok:
		fresh := d.newOccurrence(j, occurrence{r.Due, r.Trigger})
		return d.apply(ctx, r, run.Replan{Spec: fresh.Spec, Policy: fresh.Policy, StartBy: fresh.StartBy})
	}
	return d.apply(ctx, r, run.Skip{Reason: run.ReasonRemoved + ": its job was edited or removed before it came due"})
}

// owes returns the job of a run as it stands in the file at work, and whether the
// run's due time is one of it.
func (d *Dispatcher) owes(r run.Run) (j job.Job, hash string, ok bool) {
	d.mu.Lock()
	p := d.gen.jobs[r.Job]
	d.mu.Unlock()
	if p == nil {
		return j, "", false
	}
	if p.hash == r.Spec {
		return *p.Job, p.hash, true
	}
	next, ok := p.when.Next(r.Due.Add(-time.Second))
	return *p.Job, p.hash, ok && next.Equal(r.Due)
}

// await holds the go of a prepared attempt back until the run comes due, and then
// sees whether its guard would hear it. The error is why the attempt must not start,
// and the run is as it is stored then.
func (d *Dispatcher) await(ctx context.Context, r *run.Run, host *fleet.Host) error {
	poke, leave := d.join(r)
	defer leave()
	early := min(goEarly+time.Duration(d.standing.Add(1))*goTakes, goMargin).Truncate(time.Millisecond) // as now is
	defer d.standing.Add(-1)
	for wait := d.early(r) - early; wait > 0; wait = d.early(r) - early {
		if wait > 2*d.Ahead {
			return errTakenBack // the clock was set back
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-poke:
			if d.changed(ctx, r) {
				timer.Stop()
				return errTakenBack
			}
		case <-d.stop:
			timer.Stop()
			return errStopping
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
	if patient, ok := d.Executor.(executor.Patient); ok {
		if err := patient.Listens(ctx, *host, attemptOf(r, r.Attempt().N, *host)); err != nil {
			return fmt.Errorf("%w: %w", errTakenBack, err)
		}
	}
	return nil
}

// changed reports whether the run was written to by somebody else, and reads that.
func (d *Dispatcher) changed(ctx context.Context, r *run.Run) (yes bool) {
	_ = d.apart(ctx, nil, r, func(r run.Run) (run.Run, error) {
		if stored, err := d.Ledger.Run(ctx, r.ID); err == nil && stored.Version != r.Version {
			r, yes = stored, true
		}
		return r, nil
	})
	return yes
}

// startable reports whether a prepared attempt is what would be started now.
func (d *Dispatcher) startable(ctx context.Context, r run.Run, host fleet.Host) bool {
	j, hash, ok := d.owes(r)
	if !ok || hash != r.Spec || d.isPaused(r.Job) || d.isRetired(r.Job) || d.Fleet.Health(host).Refused != "" {
		return false
	}
	hosts, err := d.Fleet.Find(ctx, j.Hosts)
	if err != nil {
		return false
	}
	for _, h := range hosts {
		if h.ID == host.ID && h.Address == host.Address {
			_, fits := j.Hosts.Match(h.Tags)
			return fits && h.Refused == ""
		}
	}
	return false
}

// overtake lets r, which is due, go before a run of its job that is only prepared.
// Whichever of this write and that run's go is first decides. One that a scheduler
// which is gone had prepared is adopted with it, so that its due time finds a driver.
func (d *Dispatcher) overtake(ctx context.Context, j job.Job, r, prepared run.Run) (run.Run, error) {
	back := run.Refused{N: prepared.Attempt().N, Proof: r.ID + " was due before it", Revoked: true}
	next, effects, err := run.Step(prepared, back, d.now())
	if err != nil {
		return r, err
	}
	next.Owner = d.owner
	out, err := d.store(ctx, prepared, next, effects, ledger.Slot{}, nil)
	if err != nil {
		return r, err
	}
	if out.Err == nil {
		d.written(prepared, out.Run, effects)
		d.takeUp(ctx, out.Run)
	} else if !errors.Is(out.Err, ledger.ErrStale) {
		return r, out.Err
	}
	return d.intend(ctx, j, r, "")
}
