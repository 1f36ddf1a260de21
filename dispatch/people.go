package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// ErrUnknownJob means that the jobs file has no such job.
var ErrUnknownJob = errors.New("no such job in the jobs file")

// Job returns a job of the file at work; of a stepwise dispatcher, a job of the
// ledger.
func (d *Dispatcher) Job(ctx context.Context, name string) (job.Job, error) {
	if d.Stepwise {
		return d.jobNow(ctx, name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.gen.jobs[name]
	if !ok {
		return job.Job{}, fmt.Errorf("job %s: %w", name, ErrUnknownJob)
	}
	return *p.Job, nil
}

// Jobs returns the jobs of the file at work, in its order; of a stepwise
// dispatcher, those of the ledger that are in force, by name.
func (d *Dispatcher) Jobs(ctx context.Context) ([]job.Job, error) {
	if !d.Stepwise {
		return d.File().Jobs, nil
	}
	known, err := d.Ledger.Jobs(ctx)
	if err != nil {
		return nil, err
	}
	list := []job.Job{}
	for _, k := range known {
		if k.Current() == "" {
			continue
		}
		j, err := d.spec(ctx, k.Hash)
		if err != nil {
			return nil, err
		}
		list = append(list, j)
	}
	return list, nil
}

// RunNow makes an occurrence of the job that is due at once, and returns it
// as soon as it is in the ledger. A pause does not stop it; the overlap policy
// applies.
func (d *Dispatcher) RunNow(ctx context.Context, name, by string) (run.Run, error) {
	if err := d.Halted(); err != nil {
		return run.Run{}, fmt.Errorf("run job %s now: %w", name, err)
	}
	j, err := d.Job(ctx, name)
	if err != nil {
		return run.Run{}, err
	}
	due := d.now().Truncate(time.Second)
	r := d.newRun(j, run.ManualID(name, due, token()[:6]), due, run.Manual)
	r.By = by
	r, err = d.apply(ctx, r, run.Wait{Reason: "asked for by " + by})
	if err != nil {
		return run.Run{}, fmt.Errorf("run job %s now: %w", name, err)
	}
	d.start(ctx, r)
	return r, nil
}

// Cancel ends a run: at once if no go was given, else by asking the guard.
// For a run that is over the error is a *run.MoveError. Repeating is safe.
func (d *Dispatcher) Cancel(ctx context.Context, id, by string, kill bool) (run.Run, error) {
	r, err := d.Ledger.Run(ctx, id)
	if err != nil {
		return run.Run{}, fmt.Errorf("cancel run %s: %w", id, err)
	}
	return d.cancel(ctx, r, "by "+by, kill)
}

func (d *Dispatcher) cancel(ctx context.Context, r run.Run, why string, kill bool) (run.Run, error) {
	r, err := d.decide(ctx, r, run.Cancel{Why: why})
	if err != nil {
		return r, fmt.Errorf("cancel: %w", err)
	}
	d.poke(r.Job)
	if r.State == run.Running {
		ctx, cancel := context.WithTimeout(ctx, haltWithin)
		defer cancel()
		d.haltRun(ctx, r, kill)
	}
	return r, nil
}

// haltWithin bounds how long the asker of a cancellation waits for the host.
const haltWithin = 10 * time.Second

// Resolve records a person's word on what a lost run came to.
func (d *Dispatcher) Resolve(ctx context.Context, id string, as run.State, why string) (run.Run, error) {
	return d.decideOn(ctx, id, run.Resolve{As: as, Why: why})
}

// Rerun starts a lost run again, on a person's word.
func (d *Dispatcher) Rerun(ctx context.Context, id, why string) (run.Run, error) {
	if err := d.Halted(); err != nil {
		return run.Run{}, fmt.Errorf("rerun %s: %w", id, err)
	}
	r, err := d.decideOn(ctx, id, run.Rerun{Why: why})
	if err == nil && r.Owner == d.owner {
		d.start(ctx, r)
	}
	return r, err
}

func (d *Dispatcher) decideOn(ctx context.Context, id string, e run.Event) (run.Run, error) {
	r, err := d.Ledger.Run(ctx, id)
	if err != nil {
		return r, fmt.Errorf("run %s: %w", id, err)
	}
	return d.decide(ctx, r, e)
}

// decide applies a person's or a policy's event to a run, whoever owns it, and
// again when its driver was faster.
func (d *Dispatcher) decide(ctx context.Context, r run.Run, e run.Event) (run.Run, error) {
	for {
		next, effects, err := run.Step(r, e, d.now())
		if err != nil {
			return r, err
		}
		if r.State == run.Lost {
			next.Owner = d.owner
		}
		out, err := d.store(ctx, r, next, effects, ledger.Slot{}, nil)
		if err != nil {
			return r, err
		}
		switch {
		case out.Err == nil:
			d.written(r, out.Run, effects)
			return out.Run, nil
		case errors.Is(out.Err, ledger.ErrStale):
			r = out.Run
		default:
			return r, out.Err
		}
	}
}

// haltRun tells the guard of a running attempt to end it.
func (d *Dispatcher) haltRun(ctx context.Context, r run.Run, kill bool) {
	a := r.Attempt()
	host, err := hostOf(a)
	if err != nil {
		return
	}
	d.halt(ctx, host, attemptOf(&r, a.N, host), kill)
}

// halt asks once. The sweep asks again for as long as the run goes on.
func (d *Dispatcher) halt(ctx context.Context, h fleet.Host, a guard.Attempt, kill bool) {
	if err := d.Executor.Stop(ctx, h, a, kill); err != nil && ctx.Err() == nil {
		d.Log.Warn("could not tell the host to end a run; it will be asked again", "run", a.Run, "host", h.ID, "error", err)
	}
}

// Pause stops a job's due times from running, or lets them run again.
func (d *Dispatcher) Pause(ctx context.Context, name string, p ledger.Pause) error {
	if err := d.Ledger.Pause(ctx, name, p); err != nil {
		return fmt.Errorf("pause job %s: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	mark(d.paused, name, p.On)
	return nil
}

// Output reads up to limit bytes of an attempt's output from its host.
func (d *Dispatcher) Output(ctx context.Context, r run.Run, n int, offset int64, limit int) ([]byte, error) {
	for i := range r.Attempts {
		if a := &r.Attempts[i]; a.N == n {
			host, err := hostOf(a)
			if err != nil {
				return nil, err
			}
			return d.Executor.Output(ctx, host, attemptOf(&r, n, host), offset, limit)
		}
	}
	return nil, fmt.Errorf("run %s has no attempt %d", r.ID, n)
}

// Candidates assesses the fleet for a job as a start would now, without
// starting anything.
func (d *Dispatcher) Candidates(ctx context.Context, name string) ([]fleet.Candidate, error) {
	j, err := d.Job(ctx, name)
	if err != nil {
		return nil, err
	}
	hosts, err := d.Fleet.Find(ctx, j.Hosts)
	if err != nil {
		return nil, err
	}
	facts, err := d.facts(ctx, j)
	if err != nil {
		return nil, err
	}
	return fleet.Assess(j.Hosts, j.Prefer, hosts, d.Fleet.Health, facts), nil
}
