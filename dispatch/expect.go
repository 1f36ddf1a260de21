package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// A timer that a dispatcher doesn't hold itself may lose a due time, deliver it
// much later, or have none where the clock jumps. So the sweep compares: every
// due time that has come has a run, or gets one now.

// expectAll compares the due times of all jobs with their runs.
func (d *Dispatcher) expectAll(ctx context.Context) error {
	// Before the jobs are read: an edit that comes while this goes on is the later
	// one, and its due times are not taken for those that are compared here.
	until := d.now().Add(-d.Settled)
	jobs, err := d.Ledger.Jobs(ctx)
	if err != nil {
		return err
	}
	return each(d.Abreast, jobs, func(k ledger.Job) error { return d.settle(ctx, k, until) })
}

// settle gives every due time of the job up to until, or up to its retirement,
// a run: it is started if that is not too late.
func (d *Dispatcher) settle(ctx context.Context, k ledger.Job, until time.Time) error {
	d.learn(k)
	if k.Current() == "" && until.After(k.Retired) {
		until = k.Retired
	}
	if err := d.expect(ctx, k, until); err != nil {
		return fmt.Errorf("due times of job %s: %w", k.Name, err)
	}
	return nil
}

// expect gives every due time of the job up to until its run, and records that
// they have one.
func (d *Dispatcher) expect(ctx context.Context, k ledger.Job, until time.Time) error {
	j, when, err := d.entry(ctx, k.Hash)
	if err != nil {
		return err
	}
	due := between(when, later(k.Since, k.Checked), until)
	if len(due) == 0 {
		return nil
	}
	through := due[len(due)-1]
	if due, err = d.unseen(ctx, k.Name, due); err != nil {
		return err
	}
	runs, missed := sort(j, due, d.now())
	if len(due) > 0 {
		d.Log.Warn("due times were not delivered", "job", k.Name, "started", len(runs), "missed", len(missed), "first", due[0])
	}
	if err := d.miss(ctx, j, missed); err != nil {
		return err
	}
	for _, o := range runs {
		if err := d.step(ctx, d.newOccurrence(j, o)); err != nil {
			return err
		}
	}
	return d.Ledger.Check(ctx, k.Name, through)
}

// unseen are those of the due times that have no run.
func (d *Dispatcher) unseen(ctx context.Context, name string, due []time.Time) ([]time.Time, error) {
	seen, err := d.Ledger.Runs(ctx, ledger.Query{Job: name, Since: due[0], Until: due[len(due)-1].Add(time.Second)})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(due, func(t time.Time) bool {
		return slices.ContainsFunc(seen, func(r run.Run) bool {
			return r.Trigger != run.Manual && !t.Before(r.Due) && !t.After(later(r.Due, r.Until))
		})
	}), nil
}
