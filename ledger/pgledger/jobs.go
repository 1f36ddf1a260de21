package pgledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
)

// PutJobs implements [ledger.Ledger].
func (l *Ledger) PutJobs(ctx context.Context, now time.Time, jobs ...ledger.JobSpec) error {
	jobs = slices.SortedFunc(slices.Values(jobs), func(a, b ledger.JobSpec) int { return cmp.Compare(a.Name, b.Name) })
	var moved []string
	err := l.batch(ctx, "put jobs", func(b *pgx.Batch) {
		moved = nil
		for _, j := range jobs {
			b.Queue(sqlrow.PutJob, sqlrow.PutJobArgs(now, j)...).Exec(func(tag pgconn.CommandTag) error {
				if tag.RowsAffected() == 0 {
					moved = append(moved, j.Name)
				}
				return nil
			})
		}
		for _, j := range jobs {
			b.Queue(sqlrow.PutSpec, j.Hash, sqlrow.Blob(j.Body), j.Name)
		}
	})
	if err != nil {
		return err
	}
	return sqlrow.Moved(moved)
}

// Retire implements [ledger.Ledger].
func (l *Ledger) Retire(ctx context.Context, now time.Time, job, hash string) error {
	found, err := l.exec(ctx, "retire job "+job, sqlrow.Retire, job, now.UnixMilli(), hash)
	if err == nil && found == 0 {
		return l.NotRetired(ctx, job)
	}
	return err
}

// Pause implements [ledger.Ledger].
func (l *Ledger) Pause(ctx context.Context, job string, p ledger.Pause) error {
	known, err := l.exec(ctx, "pause job "+job, sqlrow.SetPause, sqlrow.PauseArgs(job, p)...)
	if err == nil && known == 0 {
		return fmt.Errorf("pause job %s: %w", job, ledger.ErrNotFound)
	}
	return err
}

// Check implements [ledger.Ledger].
func (l *Ledger) Check(ctx context.Context, job string, through time.Time) error {
	known, err := l.exec(ctx, "check job "+job, sqlrow.Check, job, through.UnixMilli())
	if err == nil && known == 0 {
		return fmt.Errorf("check job %s: %w", job, ledger.ErrNotFound)
	}
	return err
}

// Beat implements [ledger.Ledger].
func (l *Ledger) Beat(ctx context.Context, owner string, now time.Time, ttl time.Duration) (m ledger.Mark, err error) {
	nonce := rand.Text()
	err = l.batch(ctx, "beat of "+owner, func(b *pgx.Batch) {
		b.Queue(sqlrow.Beat, owner, now.Add(ttl).UnixMilli())
		b.Queue(leaveNonce, nonce)
		b.Queue(sqlrow.Advance, now.UnixMilli()).QueryRow(func(row pgx.Row) (err error) {
			m, err = sqlrow.ScanMark(row.Scan)
			return err
		})
	})
	if err == nil {
		l.acks.add(nonce)
	}
	return m, err
}

// Halt implements [ledger.Ledger].
func (l *Ledger) Halt(ctx context.Context, why string) error {
	return l.always(ctx, "halt", sqlrow.Halt, sqlrow.Text(why))
}

// always is a statement for a server that went back, too.
func (l *Ledger) always(ctx context.Context, op, stmt string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if _, err := l.pool.Exec(ctx, stmt, args...); err != nil {
		return l.explain(op, err)
	}
	return nil
}

// Resume implements [ledger.Ledger].
func (l *Ledger) Resume(ctx context.Context, now time.Time, fences int64, m ledger.Mark) error {
	return l.batch(ctx, "resume", func(b *pgx.Batch) {
		b.Queue(sqlrow.RenewJobs, now.UnixMilli(), fences)
		b.Queue(sqlrow.SetMark, m.Ledger, m.Beats, now.UnixMilli())
	})
}

// Leave implements [ledger.Ledger].
func (l *Ledger) Leave(ctx context.Context, owner string) error {
	return l.always(ctx, "leave of "+owner, sqlrow.Leave, owner)
}

// exec is a transaction of one statement; it returns how many rows it touched.
func (l *Ledger) exec(ctx context.Context, op, stmt string, args ...any) (n int64, err error) {
	err = l.batch(ctx, op, func(b *pgx.Batch) {
		b.Queue(stmt, args...).Exec(func(tag pgconn.CommandTag) error {
			n = tag.RowsAffected()
			return nil
		})
	})
	return n, err
}
