package dispatch

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// apply is write for events that take no slot and bring no detail.
func (d *Dispatcher) apply(ctx context.Context, r run.Run, e run.Event) (run.Run, error) {
	return d.write(ctx, r, e, ledger.Slot{}, nil)
}

// write steps the run and stores it, with the notices that follow, before it
// returns the stored run. An unreachable ledger is tried again until ctx is
// done. When another writer was first, the event is applied to what that one
// stored; if the run is no longer this dispatcher's, or the event no longer
// applies, what is stored is returned as it is and the caller goes on from it.
// A stepwise dispatcher leaves a run that another one has moved on: an order
// that was not sent here may have been sent there.
func (d *Dispatcher) write(ctx context.Context, r run.Run, e run.Event, slot ledger.Slot, detail *ledger.Detail) (run.Run, error) {
	for {
		next, effects, err := run.Step(r, e, d.now())
		if err != nil {
			return r, err
		}
		out, err := d.store(ctx, r, next, effects, slot, detail)
		if err != nil {
			return r, err
		}
		switch {
		case out.Err == nil:
			d.written(r, out.Run, effects)
			return out.Run, nil
		case errors.Is(out.Err, ledger.ErrExists), errors.Is(out.Err, ledger.ErrStale):
			switch {
			case d.Stepwise && (moved(r, out.Run) || !d.applies(out.Run, e)):
				return out.Run, errLater
			case d.Stepwise:
				r = out.Run
				r.Owner = d.owner
			case out.Run.Owner != d.owner || !d.applies(out.Run, e):
				return out.Run, nil
			default:
				r = out.Run
			}
		default:
			return r, out.Err
		}
	}
}

// moved reports whether a run is elsewhere in its life than it was.
func moved(was, is run.Run) bool {
	return was.Version == 0 || was.State != is.State || len(was.Attempts) != len(is.Attempts)
}

// applies reports whether the event still moves the run.
func (d *Dispatcher) applies(r run.Run, e run.Event) bool {
	_, _, err := run.Step(r, e, d.now())
	return err == nil
}

// store writes one stepped run until the ledger answers. A write that did
// happen although its answer was lost shows itself as stale, with just the run
// that was to be written.
func (d *Dispatcher) store(ctx context.Context, was, next run.Run, effects []run.Effect, slot ledger.Slot, detail *ledger.Detail) (ledger.Outcome, error) {
	c := ledger.Change{Run: next, Slot: slot, Detail: detail}
	release := d.releases(was, next)
	if slices.Contains(effects, run.Free) {
		c.Slot.Op = ledger.SlotRelease
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		var told []ledger.Notice
		var err error
		if slices.Contains(effects, run.Tell) {
			told, err = d.notices(ctx, next, detail)
		}
		var outcomes []ledger.Outcome
		if err == nil {
			c.Notices = append(told, release...)
			outcomes, err = d.Ledger.Write(ctx, c)
		}
		if err == nil {
			out := outcomes[0]
			if out.Err != nil && same(out.Run, next) {
				out.Err = nil
			}
			if out.Err == nil && len(c.Notices) > 0 {
				signal(d.outbox)
			}
			return out, nil
		}
		if errors.Is(err, ledger.ErrWentBack) {
			d.distrust(err)
			return ledger.Outcome{}, d.Halted()
		}
		if ctx.Err() != nil {
			return ledger.Outcome{}, fmt.Errorf("record run %s as %s: %w", next.ID, next.State, err)
		}
		d.Log.Error("the ledger does not take a write; trying again", "run", next.ID, "state", next.State, "error", err)
		if !d.rest(ctx, pause) {
			return ledger.Outcome{}, fmt.Errorf("record run %s as %s: %w", next.ID, next.State, err)
		}
	}
}

// same reports whether stored is what a write of want left behind: equal but
// for what the ledger itself sets.
func same(stored, want run.Run) bool {
	if stored.Version != want.Version+1 || len(stored.Attempts) != len(want.Attempts) {
		return false
	}
	stored.Version = want.Version
	stored.Attempts = slices.Clone(stored.Attempts)
	for i := range stored.Attempts {
		stored.Attempts[i].Fence = want.Attempts[i].Fence
	}
	a, errA := json.Marshal(stored)
	b, errB := json.Marshal(want)
	return errA == nil && errB == nil && reflect.DeepEqual(a, b)
}

// written tells those who wait for it that a change is in the ledger.
func (d *Dispatcher) written(was, r run.Run, effects []run.Effect) {
	d.mu.Lock()
	d.stirred = true
	if driven := d.active[r.ID]; driven != nil {
		driven.settled = d.settled(r)
	}
	d.mu.Unlock()
	switch {
	case slices.Contains(effects, run.Free):
		d.free(r)
	case was.State == run.Planned && r.State != run.Planned:
		d.wakeNext(r.Job)
	}
	if d.Observe != nil && (was.State != r.State || was.Version == 0) {
		d.Observe(r)
	}
}

// signal wakes a loop that listens on c; one signal is as good as many.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// spec is the job as it stood when its run was planned.
func (d *Dispatcher) spec(ctx context.Context, hash string) (job.Job, error) {
	d.mu.Lock()
	known := d.gen.specs[hash]
	d.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	body, err := d.Ledger.Spec(ctx, hash)
	if err != nil {
		return job.Job{}, fmt.Errorf("job spec %s: %w", hash, err)
	}
	var j job.Job
	if err := json.Unmarshal(body, &j); err != nil {
		return job.Job{}, fmt.Errorf("job spec %s: %w: %w", hash, ledger.ErrCorrupt, err)
	}
	d.mu.Lock()
	d.gen.specs[hash] = &j
	d.mu.Unlock()
	return j, nil
}

// entry is a job as it stood under the hash, with its schedule.
func (d *Dispatcher) entry(ctx context.Context, hash string) (job.Job, *schedule.Schedule, error) {
	j, err := d.spec(ctx, hash)
	if err != nil {
		return j, nil, err
	}
	when, err := schedule.Parse(j.When)
	if err != nil {
		err = fmt.Errorf("job spec %s: %w: %w", hash, ledger.ErrCorrupt, err)
	}
	return j, when, err
}

// newRun is the planned run of one due time. It is not in the ledger yet.
func (d *Dispatcher) newRun(j job.Job, id string, due time.Time, trigger run.Trigger) run.Run {
	return run.Run{
		ID: id, Job: j.Name, Due: due.UTC(), Trigger: trigger,
		State: run.Planned, Attempts: []run.Attempt{},
		StartBy: due.UTC().Add(j.StartWithin),
		Policy: run.Policy{
			Timeout: j.Timeout, Grace: j.Grace, Idempotent: j.Idempotent,
			Unclaimed: j.Unclaimed, Protect: j.Protect,
			Retries: j.Retry.Attempts, RetryOn: j.Retry.On,
			Backoff: j.Retry.Backoff, MaxBackoff: j.Retry.MaxBackoff,
			MaxAttempts: j.Retry.Attempts + spareAttempts,
		},
		Spec: j.Hash(), Owner: d.owner, Created: d.now(),
	}
}

// spareAttempts is how many attempts a run may spend on hosts that turn out
// not to start it, beside its retries.
const spareAttempts = 5

// token is what a go must name: unguessable, of the alphabet of base32.
func token() string { return strings.ToLower(rand.Text()) }
