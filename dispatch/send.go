package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
)

// send brings the order of a starting run to its host. The go is committed
// while the guard stands ready, and only then told to it: both when the run has
// come due.
func (d *Dispatcher) send(ctx context.Context, r *run.Run) error {
	if err := d.Halted(); err != nil {
		return err
	}
	var s *start
	err := d.apart(ctx, nil, r, func(r run.Run) (run.Run, error) {
		host, order, err := d.order(ctx, r)
		if err == nil {
			err = d.protect(ctx, r, host)
		}
		if err != nil {
			return d.apply(ctx, r, run.Refused{N: r.Attempt().N, Proof: err.Error(), Revoked: d.early(&r) > 0})
		}
		s = &start{host, order, r}
		return r, nil
	})
	if err != nil || s == nil {
		return err
	}
	err = d.starts.first(func(due func()) error {
		return d.Executor.Start(ctx, s.host, s.order, func(ctx context.Context) error { return d.grant(ctx, s, due) })
	})
	return d.apart(ctx, nil, r, func(was run.Run) (run.Run, error) { return d.sent(ctx, was, s.granted, s.host.ID, err) })
}

// start is an attempt on its way.
type start struct {
	host    fleet.Host
	order   guard.Order
	granted run.Run // as its grant left it
}

// sent goes on from what became of a start on the host, with the run as it was
// before and as its grant left it.
func (d *Dispatcher) sent(ctx context.Context, was, granted run.Run, host string, err error) (run.Run, error) {
	n, proof := was.Attempt().N, executor.Proven(err)
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
		return d.apply(ctx, granted, run.Go{N: n, Delivered: true})
	case proof == nil && granted.State == run.Running:
		d.Log.Warn("start in doubt; asking the host", "run", was.ID, "host", host, "error", err)
		if d.Stepwise {
			return granted, errLater
		}
		return granted, nil
	case errors.Is(err, executor.ErrThrottled):
		return d.throttled(ctx, granted, proof)
	case proof != nil && ctx.Err() == nil:
		if errors.Is(err, executor.ErrUnreachable) {
			d.Fleet.Down(host, proof.Reason())
		}
		// Whatever keeps an attempt from starting before it is due is nothing
		// against the host.
		back := errors.Is(err, errStopping) || errors.Is(err, errTakenBack) || d.early(&was) > 0
		return d.apply(ctx, granted, run.Refused{N: n, Proof: proof.Reason(), Revoked: back})
	}
	return granted, err
}

// grant commits the go of a starting run once it has come due, which it tells.
func (d *Dispatcher) grant(ctx context.Context, s *start, due func()) error {
	r := &s.granted
	prepared := d.early(r) > 0
	if prepared {
		if err := d.await(ctx, r, &s.host); err != nil {
			return err
		}
	}
	due()
	if err := d.commit(ctx, r, &s.host, prepared); err != nil {
		return err
	}
	// The go stands, so that nothing ends this wait. A clock may run slow; one that
	// was set back is not waited for.
	for tries := 5; prepared && tries > 0 && d.now().Before(r.Due); tries-- {
		time.Sleep(min(r.Due.Sub(d.now()), goMargin))
	}
	return nil
}

// grantsAtOnce is how many gos are committed together at most. Those that have theirs
// start while the next are committed.
const grantsAtOnce = 128

// commit records the go of a starting run, if its attempt should still start.
func (d *Dispatcher) commit(ctx context.Context, r *run.Run, host *fleet.Host, prepared bool) error {
	ctx, cancel := context.WithTimeout(ctx, grantWithin)
	defer cancel()
	return d.apart(ctx, d.grants, r, func(r run.Run) (run.Run, error) {
		if d.stopping() {
			return r, errStopping
		}
		if err := d.Halted(); err != nil {
			return r, err
		}
		if prepared && !d.startable(ctx, r, *host) {
			return r, errTakenBack
		}
		granted, err := d.apply(ctx, r, run.Go{N: r.Attempt().N})
		if err == nil && (granted.State != run.Running || granted.Owner != d.owner) {
			err = fmt.Errorf("run %s is %s by now", r.ID, granted.State)
		}
		return granted, err
	})
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
