package dynamoledger

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// Runs implements [ledger.Ledger]. Queries for runs that are not final read the
// open index, however many others there are; the rest walk the runs of the job,
// or of every job side by side, the latest first.
func (l *Ledger) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if len(q.States) > 0 && !slices.ContainsFunc(q.States, run.State.Final) {
		return l.openRuns(ctx, q)
	}
	jobs := []string{q.Job}
	if q.Job == "" {
		var err error
		if jobs, err = l.jobNames(ctx); err != nil {
			return nil, err
		}
	}
	return l.merge(ctx, q, jobs)
}

// openRuns lists by the open index.
func (l *Ledger) openRuns(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	found, err := l.openItems(ctx, q.Job)
	if err != nil {
		return nil, err
	}
	runs := []run.Run{}
	for _, i := range found {
		r, err := decodeRun(i)
		if err != nil {
			return nil, err
		}
		if selects(q, r) {
			runs = append(runs, r)
		}
	}
	slices.SortFunc(runs, latestFirst)
	if q.Limit > 0 && len(runs) > q.Limit {
		runs = runs[:q.Limit]
	}
	return runs, nil
}

// openItems reads the runs of the open index, of one job or of all, or only
// some of their attributes. Between the two reads a run may become final.
func (l *Ledger) openItems(ctx context.Context, job string, only ...string) ([]item, error) {
	const op = "list open runs"
	var queries []query
	if job != "" {
		queries = []query{{partition: openShardOf(job), prefix: job + "@"}}
	} else {
		for shard := range openShards {
			queries = append(queries, query{partition: openShard(shard)})
		}
	}
	listed := make([][]item, len(queries))
	g, inner := errgroup.WithContext(ctx)
	for n, q := range queries {
		g.Go(func() (err error) {
			listed[n], err = all(l.items(inner, op, q))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var keys []item
	for _, i := range slices.Concat(listed...) {
		keys = append(keys, runKey(textOf(i, sk)))
	}
	return l.gets(ctx, op, keys, only...)
}

// Busy implements [ledger.Ledger].
func (l *Ledger) Busy(ctx context.Context) (map[string]int, error) {
	found, err := l.openItems(ctx, "", attrBusy)
	if err != nil {
		return nil, err
	}
	busy := map[string]int{}
	for _, i := range found {
		if host := textOf(i, attrBusy); host != "" {
			busy[host]++
		}
	}
	return busy, nil
}

// selects reports whether the query asks for the run.
func selects(q ledger.Query, r run.Run) bool {
	return !q.Without[r.ID] && (q.Job == "" || r.Job == q.Job) && (q.Owner == "" || r.Owner == q.Owner) &&
		(len(q.States) == 0 || slices.Contains(q.States, r.State)) &&
		(q.Since.IsZero() || !r.Due.Before(q.Since)) && (q.Until.IsZero() || r.Due.Before(q.Until))
}

// latestFirst is the order of every list.
func latestFirst(a, b run.Run) int {
	return cmp.Or(b.Due.Compare(a.Due), cmp.Compare(a.ID, b.ID))
}

// jobRuns walks the runs of one job that the query asks for, the latest first.
func (l *Ledger) jobRuns(ctx context.Context, q ledger.Query, job string, page int32) iter.Seq2[run.Run, error] {
	rows := query{partition: "RUN#" + job, backwards: true, page: page, from: job + "@", to: job + "@~"}
	if !q.Since.IsZero() {
		rows.from = run.ID(job, q.Since)
	}
	if !q.Until.IsZero() {
		rows.to = run.ID(job, q.Until) + "~" // after the suffixes of that second
	}
	return func(yield func(run.Run, error) bool) {
		var same []run.Run // due at one time, the last ID first
		flush := func() bool {
			for _, r := range slices.Backward(same) {
				if !yield(r, nil) {
					return false
				}
			}
			same = same[:0]
			return true
		}
		for i, err := range l.items(ctx, "list runs of job "+job, rows) {
			var r run.Run
			if err == nil {
				r, err = decodeRun(i)
			}
			if err != nil {
				yield(r, err)
				return
			}
			if len(same) > 0 && !r.Due.Equal(same[0].Due) && !flush() {
				return
			}
			if selects(q, r) {
				same = append(same, r)
			}
		}
		flush()
	}
}

// merge lists the runs of the jobs up to the limit, in the order of all lists.
func (l *Ledger) merge(ctx context.Context, q ledger.Query, jobs []string) ([]run.Run, error) {
	walks, err := l.walk(ctx, q, jobs)
	defer func() {
		for _, w := range walks {
			w.stop()
		}
	}()
	runs := []run.Run{}
	for err == nil && (q.Limit == 0 || len(runs) < q.Limit) {
		var latest *walk
		for _, w := range walks {
			if !w.ended && (latest == nil || latestFirst(w.run, latest.run) < 0) {
				latest = w
			}
		}
		if latest == nil {
			return runs, nil
		}
		runs = append(runs, latest.run)
		if len(runs) != q.Limit {
			err = latest.step()
		}
	}
	if err != nil {
		return nil, err
	}
	return runs, nil
}

// walk is a walk over one job's runs, standing at one of them.
type walk struct {
	next  func() (run.Run, error, bool)
	stop  func()
	run   run.Run
	ended bool
}

func (w *walk) step() error {
	r, err, ok := w.next()
	w.run, w.ended = r, !ok
	return err
}

// walk starts a walk over each job's runs. Of many jobs most have few runs in
// a list's reach, so their first pages are small.
func (l *Ledger) walk(ctx context.Context, q ledger.Query, jobs []string) ([]*walk, error) {
	page := int32(0)
	if q.Limit > 0 {
		page = int32(min(q.Limit, maxPage)) + 1 // one more shows that a due time has no further run
		if len(jobs) > 1 {
			page = min(page, 10)
		}
	}
	walks := make([]*walk, len(jobs))
	var g errgroup.Group
	g.SetLimit(parallel)
	for n, job := range jobs {
		w := &walk{}
		w.next, w.stop = iter.Pull2(l.jobRuns(ctx, q, job, page))
		walks[n] = w
		g.Go(w.step)
	}
	return walks, g.Wait()
}
