package dynamoledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
	"github.com/solocron/solocron/run"
)

// Write implements [ledger.Ledger]. Changes of one job follow each other,
// those of different jobs don't wait. After an error some changes may have
// been written.
func (l *Ledger) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	done, err := l.begin()
	if err != nil {
		return nil, fmt.Errorf("ledger table %s: write: %w", l.table, err)
	}
	defer done()

	var jobs []string // in the order of their first change
	byJob := map[string][]int{}
	for i, c := range changes {
		if byJob[c.Run.Job] == nil {
			jobs = append(jobs, c.Run.Job)
		}
		byJob[c.Run.Job] = append(byJob[c.Run.Job], i)
	}
	outcomes := make([]ledger.Outcome, len(changes))
	var mu sync.Mutex
	var failed []error
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, job := range jobs {
		g.Go(func() error {
			for _, i := range byJob[job] {
				var err error
				if outcomes[i], err = l.change(ctx, changes[i]); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
					return nil // the other jobs go on
				}
			}
			return nil
		})
	}
	_ = g.Wait() // failed has the errors
	if len(failed) > 0 {
		return nil, errors.Join(failed...)
	}
	return outcomes, nil
}

// change performs one change.
func (l *Ledger) change(ctx context.Context, c ledger.Change) (ledger.Outcome, error) {
	if job, due, err := run.ParseID(c.Run.ID); err != nil || job != c.Run.Job || !due.Equal(c.Run.Due) {
		return ledger.Outcome{Err: fmt.Errorf("run %q is none of job %q that is due at %s", c.Run.ID, c.Run.Job, c.Run.Due)}, nil
	}
	w := write{Change: c, nonce: rand.Text(), known: map[string]bool{}}
	w.Notices = distinct(w.Notices)
	if w.ofJob() {
		release, err := l.lanes.enter(ctx, c.Run.Job)
		if err != nil {
			return ledger.Outcome{}, fmt.Errorf("ledger table %s: %w", l.table, err)
		}
		defer release()
	}
	v, err := l.presume(ctx, w)
	for err == nil {
		d := sqlrow.Decide(c, v.run, v.job.Slot)
		switch {
		case d.Outcome.Err == nil:
			var own bool
			if v, own, err = l.store(ctx, &w, d, v); own && err == nil {
				return l.stored(ctx, w, d, v)
			}
		case v.sure:
			return d.Outcome, nil
		default:
			v, err = l.look(ctx, w)
		}
	}
	return ledger.Outcome{}, err
}

// write is a change on its way.
type write struct {
	ledger.Change
	nonce string
	tries int             // transactions sent
	known map[string]bool // notices that are stored already, by ID
}

// ofJob reports whether the change is also about its job: a new run may be its
// latest or its first.
func (w *write) ofJob() bool { return w.Run.Version == 0 || w.Slot.Op != ledger.SlotKeep }

// view is what a change is decided from.
type view struct {
	run    *sqlrow.Run // nil if there is none
	listed bool        // in the open index
	job    jobState    // as far as the change is about it
	sure   bool        // read from the table, not presumed
	stored item        // the run as this very write has left it before, if so
}

// presume takes for granted what the change says of its run and what was last
// seen of its job, and looks only if that is not enough to begin with.
func (l *Ledger) presume(ctx context.Context, w write) (view, error) {
	var v view
	if w.Run.Version > 0 {
		v.run, v.listed = &sqlrow.Run{ID: w.Run.ID, Version: w.Run.Version}, true
	}
	if !w.ofJob() {
		return v, nil
	}
	seen, known := l.jobs.last(w.Run.Job)
	switch {
	case w.Slot.Op == ledger.SlotRelease && w.Run.Version > 0 && seen.Holder != w.Run.ID:
		v.job = jobState{exists: true, guessed: true, Slot: sqlrow.Slot{Holder: w.Run.ID}}
	case known:
		v.job = seen
	default:
		return l.look(ctx, w)
	}
	return v, nil
}

// look reads what the change is about.
func (l *Ledger) look(ctx context.Context, w write) (view, error) {
	keys := []item{runKey(w.Run.ID)}
	if w.ofJob() {
		keys = append(keys, jobKey(w.Run.Job))
	}
	found, err := l.gets(ctx, "read run "+w.Run.ID+" and its job", keys)
	v := view{sure: true}
	for _, i := range found {
		if textOf(i, sk) == alone {
			v.job = jobStateOf(i)
			l.jobs.saw(w.Run.Job, v.job)
		} else {
			v.run, v.listed = rowOf(i), yes(i, attrListed)
		}
	}
	return v, err
}

// stored finishes a change that is in the table: its outcome is the decision's,
// or what the write left that was recognised as one's own.
func (l *Ledger) stored(ctx context.Context, w write, d sqlrow.Decision, v view) (ledger.Outcome, error) {
	if len(w.Notices) > maxNotices {
		if err := l.unpackParcel(ctx, w.nonce, w.Notices); err != nil {
			return ledger.Outcome{}, err
		}
	}
	if v.stored == nil {
		return d.Outcome, nil
	}
	r, err := decodeRun(v.stored)
	return ledger.Outcome{Run: r}, err
}
