// Package memledger keeps a ledger in memory, for tests and simulations that
// pass years of fake time: it passes the suite of all ledgers, but for what
// comes after the end of the process, which it does not outlive.
package memledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
	"github.com/solocron/solocron/run"
)

// Ledger is a [ledger.Ledger] in memory. The zero value is not usable.
type Ledger struct {
	mu      sync.Mutex
	runs    map[string]sqlrow.Run
	bodies  map[string]run.Run    // what the rows' bodies say; copied before it is given out
	open    map[string]struct{}   // IDs of the runs that are not final, for the sweeps
	byJob   map[string][]string   // IDs, the earliest due first
	through map[string]sqlrow.Run // by job: the scheduled run that stands for the latest due time
	slots   map[string]sqlrow.Slot
	jobs    map[string]ledger.Job
	specs   map[string][]byte
	details map[string]map[int]ledger.Detail
	owners  map[string]time.Time // until when
	notices map[string]*letter
}

// letter is a notice and until when a taker keeps it.
type letter struct {
	ledger.Notice
	kept time.Time
}

// New returns an empty ledger.
func New() *Ledger {
	return &Ledger{
		runs: map[string]sqlrow.Run{}, bodies: map[string]run.Run{}, open: map[string]struct{}{}, byJob: map[string][]string{}, through: map[string]sqlrow.Run{},
		slots: map[string]sqlrow.Slot{}, jobs: map[string]ledger.Job{}, specs: map[string][]byte{},
		details: map[string]map[int]ledger.Detail{}, owners: map[string]time.Time{}, notices: map[string]*letter{},
	}
}

var _ ledger.Ledger = (*Ledger)(nil)

// Write implements [ledger.Ledger].
func (l *Ledger) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	outcomes := make([]ledger.Outcome, len(changes))
	for i, c := range changes {
		outcomes[i] = l.write(c)
	}
	return outcomes, nil
}

func (l *Ledger) write(c ledger.Change) ledger.Outcome {
	var old *sqlrow.Run
	if row, ok := l.runs[c.Run.ID]; ok {
		old = &row
	}
	d := sqlrow.Decide(c, old, l.slots[c.Run.Job])
	if d.Outcome.Err != nil {
		return d.Outcome
	}
	if old == nil {
		l.list(d.Run)
	}
	l.runs[d.Run.ID], l.slots[d.Run.Job] = d.Run, d.Slot
	l.bodies[d.Run.ID] = apart(d.Outcome.Run)
	if last, ok := l.through[d.Run.Job]; d.Run.Through != nil && (!ok || *d.Run.Through >= *last.Through) {
		l.through[d.Run.Job] = d.Run
	}
	if l.open[d.Run.ID] = struct{}{}; run.State(d.Run.State).Final() {
		delete(l.open, d.Run.ID)
	}
	if c.Detail != nil {
		l.detail(d.Run.ID, copyOf(*c.Detail))
	}
	for _, n := range c.Notices {
		if _, ok := l.notices[n.ID]; !ok {
			n.Created, n.Due = stored(n.Created), stored(n.Due)
			l.notices[n.ID] = &letter{Notice: copyOf(n)}
		}
	}
	return d.Outcome
}

// list puts a new run in its place among its job's, mostly the last one.
func (l *Ledger) list(row sqlrow.Run) {
	ids := l.byJob[row.Job]
	i := len(ids)
	for i > 0 && l.runs[ids[i-1]].Due > row.Due {
		i--
	}
	l.byJob[row.Job] = slices.Insert(ids, i, row.ID)
}

func (l *Ledger) detail(id string, d ledger.Detail) {
	if l.details[id] == nil {
		l.details[id] = map[int]ledger.Detail{}
	}
	was := l.details[id][d.Attempt]
	d.Pick, d.Output = cmp.Or(d.Pick, was.Pick), cmp.Or(d.Output, was.Output)
	l.details[id][d.Attempt] = d
}

// Run implements [ledger.Ledger].
func (l *Ledger) Run(ctx context.Context, id string) (run.Run, error) {
	if err := ctx.Err(); err != nil {
		return run.Run{}, context.Cause(ctx)
	}
	l.mu.Lock()
	r, ok := l.bodies[id]
	l.mu.Unlock()
	if !ok {
		return run.Run{}, fmt.Errorf("run %s: %w", id, ledger.ErrNotFound)
	}
	return apart(r), nil
}

// Runs implements [ledger.Ledger].
func (l *Ledger) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.find(q)
	slices.SortFunc(found, func(a, b sqlrow.Run) int {
		return cmp.Or(cmp.Compare(b.Due, a.Due), cmp.Compare(a.ID, b.ID))
	})
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	runs := make([]run.Run, 0, len(found))
	for _, row := range found {
		runs = append(runs, apart(l.bodies[row.ID]))
	}
	return runs, nil
}

func (l *Ledger) find(q ledger.Query) []sqlrow.Run {
	if q.Job != "" && q.Limit > 0 {
		return l.latest(q)
	}
	ids := maps.Keys(l.runs)
	switch {
	case len(q.States) > 0 && !slices.ContainsFunc(q.States, run.State.Final):
		ids = maps.Keys(l.open)
	case q.Job != "":
		ids = slices.Values(l.since(q))
	}
	var found []sqlrow.Run
	for id := range ids {
		if row := l.runs[id]; selects(q, row) {
			found = append(found, row)
		}
	}
	return found
}

// since are the job's runs from the query's first due time on.
func (l *Ledger) since(q ledger.Query) []string {
	ids := l.byJob[q.Job]
	if q.Since.IsZero() {
		return ids
	}
	i, _ := slices.BinarySearchFunc(ids, q.Since.UnixMilli(), func(id string, since int64) int {
		return cmp.Compare(l.runs[id].Due, since)
	})
	return ids[i:]
}

// latest goes back from the job's latest run until there are enough.
func (l *Ledger) latest(q ledger.Query) (found []sqlrow.Run) {
	for _, id := range slices.Backward(l.since(q)) {
		row := l.runs[id]
		if len(found) >= q.Limit && row.Due < found[len(found)-1].Due {
			break
		}
		if selects(q, row) {
			found = append(found, row)
		}
	}
	return found
}

func selects(q ledger.Query, row sqlrow.Run) bool {
	return (q.Job == "" || row.Job == q.Job) && (q.Owner == "" || row.Owner == q.Owner) &&
		(len(q.States) == 0 || slices.Contains(q.States, run.State(row.State))) &&
		(q.Since.IsZero() || row.Due >= q.Since.UnixMilli()) && (q.Until.IsZero() || row.Due < q.Until.UnixMilli())
}

// Details implements [ledger.Ledger].
func (l *Ledger) Details(_ context.Context, id string) ([]ledger.Detail, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []ledger.Detail{}
	for _, n := range slices.Sorted(maps.Keys(l.details[id])) {
		list = append(list, copyOf(l.details[id][n]))
	}
	return list, nil
}

// Busy implements [ledger.Ledger].
func (l *Ledger) Busy(context.Context) (map[string]int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	busy := map[string]int{}
	for id := range l.open {
		if host := l.runs[id].BusyHost; host != "" {
			busy[host]++
		}
	}
	return busy, nil
}

// Close implements [ledger.Ledger]. There is nothing to release.
func (l *Ledger) Close() error { return nil }

// apart is a run that shares nothing with r that anybody may change.
func apart(r run.Run) run.Run {
	r.ExitCode = again(r.ExitCode)
	r.Policy.RetryOn = slices.Clone(r.Policy.RetryOn)
	r.Attempts = slices.Clone(r.Attempts)
	for i := range r.Attempts {
		r.Attempts[i].ExitCode = again(r.Attempts[i].ExitCode)
	}
	return r
}

// again is a pointer to a copy of what p points to.
func again[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// copyOf is a value that shares nothing with v.
func copyOf[T any](v T) T {
	var c T
	body, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err != nil {
		panic(err) // what the ledger keeps is made of plain values
	}
	return c
}

// stored is a time at the ledger's precision.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
