package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// arrears are the due times that a job owes: usually the one that has just
// come; many after the scheduler was down, the machine was suspended, or its
// clock was set forward.
type arrears struct {
	job    job.Job
	run    []occurrence
	missed []time.Time // before all of run
	until  time.Time
}

// occurrence is a due time that is going to run.
type occurrence struct {
	due     time.Time
	trigger run.Trigger
}

// maxCatchup bounds how many passed due times of one job run, so that a job
// due every second does not come back as a storm.
const maxCatchup = 1000

// owed says what becomes of the due times in (last, t]. The latest still
// starts, whatever catchup says, if it is within the job's start-within: it is
// late, not missed. Others run only if catchup wants them.
func owed(j job.Job, when *schedule.Schedule, last, t time.Time) (runs []occurrence, missed []time.Time) {
	return sort(j, between(when, last, t), t)
}

// between are the due times in (last, t].
func between(when *schedule.Schedule, last, t time.Time) (due []time.Time) {
	for next, ok := when.Next(last); ok && !next.After(t); next, ok = when.Next(next) {
		due = append(due, next)
	}
	return due
}

// sort is owed for due times that are known.
func sort(j job.Job, due []time.Time, t time.Time) (runs []occurrence, missed []time.Time) {
	if len(due) == 0 {
		return nil, nil
	}
	newest := len(due) - 1
	catch := newest // due[catch:newest] are caught up
	if j.Catchup.Mode == job.CatchupAll {
		for catch > 0 && newest-catch < maxCatchup-1 && catches(j, due[catch-1], t) {
			catch--
		}
	}
	missed = due[:catch]
	for _, d := range due[catch:newest] {
		runs = append(runs, occurrence{d, run.CaughtUp})
	}
	switch d := due[newest]; {
	case !t.After(d.Add(j.Delay(d) + j.StartWithin)):
		runs = append(runs, occurrence{d, run.Scheduled})
	case j.Catchup.Mode != job.CatchupNone && catches(j, d, t):
		runs = append(runs, occurrence{d, run.CaughtUp})
	default:
		missed = append(missed, d)
	}
	return runs, missed
}

// catches reports whether a due time is recent enough to be caught up at t.
func catches(j job.Job, due, t time.Time) bool {
	return j.Catchup.Within == 0 || t.Sub(due) <= j.Catchup.Within
}

// occur deals with what a job owes, in the order of the due times: records
// what was missed, starts what is due, and gives the job back to the queue.
func (d *Dispatcher) occur(a arrears) {
	for pause := time.Second; len(a.missed) > 0; pause = min(2*pause, time.Minute) {
		err := d.contained("job", a.job.Name, func() error { return d.miss(d.work, a.job, a.missed) })
		if err == nil {
			break
		}
		d.Log.Error("missed due times are not recorded yet; trying again", "job", a.job.Name, "error", err)
		if errors.Is(err, ledger.ErrWentBack) {
			d.distrust(err)
			return
		}
		if !d.rest(d.work, pause) {
			return
		}
	}
	for _, o := range a.run {
		select {
		case <-d.start(d.work, d.newOccurrence(a.job, o)):
		case <-d.stop:
			return
		}
	}
	d.requeue(a.job.Name, a.until)
}

// newOccurrence is the run of an occurrence, held back by the job's jitter.
func (d *Dispatcher) newOccurrence(j job.Job, o occurrence) run.Run {
	r := d.newRun(j, run.ID(j.Name, o.due), o.due, o.trigger)
	if o.trigger == run.CaughtUp {
		r.StartBy = d.now().Add(j.StartWithin)
	}
	if delay := j.Delay(o.due); delay > 0 {
		r.StartBy = r.StartBy.Add(delay)
		r.NotBefore = o.due.Add(delay).UTC()
		r.Reason = "held back by its jitter"
	}
	return r
}

// maxMissed is how many missed due times of one job get a record each; those
// before share one.
const maxMissed = 100

// miss records due times that nobody was there for. Notices go out for the
// latest only: it says how many there were.
func (d *Dispatcher) miss(ctx context.Context, j job.Job, due []time.Time) error {
	if len(due) == 0 {
		return nil
	}
	total := len(due)
	var changes []ledger.Change
	at := d.now()
	add := func(first time.Time, count int, until time.Time) error {
		r := d.newRun(j, run.ID(j.Name, first), first, run.CaughtUp)
		reason := run.ReasonMissed + ": no scheduler could start it when it came due"
		if count > 1 {
			r.Until, r.Count = until, count
			reason = fmt.Sprintf("%s: %d due times until %s; no scheduler could start them", run.ReasonMissed, count, until.Format(time.RFC3339))
		}
		next, _, err := run.Step(r, run.Skip{Reason: reason}, at)
		changes = append(changes, ledger.Change{Run: next})
		return err
	}
	if extra := total - maxMissed; extra > 0 {
		if err := add(due[0], extra, due[extra-1]); err != nil {
			return err
		}
		due = due[extra:]
	}
	for _, t := range due {
		if err := add(t, 1, t); err != nil {
			return err
		}
	}
	newest := &changes[len(changes)-1]
	if total > 1 {
		newest.Run.Reason += fmt.Sprintf(" (%d were missed)", total)
	}
	var err error
	if newest.Notices, err = d.notices(ctx, newest.Run, nil); err != nil {
		return err
	}
	if _, err := d.Ledger.Write(ctx, changes...); err != nil {
		return fmt.Errorf("record %d missed due times: %w", total, err)
	}
	signal(d.outbox)
	return nil
}
