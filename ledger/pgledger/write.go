package pgledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/solocron/solocron/crash"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
)

// Write implements [ledger.Ledger]. ctx counts until the commit is sent.
func (l *Ledger) Write(ctx context.Context, changes ...ledger.Change) (outcomes []ledger.Outcome, err error) {
	if len(changes) == 0 {
		return nil, ctx.Err()
	}
	err = retry(func() (err error) {
		outcomes, err = l.write(ctx, changes)
		return err
	})
	if err != nil {
		return nil, l.explain("write", err)
	}
	return outcomes, nil
}

// write is one try of the transaction.
func (l *Ledger) write(ctx context.Context, changes []ledger.Change) ([]ledger.Outcome, error) {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release() // closes a connection that is still in its transaction
	jobs := jobsOf(changes)
	rows, err := l.lock(ctx, conn, jobs, changes)
	if err != nil {
		if refused(err) || ctx.Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", errNothing, err)
	}

	outcomes, stmts := rows.decide(changes)
	nonce := rand.Text()
	// From here on the caller's cancellation must not leave the outcome open.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	crash.Before("postgres", "commit")
	err = commit(ctx, conn, nonce, stmts)
	crash.After("postgres", "commit")
	if err == nil && len(stmts) > 0 {
		l.acks.add(nonce)
	}
	if err == nil || refused(err) {
		return outcomes, err
	}
	written, lookup := l.written(ctx, nonce, jobs)
	switch {
	case sqlState(lookup) == divisionByZero:
		return nil, lookup
	case lookup != nil:
		return nil, fmt.Errorf("commit, outcome unknown: %w", errors.Join(err, lookup))
	case !written:
		return nil, fmt.Errorf("%w: %w", errNothing, err)
	}
	l.acks.add(nonce)
	return outcomes, nil
}

func jobsOf(changes []ledger.Change) []string {
	var jobs []string
	for _, c := range changes {
		jobs = append(jobs, c.Run.Job)
	}
	slices.Sort(jobs)
	return slices.Compact(jobs)
}

// locked is the state that a transaction has locked.
type locked struct {
	runs  map[string]*sqlrow.Run
	slots map[string]sqlrow.Slot
}

const (
	makeJobs = `INSERT INTO solocron.jobs (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`
	lockJobs = `SELECT name, holder, fence FROM solocron.jobs WHERE name = ANY($1) ORDER BY name FOR UPDATE`
	lockRuns = `SELECT id, version, body FROM solocron.runs WHERE id = ANY($1) ORDER BY id FOR UPDATE`
)

// lock begins the transaction and locks what the changes are about. A run that
// is about to be created has no row to lock; its job's stands for it, and so
// the jobs come first, in one order for everybody.
func (l *Ledger) lock(ctx context.Context, conn *pgxpool.Conn, jobs []string, changes []ledger.Change) (locked, error) {
	var ids []string
	for _, c := range changes {
		ids = append(ids, c.Run.ID)
	}
	state := locked{map[string]*sqlrow.Run{}, map[string]sqlrow.Slot{}}
	b := l.begin()
	b.Queue(makeJobs, jobs)
	b.Queue(lockJobs, jobs).Query(func(rows pgx.Rows) error {
		var name string
		var slot sqlrow.Slot
		_, err := pgx.ForEachRow(rows, []any{&name, &slot.Holder, &slot.Fence}, func() error {
			state.slots[name] = slot
			return nil
		})
		return err
	})
	b.Queue(lockRuns, ids).Query(func(rows pgx.Rows) error {
		var r sqlrow.Run
		_, err := pgx.ForEachRow(rows, []any{&r.ID, &r.Version, &r.Body}, func() error {
			state.runs[r.ID] = new(r)
			return nil
		})
		return err
	})
	return state, conn.SendBatch(ctx, b).Close()
}

// decide applies the changes one after the other.
func (s locked) decide(changes []ledger.Change) (outcomes []ledger.Outcome, stmts []sqlrow.Stmt) {
	for _, c := range changes {
		d := sqlrow.Decide(c, s.runs[c.Run.ID], s.slots[c.Run.Job])
		outcomes = append(outcomes, d.Outcome)
		if d.Outcome.Err == nil {
			s.runs[c.Run.ID], s.slots[c.Run.Job] = &d.Run, d.Slot
			stmts = append(stmts, d.Writes...)
		}
	}
	return outcomes, stmts
}

// commit performs the statements, leaves the nonce beside them, and ends the
// transaction.
func commit(ctx context.Context, conn *pgxpool.Conn, nonce string, stmts []sqlrow.Stmt) error {
	b := &pgx.Batch{}
	for _, s := range stmts {
		b.Queue(s.SQL, s.Args...)
	}
	if len(stmts) > 0 {
		b.Queue(leaveNonce, nonce)
	}
	b.Queue("COMMIT")
	return conn.SendBatch(ctx, b).Close()
}

// lookupPause is how long to wait before the server is asked again.
const lookupPause = 100 * time.Millisecond

// written finds out whether the write that left the nonce was committed. It
// locks the write's jobs first: the server may be busy with the lost
// connection's transaction still, which ends before it gives them up. Jobs that
// the transaction made can't be seen before; making them again waits for it.
func (l *Ledger) written(ctx context.Context, nonce string, jobs []string) (found bool, err error) {
	for {
		b := l.begin()
		b.Queue(makeJobs, jobs)
		b.Queue(lockJobs, jobs)
		b.Queue(`SELECT EXISTS (SELECT FROM solocron.writes WHERE nonce = $1)`, nonce).QueryRow(func(row pgx.Row) error {
			return row.Scan(&found)
		})
		b.Queue("COMMIT")
		if err = l.pool.SendBatch(ctx, b).Close(); err == nil || sqlState(err) == divisionByZero {
			return found, err
		}
		select {
		case <-ctx.Done():
			return false, err
		case <-time.After(lookupPause):
		}
	}
}
