package dispatch

import (
	"context"
	"encoding/json"
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

// drive takes a run from wherever it stands to its end, or to where this
// dispatcher has nothing more to say: it was taken over, it is lost, or the
// dispatcher stops. It closes recorded as soon as the run is in the ledger.
//
// A stepwise dispatcher leaves the run wherever it would have to wait, and
// returns what keeps it from getting on; others try again until ctx is done.
func (d *Dispatcher) drive(ctx context.Context, r run.Run, recorded chan<- struct{}) error {
	var once sync.Once
	note := func() { once.Do(func() { close(recorded) }) }
	defer note()
	for r.State.Open() && r.Owner == d.owner {
		err := d.contained("run", r.ID, func() (err error) {
			r, err = d.advance(ctx, r)
			return err
		})
		if errors.Is(err, errMistake) {
			r, err = d.abandon(ctx, r)
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
		if stored, err := d.Ledger.Run(ctx, r.ID); err == nil {
			r = stored
		}
	}
	return nil
}

// advance takes an open run a step further.
func (d *Dispatcher) advance(ctx context.Context, r run.Run) (run.Run, error) {
	switch r.State {
	case run.Starting:
		return d.send(ctx, r)
	case run.Running:
		return d.follow(ctx, r)
	}
	return d.launch(ctx, r)
}

var (
	// errStopping ends the drive of a run that has not started when the
	// dispatcher stops; the next one finds it in the ledger.
	errStopping = errors.New("the scheduler is stopping")
	// errLater ends the drive of a run that a stepwise dispatcher would have to
	// wait for, or that another one is carrying on.
	errLater = errors.New("left to a later event")
)

// launch looks for a host for a planned run and records the intent, unless it
// is held back, too late, or an earlier run of its job is in the way. A run that
// has yet to come due is prepared.
func (d *Dispatcher) launch(ctx context.Context, r run.Run) (run.Run, error) {
	if d.stopping() {
		return r, errStopping
	}
	if err := d.Halted(); err != nil {
		return r, err
	}
	if d.early(r) > 0 {
		return d.prepare(ctx, r)
	}
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

// send brings the order of a starting run to its host. The go is committed
// while the guard stands ready, and only then told to it: both when the run has
// come due.
func (d *Dispatcher) send(ctx context.Context, r run.Run) (run.Run, error) {
	if err := d.Halted(); err != nil {
		return r, err
	}
	a := *r.Attempt()
	host, order, err := d.order(ctx, r)
	if err == nil {
		err = d.protect(ctx, r, host)
	}
	if err != nil {
		return d.apply(ctx, r, run.Refused{N: a.N, Proof: err.Error(), Revoked: d.early(r) > 0})
	}
	granted := r
	err = d.starts.first(func(due func()) error {
		return d.Executor.Start(ctx, host, order, func(ctx context.Context) (err error) {
			granted, err = d.grant(ctx, r, host, due)
			return err
		})
	})
	proof := executor.Proven(err)
	switch {
	case errors.Is(err, errLater):
		return granted, err // another one has given go, and sends the order
	case err == nil && d.Stepwise:
		return granted, errLater
	case err == nil, granted.Owner != d.owner, granted.State.Final(), granted.State == run.Planned:
		return granted, nil // it runs; or it was taken over, cancelled or taken back before go
	case errors.Is(err, executor.ErrDelivered):
		// The host has had this attempt before, from a scheduler or a ledger that
		// nobody remembers. It won't start again; what became of it is its result.
		return d.apply(ctx, granted, run.Go{N: a.N, Delivered: true})
	case proof == nil && granted.State == run.Running:
		d.Log.Warn("start in doubt; asking the host", "run", r.ID, "host", host.ID, "error", err)
		if d.Stepwise {
			return granted, errLater
		}
		return granted, nil
	case errors.Is(err, executor.ErrThrottled):
		return d.throttled(ctx, granted, proof)
	case proof != nil && ctx.Err() == nil:
		if errors.Is(err, executor.ErrUnreachable) {
			d.Fleet.Down(host.ID, proof.Reason())
		}
		// Whatever keeps an attempt from starting before it is due is nothing
		// against the host.
		back := errors.Is(err, errStopping) || errors.Is(err, errTakenBack) || d.early(r) > 0
		return d.apply(ctx, granted, run.Refused{N: a.N, Proof: proof.Reason(), Revoked: back})
	}
	return granted, err
}

// grant commits the go of a starting run once it has come due, which it tells, and
// returns the run as it stands then.
func (d *Dispatcher) grant(ctx context.Context, r run.Run, host fleet.Host, due func()) (run.Run, error) {
	prepared := d.early(r) > 0
	if prepared {
		if stored, err := d.await(ctx, r, host); err != nil {
			return stored, err
		}
	}
	due()
	granted, err := d.commit(ctx, r, host, prepared)
	if err != nil {
		return granted, err
	}
	// The go stands, so that nothing ends this wait. A clock may run slow; one that
	// was set back is not waited for.
	for tries := 3; tries > 0 && d.early(r) > 0; tries-- {
		time.Sleep(min(d.early(r), goEarly))
	}
	return granted, nil
}

// grantsAtOnce is how many gos are committed together at most. Those that have theirs
// start while the next are committed.
const grantsAtOnce = 128

// commit records the go of a starting run, if its attempt should still start.
func (d *Dispatcher) commit(ctx context.Context, r run.Run, host fleet.Host, prepared bool) (run.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, grantWithin)
	defer cancel()
	select {
	case d.grants <- struct{}{}:
		defer func() { <-d.grants }()
	case <-ctx.Done():
		return r, context.Cause(ctx)
	}
	switch {
	case d.stopping():
		return r, errStopping
	case d.Halted() != nil:
		return r, d.Halted()
	case prepared && !d.startable(ctx, r, host):
		return r, errTakenBack
	}
	granted, err := d.apply(ctx, r, run.Go{N: r.Attempt().N})
	if err == nil && (granted.State != run.Running || granted.Owner != d.owner) {
		return granted, fmt.Errorf("run %s is %s by now", r.ID, granted.State)
	}
	return granted, err
}

// throttled takes an attempt back that was never sent, and holds the run back
// for a while: there is nothing against its host.
func (d *Dispatcher) throttled(ctx context.Context, r run.Run, proof *executor.NotStarted) (run.Run, error) {
	r, err := d.apply(ctx, r, run.Refused{N: r.Attempt().N, Proof: proof.Reason(), Revoked: true})
	if err != nil || r.State != run.Planned {
		return r, err
	}
	return d.hold(ctx, r, run.Wait{Until: d.now().Add(throttleRest), Reason: proof.Reason()}, nil, throttleRest)
}

const throttleRest = 15 * time.Second

// grantWithin bounds the commit of a go; a guard waits a minute for it.
const grantWithin = 30 * time.Second

// order is the current attempt as the guard needs it.
func (d *Dispatcher) order(ctx context.Context, r run.Run) (fleet.Host, guard.Order, error) {
	j, err := d.spec(ctx, r.Spec)
	if err != nil {
		return fleet.Host{}, guard.Order{}, err
	}
	a := r.Attempt()
	host, err := hostOf(a)
	if err != nil {
		return host, guard.Order{}, err
	}
	secrets := make(map[string]string, len(j.Secrets))
	for name, ref := range j.Secrets {
		if secrets[name], err = d.Secret(ref); err != nil {
			return host, guard.Order{}, fmt.Errorf("secret %s: %w", name, err)
		}
	}
	startBy := r.StartBy
	if a.N > 1 && !startBy.After(d.now()) {
		startBy = d.now().Add(j.StartWithin) // a retry takes its time
	}
	return host, guard.Order{
		Attempt: attemptOf(&r, a.N, host), Token: a.Token, StartBy: startBy,
		Job: r.Job, Due: r.Due, Host: a.Host, Fence: a.Fence,
		Command: j.Command, Shell: j.Shell, User: j.User, Dir: j.Dir,
		Env: j.Env, Secrets: secrets,
		Timeout: j.Timeout, Grace: j.Grace,
		Exclusive: j.Overlap != job.Allow, OutputBytes: j.OutputBytes,
	}, nil
}

// hostOf is the host as it was when the attempt was sent there, so that it is
// found again even after it left the inventory.
func hostOf(a *run.Attempt) (fleet.Host, error) {
	var h fleet.Host
	if err := json.Unmarshal([]byte(a.Ref), &h); err != nil {
		return h, fmt.Errorf("attempt %d on %s: its host's address is unreadable: %w", a.N, a.Host, err)
	}
	return h, nil
}

func attemptOf(r *run.Run, n int, h fleet.Host) guard.Attempt {
	return guard.Attempt{Run: r.ID, N: n, Kept: h.RunDir, Unclaimed: r.Policy.Unclaimed}
}

// follow waits for the end of a running attempt and records it. A host that
// stays out of reach until well after the command's own timeout makes the run
// lost.
func (d *Dispatcher) follow(ctx context.Context, r run.Run) (run.Run, error) {
	a := r.Attempt()
	host, err := hostOf(a)
	if err != nil {
		return d.apply(ctx, r, run.Vanished{N: a.N, Reason: err.Error()})
	}
	at := attemptOf(&r, a.N, host)
	if d.Stepwise {
		return d.look(ctx, r, host, at)
	}
	over := d.over(r)
	wctx, cancel := context.WithDeadline(ctx, over)
	defer cancel()
	if r.Cancel != "" {
		d.aside(r.ID, func() { d.halt(wctx, host, at, false) })
	}
	res, err := d.Executor.Wait(wctx, host, at)
	switch {
	case err == nil:
		d.starts.goFirst(ctx)
		return d.conclude(ctx, r, a.N, res)
	case ctx.Err() != nil:
		return r, ctx.Err()
	case !d.now().Before(over):
		return d.apply(ctx, r, run.Vanished{N: a.N, Reason: fmt.Sprintf("host %s did not answer: %v", a.Host, err)})
	}
	return r, err
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
