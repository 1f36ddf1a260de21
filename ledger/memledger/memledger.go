// Package memledger keeps a ledger in memory, for tests and simulations that
// pass years of fake time: it passes the suite of all ledgers, but for what
// comes after the end of the process, which it does not outlive.
package memledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
	"github.com/solocron/solocron/run"
)

// Ledger is a [ledger.Ledger] in memory. The zero value is not usable.
type Ledger struct {
	mu      sync.Mutex
	runs    map[string]*record
	open    map[string]*record   // the runs that are not final, for the sweeps
	byJob   map[string][]*record // the earliest due first
	through map[string]*record   // by job: the scheduled run that stands for the latest due time
	slots   map[string]sqlrow.Slot
	jobs    map[string]ledger.Job
	specs   map[string][]byte
	details map[string]map[int]ledger.Detail
	owners  map[string]time.Time // until when
	notices map[string]*letter
	mark    ledger.Mark
}

// record is a run with the columns by which it is found. The run is copied
// before it is given out.
type record struct {
	sqlrow.Run
	body run.Run
}

// letter is a notice and until when a taker keeps it.
type letter struct {
	ledger.Notice
	kept time.Time
}

// New returns an empty ledger.
func New() *Ledger {
	return &Ledger{
		runs: map[string]*record{}, open: map[string]*record{}, byJob: map[string][]*record{}, through: map[string]*record{},
		slots: map[string]sqlrow.Slot{}, jobs: map[string]ledger.Job{}, specs: map[string][]byte{},
		details: map[string]map[int]ledger.Detail{}, owners: map[string]time.Time{}, notices: map[string]*letter{},
		mark: ledger.Mark{Ledger: strings.ToLower(rand.Text())},
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
	stored := l.runs[c.Run.ID]
	var old *sqlrow.Run
	if stored != nil {
		old = &stored.Run
	}
	r, slot, err := sqlrow.Accept(c, old, l.slots[c.Run.Job])
	var busy *ledger.BusyError
	switch {
	case err != nil && (old == nil || errors.As(err, &busy)):
		return ledger.Outcome{Err: err}
	case err != nil:
		return ledger.Outcome{Run: apart(stored.body), Err: err}
	case old == nil:
		stored = &record{Run: sqlrow.Columns(r)}
		l.list(stored)
	}
	stored.Run, stored.body = sqlrow.Columns(r), apart(r)
	l.runs[r.ID], l.slots[r.Job] = stored, slot
	if last := l.through[r.Job]; stored.Through != nil && (last == nil || *stored.Through >= *last.Through) {
		l.through[r.Job] = stored
	}
	if l.open[r.ID] = stored; r.State.Final() {
		delete(l.open, r.ID)
	}
	if c.Detail != nil {
		l.detail(r.ID, copyOfDetail(*c.Detail))
	}
	for _, n := range c.Notices {
		if _, ok := l.notices[n.ID]; !ok {
			n.Created, n.Due = at(n.Created), at(n.Due)
			l.notices[n.ID] = &letter{Notice: copyOfNotice(n)}
		}
	}
	return ledger.Outcome{Run: r}
}

// list puts a new run in its place among its job's, mostly the last one.
func (l *Ledger) list(r *record) {
	runs := l.byJob[r.Job]
	i := len(runs)
	for i > 0 && runs[i-1].Due > r.Due {
		i--
	}
	l.byJob[r.Job] = slices.Insert(runs, i, r)
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
	defer l.mu.Unlock()
	r, ok := l.runs[id]
	if !ok {
		return run.Run{}, fmt.Errorf("run %s: %w", id, ledger.ErrNotFound)
	}
	return apart(r.body), nil
}

// Runs implements [ledger.Ledger].
func (l *Ledger) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.find(q)
	slices.SortFunc(found, func(a, b *record) int {
		return cmp.Or(cmp.Compare(b.Due, a.Due), cmp.Compare(a.ID, b.ID))
	})
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	runs := make([]run.Run, 0, len(found))
	for _, r := range found {
		runs = append(runs, apart(r.body))
	}
	return runs, nil
}

func (l *Ledger) find(q ledger.Query) []*record {
	if q.Job != "" && q.Limit > 0 {
		return l.latest(q)
	}
	all := maps.Values(l.runs)
	switch {
	case len(q.States) > 0 && !slices.ContainsFunc(q.States, run.State.Final):
		all = maps.Values(l.open)
	case q.Job != "":
		all = slices.Values(l.since(q))
	}
	var found []*record
	for r := range all {
		if selects(q, r) {
			found = append(found, r)
		}
	}
	return found
}

// since are the job's runs from the query's first due time on.
func (l *Ledger) since(q ledger.Query) []*record {
	runs := l.byJob[q.Job]
	if q.Since.IsZero() {
		return runs
	}
	i, _ := slices.BinarySearchFunc(runs, q.Since.UnixMilli(), func(r *record, since int64) int {
		return cmp.Compare(r.Due, since)
	})
	return runs[i:]
}

// latest goes back from the job's latest run until there are enough.
func (l *Ledger) latest(q ledger.Query) (found []*record) {
	for _, r := range slices.Backward(l.since(q)) {
		if len(found) >= q.Limit && r.Due < found[len(found)-1].Due {
			break
		}
		if selects(q, r) {
			found = append(found, r)
		}
	}
	return found
}

func selects(q ledger.Query, row *record) bool {
	return !q.Without[row.ID] && (q.Job == "" || row.Job == q.Job) && (q.Owner == "" || row.Owner == q.Owner) &&
		(len(q.States) == 0 || slices.Contains(q.States, run.State(row.State))) &&
		(q.Since.IsZero() || row.Due >= q.Since.UnixMilli()) && (q.Until.IsZero() || row.Due < q.Until.UnixMilli())
}

// Details implements [ledger.Ledger].
func (l *Ledger) Details(_ context.Context, id string) ([]ledger.Detail, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []ledger.Detail{}
	for _, n := range slices.Sorted(maps.Keys(l.details[id])) {
		list = append(list, copyOfDetail(l.details[id][n]))
	}
	return list, nil
}

// Busy implements [ledger.Ledger].
func (l *Ledger) Busy(context.Context) (map[string]int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	busy := map[string]int{}
	for _, r := range l.open {
		if r.BusyHost != "" {
			busy[r.BusyHost]++
		}
	}
	return busy, nil
}

// Close implements [ledger.Ledger]. There is nothing to release.
func (l *Ledger) Close() error { return nil }

// apart is a run that shares nothing with r that anybody may change. An exit
// code is never changed, only replaced.
func apart(r run.Run) run.Run {
	r.Policy.RetryOn = slices.Clone(r.Policy.RetryOn)
	r.Attempts = slices.Clone(r.Attempts)
	return r
}

// copyOfDetail is a detail that shares nothing with d.
func copyOfDetail(d ledger.Detail) ledger.Detail {
	if d.Pick != nil {
		p := *d.Pick
		p.Candidates = slices.Clone(p.Candidates)
		d.Pick = &p
	}
	if d.Output != nil {
		o := *d.Output
		o.Head, o.Tail = slices.Clone(o.Head), slices.Clone(o.Tail)
		d.Output = &o
	}
	return d
}

// copyOfNotice is a notice that shares nothing with n.
func copyOfNotice(n ledger.Notice) ledger.Notice {
	n.Body = slices.Clone(n.Body)
	return n
}

// at is a time at the ledger's precision.
func at(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
