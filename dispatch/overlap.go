package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// recheck is how often a run that waits for another looks again. Within one
// dispatcher it is woken at once; this is for the others on the same ledger.
const recheck = 2 * time.Second

// overlap decides about a planned run whose job's slot is held by another run.
func (d *Dispatcher) overlap(ctx context.Context, j job.Job, r run.Run, holder string) (run.Run, error) {
	h, err := d.Ledger.Run(ctx, holder)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return d.intend(ctx, j, r, holder)
	case err != nil:
		return r, err
	}
	if d.Stepwise && h.State == run.Running {
		// Its end may not have been heard of yet.
		if h, err = d.glance(ctx, h); err != nil {
			return r, err
		}
	}
	switch early := d.early(&h) > 0; {
	case early && h.State == run.Starting:
		return d.overtake(ctx, j, r, h)
	case early && h.State == run.Planned: // its attempt was just taken back
		return d.intend(ctx, j, r, holder)
	}
	if !d.inTheWay(h) {
		return d.intend(ctx, j, r, holder)
	}
	switch j.Overlap {
	case job.BufferOne, job.BufferAll:
		return d.hold(ctx, r, run.Wait{Reason: "waiting for " + holder + " to end"}, nil, recheck)
	case job.CancelOther, job.TerminateOther:
		return d.replace(ctx, j, r)
	}
	why := fmt.Sprintf("%s: %s is %s", run.ReasonOverlap, holder, h.State)
	if h.State == run.Lost {
		why += " and may be running until " + d.over(h).Format(time.RFC3339)
	}
	return d.apply(ctx, r, run.Skip{Reason: why})
}

// glance takes the run that holds the slot a step further and returns it as it
// stands then.
func (d *Dispatcher) glance(ctx context.Context, h run.Run) (run.Run, error) {
	if err := d.step(ctx, h); err != nil {
		return h, err
	}
	return d.Ledger.Run(ctx, h.ID)
}

// inTheWay reports whether the command of the run that holds the slot may be
// running, now or later. A lost one may until its guard must have ended it.
func (d *Dispatcher) inTheWay(h run.Run) bool {
	return h.State.Open() || h.State == run.Lost && d.now().Before(d.over(h))
}

// ahead names the oldest planned run of the job that came due before r, for
// the policies that let runs wait in line; empty if there is none.
func (d *Dispatcher) ahead(ctx context.Context, j job.Job, r run.Run) (string, error) {
	if j.Overlap != job.BufferOne && j.Overlap != job.BufferAll || len(r.Attempts) > 0 {
		return "", nil
	}
	mine := placeOf(&r)
	if first, ok := d.firstInLine(j.Name); ok && first.before(mine) {
		return first.id, nil
	}
	planned, err := d.Ledger.Runs(ctx, ledger.Query{Job: j.Name, States: []run.State{run.Planned}})
	if err != nil {
		return "", err
	}
	for _, p := range slices.Backward(planned) { // the oldest is last
		if placeOf(&p).before(mine) {
			return p.ID, nil
		}
	}
	return "", nil
}

// place is where a run of a job stands in line.
type place struct {
	id  string
	due time.Time
}

func placeOf(r *run.Run) place { return place{r.ID, r.Due} }

// before orders runs of one job by due time, and within a second by ID.
func (a place) before(b place) bool {
	if c := a.due.Compare(b.due); c != 0 {
		return c < 0
	}
	return a.id < b.id
}

// queue lets a run wait behind one that waits already, or ends it if the
// policy has room for one only.
func (d *Dispatcher) queue(ctx context.Context, j job.Job, r run.Run, ahead string) (run.Run, error) {
	if j.Overlap == job.BufferOne {
		return d.apply(ctx, r, run.Skip{Reason: fmt.Sprintf("%s: %s is waiting already", run.ReasonOverlap, ahead)})
	}
	return d.hold(ctx, r, run.Wait{Reason: "waiting behind " + ahead}, nil, maxSleep)
}

// replace ends every earlier open run of the job and waits for the slot.
func (d *Dispatcher) replace(ctx context.Context, j job.Job, r run.Run) (run.Run, error) {
	open, err := d.Ledger.Runs(ctx, ledger.Query{Job: j.Name, States: []run.State{run.Planned, run.Starting, run.Running}})
	if err != nil {
		return r, err
	}
	for _, o := range open {
		if o.ID == r.ID || placeOf(&r).before(placeOf(&o)) || o.Cancel != "" {
			continue
		}
		kill := j.Overlap == job.TerminateOther
		_, err := d.cancel(ctx, o, run.ReasonOverlap+": replaced by "+r.ID, kill)
		var over *run.MoveError // it ended by itself
		if err != nil && !errors.As(err, &over) {
			return r, err
		}
	}
	return d.hold(ctx, r, run.Wait{Reason: "waiting for an earlier run to end"}, nil, recheck)
}

// hold records why a planned run waits, with the detail if there is one, unless
// that is recorded already, and rests for at most the given time; less if the
// job's slot comes free or something is asked of one of its runs. It returns the
// run as it stands then. A run that was not in the ledger before does not rest
// yet: the job's next due time waits for its record.
func (d *Dispatcher) hold(ctx context.Context, r run.Run, w run.Wait, detail *ledger.Detail, most time.Duration) (run.Run, error) {
	poke, leave := d.join(&r)
	defer leave()
	if r.Version == 0 || r.Reason != w.Reason || !r.NotBefore.Equal(w.Until) {
		held, err := d.write(ctx, r, w, ledger.Slot{}, detail)
		fresh := r.Version == 0 && !d.Stepwise
		if err != nil || fresh || held.State != run.Planned || held.Owner != d.owner {
			return held, err
		}
		r = held
	}
	if d.Stepwise {
		return r, errLater
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-poke:
	case <-d.stop:
		return r, errStopping
	case <-ctx.Done():
		return r, ctx.Err()
	}
	stored, err := d.Ledger.Run(ctx, r.ID)
	if err != nil {
		return r, err
	}
	return stored, nil
}

// join makes the driver of a run one of those who are woken when something
// happens to its job's runs.
func (d *Dispatcher) join(r *run.Run) (poke <-chan struct{}, leave func()) {
	jobName, p := r.Job, placeOf(r)
	c := make(chan struct{}, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting[jobName] == nil {
		d.waiting[jobName] = map[chan struct{}]place{}
	}
	d.waiting[jobName][c] = p
	return c, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.waiting[jobName], c)
		if len(d.waiting[jobName]) == 0 {
			delete(d.waiting, jobName)
		}
	}
}

// firstInLine is the ID and due time of the job's run that waits here and came
// due before the others.
func (d *Dispatcher) firstInLine(jobName string) (first place, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first, _, ok = d.first(jobName)
	return first, ok
}

// first is firstInLine with what wakes its driver. d.mu is held.
func (d *Dispatcher) first(jobName string) (first place, poke chan struct{}, ok bool) {
	for c, p := range d.waiting[jobName] {
		if !ok || p.before(first) {
			first, poke, ok = p, c, true
		}
	}
	return first, poke, ok
}

// free tells the next in line that the job's slot is free.
func (d *Dispatcher) free(r run.Run) {
	d.wakeNext(r.Job)
	d.mu.Lock()
	defer d.mu.Unlock()
	// A job whose spec this dispatcher has not read is left to the sweep.
	if j := d.gen.specs[r.Spec]; d.Stepwise && j != nil && j.Overlap != job.Skip && j.Overlap != job.Allow {
		d.freed = append(d.freed, r.Job)
	}
}

// wakeNext wakes the driver of the run that is first in line, and of no other: a long
// line that is woken as a whole for each that leaves it gets nowhere.
func (d *Dispatcher) wakeNext(jobName string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, poke, ok := d.first(jobName); ok {
		signal(poke)
	}
}

// poke wakes the drivers of all of the job's waiting runs.
func (d *Dispatcher) poke(jobName string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.waiting[jobName] {
		signal(c)
	}
}
