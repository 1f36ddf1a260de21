package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// drive takes a run from wherever it stands to its end, or to where this
// dispatcher has nothing more to say: it was taken over, it is lost, or the
// dispatcher stops. It closes recorded as soon as the run is in the ledger.
//
// A stepwise dispatcher leaves the run wherever it would have to wait, and
// returns what keeps it from getting on; others try again until ctx is done.
func (d *Dispatcher) drive(ctx context.Context, r *run.Run, recorded chan<- struct{}) error {
	var once sync.Once
	note := func() { once.Do(func() { close(recorded) }) }
	defer note()
	for r.State.Open() && r.Owner == d.owner {
		err := d.contained("run", r.ID, func() error { return d.advance(ctx, r) })
		if errors.Is(err, errMistake) {
			err = d.apart(ctx, nil, r, func(r run.Run) (run.Run, error) { return d.abandon(ctx, r) })
		}
		if r.Version > 0 {
			note()
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, errStopping), errors.Is(err, errLater), errors.Is(err, errNotDue):
			return nil
		case ctx.Err() != nil, d.Stepwise, errors.Is(err, ErrHalted):
			return err
		}
		d.Log.Error("run does not get on", "run", r.ID, "state", r.State, "error", err)
		if !d.rest(ctx, time.Second) {
			return ctx.Err()
		}
		_ = d.apart(ctx, nil, r, func(r run.Run) (run.Run, error) {
			if stored, err := d.Ledger.Run(ctx, r.ID); err == nil {
				r = stored
			}
			return r, nil
		})
	}
	return nil
}

// advance takes an open run a step further.
func (d *Dispatcher) advance(ctx context.Context, r *run.Run) error {
	switch {
	case r.State == run.Starting:
		return d.send(ctx, r)
	case r.State == run.Running:
		return d.follow(ctx, r)
	case d.stopping():
		return errStopping
	}
	if err := d.Halted(); err != nil {
		return err
	}
	if d.early(r) > 0 {
		return d.prepare(ctx, r)
	}
	return d.apart(ctx, nil, r, func(r run.Run) (run.Run, error) { return d.launch(ctx, r) })
}

var (
	// errStopping ends the drive of a run that has not started when the
	// dispatcher stops; the next one finds it in the ledger.
	errStopping = errors.New("the scheduler is stopping")
	// errLater ends the drive of a run that a stepwise dispatcher would have to
	// wait for, or that another one is carrying on.
	errLater = errors.New("left to a later event")
)

// launch looks for a host for a planned run that has come due and records the
// intent, unless it is held back, too late, or an earlier run of its job is in the way.
func (d *Dispatcher) launch(ctx context.Context, r run.Run) (run.Run, error) {
	if wait := r.NotBefore.Sub(d.now()); wait > 0 {
		return d.hold(ctx, r, run.Wait{Until: r.NotBefore, Reason: r.Reason}, nil, wait)
	}
	j, err := d.spec(ctx, r.Spec)
	if err != nil {
		return r, err
	}
	if r.Trigger != run.Manual && !tried(r) && d.isPaused(r.Job) {
		return d.apply(ctx, r, run.Skip{Reason: run.ReasonPaused + " by an operator"})
	}
	if d.Stepwise && len(r.Attempts) > 0 { // the event was about its end, not its job
		if err := d.relearn(ctx, r.Job); err != nil {
			return r, err
		}
	}
	if d.isRetired(r.Job) && !rerun(r) {
		return d.apply(ctx, r, run.Skip{Reason: run.ReasonRemoved + ": its job is not in force any more"})
	}
	if r.Late(d.now()) {
		reason := fmt.Sprintf("%s: past its start-within, %s", run.ReasonLate, r.StartBy.Format(time.RFC3339))
		if r.Reason != "" {
			reason += "; " + r.Reason
		}
		return d.apply(ctx, r, run.Skip{Reason: reason})
	}
	ahead, err := d.ahead(ctx, j, r)
	if err != nil {
		return r, err
	}
	if ahead != "" {
		return d.queue(ctx, j, r, ahead)
	}
	return d.intend(ctx, j, r, "")
}

// tried reports whether any attempt of the run was made that the scheduler did not
// take back itself.
func tried(r run.Run) bool {
	return slices.ContainsFunc(r.Attempts, func(a run.Attempt) bool { return !a.Revoked })
}

// rerun reports whether a person had the run start again after it was lost.
func rerun(r run.Run) bool {
	return !r.Policy.Idempotent && slices.ContainsFunc(r.Attempts, func(a run.Attempt) bool { return a.State == run.AttemptLost })
}

// intend picks a host and records the attempt. from names a run whose hold of
// the job's slot may be replaced.
func (d *Dispatcher) intend(ctx context.Context, j job.Job, r run.Run, from string) (run.Run, error) {
	host, pick, done, err := d.pick(ctx, j, &r)
	if err != nil {
		return d.noHost(ctx, j, r, pick, err)
	}
	defer done()
	next, err := d.attempt(ctx, j, r, host, pick, from)
	if busy := (*ledger.BusyError)(nil); errors.As(err, &busy) {
		return d.overlap(ctx, j, r, busy.Holder)
	}
	return next, err
}

// attempt records the intent of an attempt on the host, and takes the job's slot.
func (d *Dispatcher) attempt(ctx context.Context, j job.Job, r run.Run, host fleet.Host, pick *fleet.Pick, from string) (run.Run, error) {
	where, err := json.Marshal(host)
	if err != nil {
		return r, err
	}
	slot := ledger.Slot{Op: ledger.SlotTake, From: from}
	if j.Overlap == job.Allow {
		slot.Op = ledger.SlotShare
	}
	protects, err := d.protects(ctx, r, host)
	if err != nil {
		return r, err
	}
	return d.write(ctx, r, run.Intend{Host: host.ID, Token: token(), Ref: string(where), Protects: protects},
		slot, &ledger.Detail{Attempt: len(r.Attempts) + 1, Pick: pick})
}

// follow waits for the end of a running attempt and records it. A host that
// stays out of reach until well after the command's own timeout makes the run
// lost.
func (d *Dispatcher) follow(ctx context.Context, r *run.Run) error {
	a := r.Attempt()
	host, err := hostOf(a)
	if err != nil {
		return d.vanish(ctx, r, a.N, err.Error())
	}
	at := attemptOf(r, a.N, host)
	if d.Stepwise {
		return d.apart(ctx, nil, r, func(r run.Run) (run.Run, error) { return d.look(ctx, r, host, at) })
	}
	over := d.over(*r)
	wctx, cancel := context.WithDeadline(ctx, over)
	defer cancel()
	if r.Cancel != "" {
		d.aside(r.ID, func() { d.halt(wctx, host, at, false) })
	}
	res, err := d.Executor.Wait(wctx, host, at)
	switch {
	case err == nil:
		d.starts.goFirst(ctx)
		return d.apart(ctx, d.ends, r, func(r run.Run) (run.Run, error) { return d.conclude(ctx, r, a.N, res) })
	case ctx.Err() != nil:
		return ctx.Err()
	case !d.now().Before(over):
		return d.vanish(ctx, r, a.N, fmt.Sprintf("host %s did not answer: %v", a.Host, err))
	}
	return err
}

// vanish records that the end of attempt n can't be known.
func (d *Dispatcher) vanish(ctx context.Context, r *run.Run, n int, reason string) error {
	return d.apart(ctx, nil, r, func(r run.Run) (run.Run, error) {
		return d.apply(ctx, r, run.Vanished{N: n, Reason: reason})
	})
}

// over is when a running attempt's guard must have ended it, with room for an
// order that is slow to arrive and a host that is slow to answer.
func (d *Dispatcher) over(r run.Run) time.Time {
	return r.Attempt().StartedAt.Add(d.ClaimWithin + r.Policy.Timeout + r.Policy.Grace + d.Unreachable)
}

// conclude records what a host said of attempt n.
func (d *Dispatcher) conclude(ctx context.Context, r run.Run, n int, res guard.Result) (run.Run, error) {
	ended := run.Ended{N: n, Code: res.Code, StartedAt: res.StartedAt, EndedAt: res.EndedAt, Reason: res.Reason, Note: res.Note}
	switch res.End {
	case guard.Exited:
		ended.As = run.Succeeded
		if res.Code != 0 {
			ended.As = run.Failed
		}
	case guard.TimedOut:
		ended.As = run.TimedOut
	case guard.Cancelled:
		ended.As = run.Cancelled
	case guard.Refused:
		return d.apply(ctx, r, run.Refused{N: n, Proof: "guard: " + res.Reason})
	default: // gone, or a run directory that is no longer there
		if r.State == run.Lost {
			return r, nil
		}
		return d.apply(ctx, r, run.Vanished{N: n, Reason: res.Reason})
	}
	return d.write(ctx, r, ended, ledger.Slot{}, &ledger.Detail{Attempt: n, Output: &res.Output})
}

// rest waits for the duration and reports whether the caller should go on.
func (d *Dispatcher) rest(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
