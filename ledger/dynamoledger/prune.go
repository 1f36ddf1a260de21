package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"
)

// Prune implements [ledger.Ledger]. It reads the runs of every job. A run goes
// after what belongs to it, so that a prune cut short leaves nothing behind
// that a later one would miss.
func (l *Ledger) Prune(ctx context.Context, before time.Time) (int, error) {
	done, err := l.begin()
	if err != nil {
		return 0, fmt.Errorf("ledger table %s: prune: %w", l.table, err)
	}
	defer done()
	jobs, err := l.jobNames(ctx)
	if err != nil {
		return 0, err
	}
	var gone atomic.Int64
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, job := range jobs {
		old, err := l.prunable(ctx, job, before)
		if err != nil {
			return int(gone.Load()), errors.Join(err, g.Wait())
		}
		for _, i := range old {
			g.Go(func() error {
				removed, err := l.pruneRun(inner, i)
				if removed {
					gone.Add(1)
				}
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return int(gone.Load()), err
	}
	return int(gone.Load()), errors.Join(l.pruneStrays(ctx, before), l.pruneOwners(ctx, before))
}

// prunable lists the runs of a job that ended before the given time, but for
// the one that stands for the latest due time.
func (l *Ledger) prunable(ctx context.Context, job string, before time.Time) ([]item, error) {
	rows := query{partition: "RUN#" + job, only: []string{pk, sk, attrVersion, attrEnded, attrThrough}}
	var old []item
	var newest int64
	for i, err := range l.items(ctx, "prune runs of job "+job, rows) {
		if err != nil {
			return nil, err
		}
		newest = max(newest, numberOf(i, attrThrough))
		if i[attrEnded] != nil && numberOf(i, attrEnded) < before.UnixMilli() {
			old = append(old, i)
		}
	}
	kept := old[:0]
	for _, i := range old {
		if i[attrThrough] == nil || numberOf(i, attrThrough) < newest {
			kept = append(kept, i)
		}
	}
	return kept, nil
}

// pruneRun removes a run, unless it was changed since it was read.
func (l *Ledger) pruneRun(ctx context.Context, i item) (removed bool, err error) {
	id := textOf(i, sk)
	op := "prune run " + id
	details, err := all(l.items(ctx, op, query{partition: detailsOf(id), only: []string{pk, sk}}))
	if err != nil {
		return false, err
	}
	keys, unsettled, err := l.settledNotices(ctx, op, id, time.Time{})
	if err != nil {
		return false, err
	}
	if unsettled {
		if err := l.markStray(ctx, op, id); err != nil {
			return false, err
		}
	}
	if err := l.deletes(ctx, op, append(details, keys...)); err != nil {
		return false, err
	}
	var e expr
	e.ask(attrVersion, i[attrVersion])
	err = l.call(ctx, op, func(ctx context.Context) error {
		_, err := l.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &l.table, Key: keyOf(i), ConditionExpression: e.condition(), ReturnValuesOnConditionCheckFailure: allOld,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		})
		return err
	})
	if reasons := refused(err); reasons != nil {
		return reasons[0].Item == nil, nil // gone: by a try whose reply was lost, or by another's prune
	}
	return err == nil, err
}

// settledNotices lists the items of a run's settled notices: of those settled
// before the given time, or of all if it is zero. others reports that there
// are further notices.
func (l *Ledger) settledNotices(ctx context.Context, op, id string, before time.Time) (keys []item, others bool, err error) {
	ofRun, err := all(l.items(ctx, op, query{partition: noticesOf(id), only: []string{pk, sk}}))
	if err != nil || len(ofRun) == 0 {
		return nil, false, err
	}
	var notices []item
	for _, i := range ofRun {
		notices = append(notices, noticeKey(textOf(i, sk)))
	}
	found, err := l.gets(ctx, op, notices, pk, attrSettled)
	if err != nil {
		return nil, false, err
	}
	open := map[string]bool{}
	for _, i := range found {
		settled := i[attrSettled] != nil && (before.IsZero() || numberOf(i, attrSettled) < before.UnixMilli())
		open[textOf(i, pk)] = !settled
	}
	for n, i := range ofRun {
		if open[textOf(notices[n], pk)] {
			others = true
		} else {
			keys = append(keys, i, notices[n])
		}
	}
	return keys, others, nil
}

// markStray notes a run that goes before its notices do.
func (l *Ledger) markStray(ctx context.Context, op, id string) error {
	return l.call(ctx, op, func(ctx context.Context) error {
		_, err := l.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &l.table, Item: key(strays, id)})
		return err
	})
}

// pruneStrays removes notices that were settled before the given time and
// outlived their run.
func (l *Ledger) pruneStrays(ctx context.Context, before time.Time) error {
	const op = "prune notices without a run"
	for i, err := range l.items(ctx, op, query{partition: strays}) {
		if err != nil {
			return err
		}
		id := textOf(i, sk)
		if again, err := l.get(ctx, op, runKey(id)); err != nil || again != nil {
			if err != nil {
				return err
			}
			continue // made anew: its notices are its own
		}
		keys, others, err := l.settledNotices(ctx, op, id, before)
		if err != nil {
			return err
		}
		if !others {
			keys = append(keys, keyOf(i))
		}
		if err := l.deletes(ctx, op, keys); err != nil {
			return err
		}
	}
	return nil
}

// pruneOwners removes owners whose last beat ran out before the given time.
func (l *Ledger) pruneOwners(ctx context.Context, before time.Time) error {
	const op = "prune owners"
	var keys []item
	for i, err := range l.items(ctx, op, query{partition: owners}) {
		if err != nil {
			return err
		}
		if numberOf(i, attrUntil) < before.UnixMilli() {
			keys = append(keys, keyOf(i))
		}
	}
	return l.deletes(ctx, op, keys)
}
