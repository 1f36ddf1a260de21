package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// A stepwise dispatcher lives for one event at a time, as in a Lambda: a due
// time that a timer delivers, news of a run, the sweep of every minute, or what
// a person asks for. Each takes the runs that it concerns as far as they go,
// and leaves them in the ledger for the next. Any number of stepwise
// dispatchers carry on each other's runs; of two that do so at once, the one
// whose write comes first goes on and the other leaves it.

// Due deals with a due time that a timer delivers. The job as it stands by now
// decides whether it is one, unless its due times have changed since: then it is
// the job of the given hash, for which the timer was made (if there is one). A
// due time that the job's schedule does not have is none of ours: a timer may
// know a coarser schedule, or one that was replaced; nor is one of a job that was
// retired before. One that lies ahead is an error, since no timer is early: its
// run would be used up before its time. Repeating is safe.
func (d *Dispatcher) Due(ctx context.Context, name, spec string, due time.Time) error {
	if due.After(d.now().Add(maxEarly)) {
		return fmt.Errorf("job %s: due time %s lies ahead", name, due.Format(time.RFC3339))
	}
	k, err := d.Ledger.Job(ctx, name)
	if err != nil {
		return fmt.Errorf("due time %s: %w", due.Format(time.RFC3339), err)
	}
	switch {
	case k.Current() == "" && due.After(k.Retired):
		d.Log.Info("the job was retired before", "job", name, "due", due)
		return nil
	case !due.After(k.Checked):
		return nil // it has its run, or had it before that was pruned
	}
	if spec == "" || due.After(k.Since) {
		spec = k.Hash
	}
	j, when, err := d.entry(ctx, spec)
	if err != nil {
		return fmt.Errorf("job %s: %w", name, err)
	}
	if next, ok := when.Next(due.Add(-time.Second)); !ok || !next.Equal(due) {
		d.Log.Info("the schedule has no such due time", "job", name, "due", due)
		return nil
	}
	d.learn(k)
	return d.step(ctx, d.newOccurrence(j, occurrence{due, run.Scheduled}))
}

// maxEarly is how far a timer's clock may be ahead of this one.
const maxEarly = time.Minute

// News carries on a run that something was heard of. What was heard is not
// believed: the host, or who speaks for it, is asked again.
func (d *Dispatcher) News(ctx context.Context, id string) error {
	r, err := d.Ledger.Run(ctx, id)
	if err != nil {
		return fmt.Errorf("news of run %s: %w", id, err)
	}
	switch r.State {
	case run.Lost:
		d.ask(ctx, r)
		return nil
	case run.Planned:
		if err := d.relearn(ctx, r.Job); err != nil {
			return err
		}
	}
	return d.step(ctx, r)
}

// step drives a run as far as it goes without waiting.
func (d *Dispatcher) step(ctx context.Context, r run.Run) error {
	r.Owner = d.owner
	if err := d.drive(ctx, &r, make(chan struct{})); err != nil {
		return fmt.Errorf("run %s: %w", r.ID, err)
	}
	return nil
}

// look asks once what became of a running attempt. An order that has not
// reached its host in good time, or won't, is taken back: that is the proof
// that it never starts, if it comes before the host's claim.
func (d *Dispatcher) look(ctx context.Context, r run.Run, h fleet.Host, at guard.Attempt) (run.Run, error) {
	a := r.Attempt()
	if r.Cancel != "" {
		d.halt(ctx, h, at, false)
	}
	status, err := d.Executor.Status(ctx, h, at)
	if why := d.stuck(a, status); err == nil && why != "" {
		status, err = d.takeBack(ctx, h, at, why)
	}
	switch {
	case err == nil && status.Phase == guard.PhaseEnded:
		return d.conclude(ctx, r, a.N, status.Result)
	case !d.now().Before(d.over(r)):
		reason := "its host did not tell of an end"
		if err != nil {
			reason = fmt.Sprintf("host %s did not answer: %v", a.Host, err)
		}
		return d.apply(ctx, r, run.Vanished{N: a.N, Reason: reason})
	case err != nil:
		d.Log.Warn("a run could not be asked about; the sweep asks again", "run", r.ID, "host", a.Host, "error", err)
	}
	return r, errLater
}

// stuck says why the attempt's order should be taken back; empty if it is with
// its host, or may still get there.
func (d *Dispatcher) stuck(a *run.Attempt, s guard.Status) string {
	switch {
	case s.Phase != guard.PhaseAbsent:
		return ""
	case s.Hopeless != "":
		return s.Hopeless
	case d.now().After(a.StartedAt.Add(d.ClaimWithin)):
		return fmt.Sprintf("it did not reach its host within %s", d.ClaimWithin)
	}
	return ""
}

// takeBack takes an attempt back that its host has not begun, and tells what
// is true then.
func (d *Dispatcher) takeBack(ctx context.Context, h fleet.Host, at guard.Attempt, why string) (guard.Status, error) {
	oneWay, ok := d.Executor.(executor.OneWay)
	if !ok || at.Unclaimed {
		return guard.Status{Phase: guard.PhaseAbsent}, nil
	}
	return oneWay.TakeBack(ctx, h, at, why)
}

// Sweep does what no event does: it starts due times that were not delivered,
// carries on every run that is not over, and delivers the outbox. It is called
// every minute, and returns what went wrong after having tried everything.
func (d *Dispatcher) Sweep(ctx context.Context) error {
	expected := d.expectAll(ctx)
	carried := d.carryOn(ctx)
	d.Deliver(ctx)
	return errors.Join(expected, carried)
}

// carryOn takes every open run a step further and asks after the lost ones.
func (d *Dispatcher) carryOn(ctx context.Context) error {
	states := []run.State{run.Planned, run.Starting, run.Running, run.Lost}
	unfinished, err := d.Ledger.Runs(ctx, ledger.Query{States: states})
	if err != nil {
		return err
	}
	slices.Reverse(unfinished) // the earliest due first: others may wait for it
	return each(d.Abreast, unfinished, func(r run.Run) error {
		if r.State == run.Lost {
			d.ask(ctx, r)
			return nil
		}
		return d.step(ctx, r)
	})
}

// each calls f for every one of the list, as many of them at a time as given,
// and returns all errors.
func each[T any](abreast int, list []T, f func(T) error) error {
	var all sync.WaitGroup
	errs := make([]error, len(list))
	room := make(chan struct{}, abreast)
	for i, v := range list {
		if abreast == 1 {
			errs[i] = f(v)
			continue
		}
		room <- struct{}{}
		all.Go(func() {
			errs[i] = f(v)
			<-room
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Deliver sends what is due in the outbox.
func (d *Dispatcher) Deliver(ctx context.Context) {
	var all sync.WaitGroup
	for target, send := range d.deliverers() {
		all.Go(func() { d.deliverTo(ctx, target, send) })
	}
	all.Wait()
}

// Settle does what follows from the steps since it was last called: runs that
// waited for a job's slot are started, and what was put into the outbox is
// delivered. The sweep would do both, later.
func (d *Dispatcher) Settle(ctx context.Context) error {
	err := d.next(ctx)
	select {
	case <-d.outbox:
		d.Deliver(ctx)
	default:
	}
	return err
}

// next steps the runs that wait for the slots that came free.
func (d *Dispatcher) next(ctx context.Context) error {
	d.mu.Lock()
	slices.Sort(d.freed)
	jobs := slices.Compact(d.freed)
	d.freed = nil
	d.mu.Unlock()
	return each(d.Abreast, jobs, func(name string) error {
		if err := d.relearn(ctx, name); err != nil {
			return err
		}
		waiting, err := d.Ledger.Runs(ctx, ledger.Query{Job: name, States: []run.State{run.Planned}})
		if err != nil {
			return err
		}
		for _, r := range slices.Backward(waiting) { // the oldest is last
			if err := d.step(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// learn takes over what the ledger says of a job.
func (d *Dispatcher) learn(k ledger.Job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	mark(d.paused, k.Name, k.Pause.On)
	mark(d.retired, k.Name, !k.Retired.IsZero())
}

// mark puts a name in a set or takes it out.
func mark(set map[string]bool, name string, in bool) {
	if in {
		set[name] = true
	} else {
		delete(set, name)
	}
}

// relearn reads what the ledger says of a job by now.
func (d *Dispatcher) relearn(ctx context.Context, name string) error {
	k, err := d.Ledger.Job(ctx, name)
	if err == nil {
		d.learn(k)
	}
	return err
}

// jobNow is a job of the ledger as it stands, unless it was retired.
func (d *Dispatcher) jobNow(ctx context.Context, name string) (job.Job, error) {
	k, err := d.Ledger.Job(ctx, name)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && k.Current() == "" {
		return job.Job{}, fmt.Errorf("job %s: %w", name, ErrUnknownJob)
	}
	if err != nil {
		return job.Job{}, err
	}
	return d.spec(ctx, k.Hash)
}
