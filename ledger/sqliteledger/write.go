package sqliteledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
)

// Write implements [ledger.Ledger].
func (l *Ledger) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	outcomes := make([]ledger.Outcome, len(changes))
	err := l.writer.submit(ctx, "write", len(changes), func(tx *tx) (err error) {
		for i, c := range changes {
			if outcomes[i], err = change(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

func change(tx *tx, c ledger.Change) (ledger.Outcome, error) {
	old, slot, err := stored(tx, c.Run.ID, c.Run.Job)
	if err != nil {
		return ledger.Outcome{}, err
	}
	if old != nil && old.Version != c.Run.Version {
		// Who is refused is shown what is there.
		if err := tx.query(`SELECT body FROM runs WHERE id = $1`, []any{old.ID}, func(scan func(...any) error) error { return scan(&old.Body) }); err != nil {
			return ledger.Outcome{}, err
		}
	}
	d := sqlrow.Decide(c, old, slot)
	for _, w := range d.Writes {
		if _, err := tx.exec(w.SQL, w.Args...); err != nil {
			return ledger.Outcome{}, fmt.Errorf("run %s: %w", c.Run.ID, err)
		}
	}
	return d.Outcome, nil
}

// stored is the run without its body, nil if there is none, and the slot of its
// job, zero for a job not seen before.
func stored(tx *tx, id, job string) (old *sqlrow.Run, slot sqlrow.Slot, err error) {
	const both = `
		SELECT (SELECT version FROM runs WHERE id = $1),
			(SELECT holder FROM jobs WHERE name = $2), (SELECT fence FROM jobs WHERE name = $2)`
	err = tx.query(both, []any{id, job}, func(scan func(...any) error) error {
		var version, fence *int64
		var holder *string
		err := scan(&version, &holder, &fence)
		if version != nil {
			old = &sqlrow.Run{ID: id, Version: *version}
		}
		if holder != nil && fence != nil {
			slot = sqlrow.Slot{Holder: *holder, Fence: *fence}
		}
		return err
	})
	return old, slot, err
}

// PutJobs implements [ledger.Ledger].
func (l *Ledger) PutJobs(ctx context.Context, now time.Time, jobs ...ledger.JobSpec) error {
	var moved []string
	err := l.writer.submit(ctx, "put jobs", len(jobs), func(tx *tx) error {
		moved = nil
		for _, j := range jobs {
			n, err := tx.exec(sqlrow.PutJob, sqlrow.PutJobArgs(now, j)...)
			if err == nil {
				_, err = tx.exec(sqlrow.PutSpec, j.Hash, sqlrow.Blob(j.Body), j.Name)
			}
			if err != nil {
				return fmt.Errorf("job %s: %w", j.Name, err)
			}
			if n == 0 {
				moved = append(moved, j.Name)
			}
		}
		return nil
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
	err = l.writer.submit(ctx, "beat of "+owner, 1, func(tx *tx) error {
		if _, err := tx.exec(sqlrow.Beat, owner, now.Add(ttl).UnixMilli()); err != nil {
			return err
		}
		return tx.query(sqlrow.Advance, []any{now.UnixMilli()}, func(scan func(...any) error) (err error) {
			m, err = sqlrow.ScanMark(scan)
			return err
		})
	})
	return m, err
}

// Halt implements [ledger.Ledger].
func (l *Ledger) Halt(ctx context.Context, why string) error {
	_, err := l.exec(ctx, "halt", sqlrow.Halt, sqlrow.Text(why))
	return err
}

// Resume implements [ledger.Ledger].
func (l *Ledger) Resume(ctx context.Context, now time.Time, fences int64, m ledger.Mark) error {
	return l.writer.submit(ctx, "resume", 1, func(tx *tx) error {
		if _, err := tx.exec(sqlrow.RenewJobs, now.UnixMilli(), fences); err != nil {
			return err
		}
		_, err := tx.exec(sqlrow.SetMark, m.Ledger, m.Beats, now.UnixMilli())
		return err
	})
}

// Leave implements [ledger.Ledger].
func (l *Ledger) Leave(ctx context.Context, owner string) error {
	_, err := l.exec(ctx, "leave of "+owner, sqlrow.Leave, owner)
	return err
}

// TakeNotices implements [ledger.Ledger].
func (l *Ledger) TakeNotices(ctx context.Context, target string, now time.Time, lease time.Duration, limit int) ([]ledger.Notice, error) {
	var taken []ledger.Notice
	args := []any{sqlrow.Text(target), now.UnixMilli(), now.Add(lease).UnixMilli(), limit}
	err := l.writer.submit(ctx, "take notices for "+target, 1, func(tx *tx) error {
		taken = nil
		return tx.query(sqlrow.TakeNotices, args, func(scan func(...any) error) error {
			n, err := sqlrow.ScanNotice(scan)
			taken = append(taken, n)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(taken, sqlrow.OldestFirst)
	return taken, nil
}

// SettleNotice implements [ledger.Ledger].
func (l *Ledger) SettleNotice(ctx context.Context, id string, s ledger.Settlement) error {
	_, err := l.exec(ctx, "settle notice "+id, sqlrow.SettleNotice, sqlrow.SettlementArgs(id, s)...)
	return err
}

// pruneRuns is how many runs go in one transaction, so that writes between
// them don't wait.
const pruneRuns = 200

// Prune implements [ledger.Ledger].
func (l *Ledger) Prune(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		n, err := l.pruneSome(ctx, before)
		total += n
		if err != nil {
			return total, err
		}
		if n < pruneRuns {
			break
		}
	}
	for _, sweep := range []string{sqlrow.PruneStrays, sqlrow.PruneOwners} {
		if _, err := l.exec(ctx, "prune", sweep, before.UnixMilli()); err != nil {
			return total, err
		}
	}
	return total, nil
}

func (l *Ledger) pruneSome(ctx context.Context, before time.Time) (int, error) {
	var ids []string
	err := l.writer.submit(ctx, "prune", pruneRuns, func(tx *tx) error {
		ids = nil
		err := tx.query(sqlrow.Prunable, []any{before.UnixMilli(), pruneRuns}, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			for _, stmt := range sqlrow.PruneRun {
				if _, err := tx.exec(stmt, id); err != nil {
					return fmt.Errorf("run %s: %w", id, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(ids), nil
}

// exec is a transaction of one statement; it returns how many rows it touched.
func (l *Ledger) exec(ctx context.Context, op, stmt string, args ...any) (n int64, err error) {
	err = l.writer.submit(ctx, op, 1, func(tx *tx) (err error) {
		n, err = tx.exec(stmt, args...)
		return err
	})
	return n, err
}
