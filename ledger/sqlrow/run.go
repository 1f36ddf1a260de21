// Package sqlrow is what the SQL ledgers share: how records look as columns,
// the statements over them, and the decision behind every change.
//
// A run is kept whole, as JSON, beside the few columns that statements select
// and sort by; the columns are written from the run and never read back into
// it. Times are UTC milliseconds since 1970.
package sqlrow

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// Run is a run as columns.
type Run struct {
	ID, Job, State, Owner string
	BusyHost              string // host of the attempt under way; empty if there is none
	Due                   int64
	Through               *int64 // the latest due time it stands for; nil for a manual run
	Ended                 *int64 // when a final run ended; nil for the others
	Version               int64
	Body                  string
}

// newRun returns the columns of a run whose times are already stored times.
func newRun(r run.Run) (Run, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return Run{}, fmt.Errorf("encode run %s: %w", r.ID, err)
	}
	row := Columns(r)
	row.Body = string(body)
	return row, nil
}

// Columns is a run's row without its body.
func Columns(r run.Run) Run {
	row := Run{
		ID: r.ID, Job: r.Job, State: string(r.State), Owner: r.Owner,
		Due: r.Due.UnixMilli(), Version: r.Version,
	}
	if a := r.Attempt(); a != nil && (a.State == run.AttemptStarting || a.State == run.AttemptRunning) {
		row.BusyHost = a.Host
	}
	if r.Trigger != run.Manual {
		row.Through = Millis(later(r.Due, r.Until))
	}
	if r.State.Final() {
		row.Ended = Millis(later(r.Due, r.EndedAt)) // a skipped run may have no end
	}
	return row
}

// put is the statement that stores the run, which is there already or not.
func (r Run) put(there bool) Stmt {
	if there {
		return Stmt{setRun, []any{r.ID, r.State, r.Owner, r.BusyHost, r.Ended, r.Version, r.Body}}
	}
	return Stmt{addRun, []any{r.ID, r.Job, r.Due, r.Through, r.State, r.Owner, r.BusyHost, r.Ended, r.Version, r.Body}}
}

// decodeRun reads a run's body. A body that can't be read wraps
// [ledger.ErrCorrupt].
func decodeRun(id, body string) (run.Run, error) {
	var r run.Run
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return run.Run{}, fmt.Errorf("decode run %s: %w: %w", id, ledger.ErrCorrupt, err)
	}
	return r, nil
}

// stored returns the run as a later read will show it: with times in UTC, cut
// to the millisecond, and sharing no slice with the caller's.
func stored(r run.Run) run.Run {
	r.Attempts = slices.Clone(r.Attempts)
	times := []*time.Time{&r.Due, &r.StartedAt, &r.EndedAt, &r.NotBefore, &r.StartBy, &r.Until, &r.Created}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		times = append(times, &a.Intended, &a.StartedAt, &a.EndedAt)
	}
	for _, t := range times {
		*t = t.UTC().Truncate(time.Millisecond)
	}
	return r
}

// Millis is a time as it is stored; nil for the zero time.
func Millis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}

// Time is the time that a column holds.
func Time(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return time.UnixMilli(*ms).UTC()
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
