package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// Gap is what a ledger that went back can't know: what was started between its
// last beat and now.
type Gap struct {
	Ledger ledger.Mark // as it stands
	Seen   ledger.Mark // the furthest that was seen of it; zero if nobody remembers
	From   time.Time
	Until  time.Time
	Jobs   []JobGap
	Runs   []run.Run // that are not final in the ledger
}

// JobGap are the due times of a job that fall into the gap.
type JobGap struct {
	Job         string
	Count       int
	First, Last time.Time

	hash string
}

// After are the margins by which a resumed ledger is ahead of all that may have
// been seen or given before: no scheduler beats that often, or starts so much,
// in the time that a backup is old.
const after = 1_000_000

// Gap finds out what a ledger that went back has forgotten. It changes nothing.
func (d *Dispatcher) Gap(ctx context.Context) (g Gap, err error) {
	if g.Ledger, err = d.Ledger.Mark(ctx); err != nil {
		return g, err
	}
	g.Seen, g.From, g.Until = d.Seen, g.Ledger.At, d.now()
	jobs, err := d.Ledger.Jobs(ctx)
	if err != nil {
		return g, err
	}
	for _, k := range jobs {
		if k.Current() == "" {
			continue
		}
		_, when, err := d.entry(ctx, k.Hash)
		if err != nil {
			return g, fmt.Errorf("job %s: %w", k.Name, err)
		}
		if due := between(when, later(k.Since, k.Through), g.Until); len(due) > 0 {
			g.Jobs = append(g.Jobs, JobGap{k.Name, len(due), due[0], due[len(due)-1], k.Hash})
		}
	}
	g.Runs, err = d.Ledger.Runs(ctx, ledger.Query{States: []run.State{run.Planned, run.Starting, run.Running, run.Lost}})
	return g, err
}

// Resume makes a ledger that went back one to schedule by, such that nothing
// starts that may have been started in the gap: what was planned is skipped,
// what was under way is lost until its host tells, due times in the gap are
// recorded as not known, and each job is owed from now on, with fencing numbers
// far above those that were given. The mark is written last, and returned: until
// then the ledger is refused as before. Repeating is safe. No dispatcher may be
// at work on the ledger.
func (d *Dispatcher) Resume(ctx context.Context, f *job.File, g Gap) (ledger.Mark, error) {
	if err := d.introduce(ctx, f, g.Until); err != nil {
		return ledger.Mark{}, err
	}
	why := fmt.Sprintf("%s: the ledger was restored; what ran between %s and %s is not known",
		run.ReasonForgotten, g.From.Format(time.RFC3339), g.Until.Format(time.RFC3339))
	for _, r := range g.Runs {
		if err := d.forget(ctx, r, why); err != nil {
			return ledger.Mark{}, err
		}
	}
	for _, j := range g.Jobs {
		if err := d.unknown(ctx, j, why); err != nil {
			return ledger.Mark{}, fmt.Errorf("job %s: %w", j.Job, err)
		}
	}
	m := ledger.Mark{Ledger: g.Seen.Ledger, Beats: max(g.Seen.Beats, g.Ledger.Beats) + after, At: g.Until}
	if m.Ledger == "" {
		m.Ledger = g.Ledger.Ledger
	}
	if err := d.Ledger.Resume(ctx, g.Until, after, m); err != nil {
		return m, err
	}
	if d.Remember == nil {
		return m, nil
	}
	return m, d.Remember(m)
}

// introduce puts the jobs of the file that the ledger has forgotten, so that
// their fencing numbers grow too.
func (d *Dispatcher) introduce(ctx context.Context, f *job.File, at time.Time) error {
	var specs []ledger.JobSpec
	for _, j := range f.Jobs {
		_, err := d.Ledger.Job(ctx, j.Name)
		if errors.Is(err, ledger.ErrNotFound) {
			specs = append(specs, specOf(&j, j.Hash()))
		} else if err != nil {
			return err
		}
	}
	if len(specs) == 0 {
		return nil
	}
	return d.Ledger.PutJobs(ctx, at, specs...)
}

// forget ends a run whose end the ledger may have forgotten.
func (d *Dispatcher) forget(ctx context.Context, r run.Run, why string) error {
	var e run.Event = run.Skip{Reason: why}
	if r.State != run.Planned {
		e = run.Vanished{N: r.Attempt().N, Reason: why, Forgotten: true}
	}
	_, err := d.decide(ctx, r, e)
	if err != nil {
		return fmt.Errorf("run %s: %w", r.ID, err)
	}
	return nil
}

// unknown records the due times of a job that fall into the gap, in one record.
func (d *Dispatcher) unknown(ctx context.Context, g JobGap, why string) error {
	j, err := d.spec(ctx, g.hash)
	if err != nil {
		return err
	}
	r := d.newRun(j, run.ID(j.Name, g.First), g.First, run.CaughtUp)
	if g.Count > 1 {
		r.Until, r.Count = g.Last, g.Count
		why += fmt.Sprintf(" (%d due times until %s)", g.Count, g.Last.Format(time.RFC3339))
	}
	next, effects, err := run.Step(r, run.Skip{Reason: why}, d.now())
	if err != nil {
		return err
	}
	out, err := d.store(ctx, r, next, effects, ledger.Slot{}, nil)
	if err == nil && out.Err != nil && !errors.Is(out.Err, ledger.ErrExists) {
		err = out.Err
	}
	if err != nil {
		return err
	}
	return d.Ledger.Check(ctx, g.Job, g.Last) // else a timer that is late could start one
}
