package sqlrow

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// Reader is the reading half of a SQL ledger.
type Reader struct {
	DB      *sql.DB
	Dialect func(string) string
	// Explain turns a database's error into the port's words.
	Explain func(op string, err error) error
	// Timeout bounds every read; zero for the caller's context alone.
	Timeout time.Duration
	// Prepared keeps statements with their connections. A database behind a pooler
	// of connections can't: what one has prepared another asks for.
	Prepared bool

	mu    sync.Mutex
	stmts map[string]*sql.Stmt // by their text before translation
}

// maxPrepared bounds the statements that are kept; each combination of a list's
// filters is another.
const maxPrepared = 64

// query performs a statement.
func (r *Reader) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	stmt, err := r.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return r.DB.QueryContext(ctx, r.Dialect(text), args...)
	}
	return stmt.QueryContext(ctx, args...)
}

// prepare is the statement, prepared now or before; nil if it is not to be kept.
func (r *Reader) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stmt := r.stmts[text]
	if stmt != nil || !r.Prepared || len(r.stmts) >= maxPrepared {
		return stmt, nil
	}
	stmt, err := r.DB.PrepareContext(ctx, r.Dialect(text))
	if err != nil {
		return nil, err
	}
	if r.stmts == nil {
		r.stmts = map[string]*sql.Stmt{}
	}
	r.stmts[text] = stmt
	return stmt, nil
}

// Run implements [ledger.Ledger].
func (r *Reader) Run(ctx context.Context, id string) (run.Run, error) {
	bodies, err := collect(ctx, r, "read run "+id, `SELECT body FROM solocron.runs WHERE id = $1`, []any{id},
		func(scan scanner) (run.Run, error) {
			var body string
			if err := scan(&body); err != nil {
				return run.Run{}, err
			}
			return decodeRun(id, body)
		})
	return one(bodies, err, "run "+id)
}

// Runs implements [ledger.Ledger].
func (r *Reader) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	stmt := selectRuns(q)
	return collect(ctx, r, "list runs", stmt.SQL, stmt.Args, func(scan scanner) (run.Run, error) {
		var due int64
		var id, body string
		if err := scan(&due, &id, &body); err != nil {
			return run.Run{}, err
		}
		if q.Without[id] {
			return run.Run{}, errLeftOut
		}
		return decodeRun(id, body)
	})
}

// Details implements [ledger.Ledger].
func (r *Reader) Details(ctx context.Context, id string) ([]ledger.Detail, error) {
	return collect(ctx, r, "read details of run "+id,
		`SELECT attempt, pick, output FROM solocron.details WHERE run = $1 ORDER BY attempt`, []any{id},
		func(scan scanner) (ledger.Detail, error) {
			var attempt int
			var pick, output *string
			if err := scan(&attempt, &pick, &output); err != nil {
				return ledger.Detail{}, err
			}
			return decodeDetail(id, attempt, pick, output)
		})
}

// Busy implements [ledger.Ledger].
func (r *Reader) Busy(ctx context.Context) (map[string]int, error) {
	busy := map[string]int{}
	_, err := collect(ctx, r, "count busy hosts",
		`SELECT busy_host, count(*) FROM solocron.runs WHERE busy_host <> '' GROUP BY busy_host`, nil,
		func(scan scanner) (struct{}, error) {
			var host string
			var n int
			err := scan(&host, &n)
			busy[host] = n
			return struct{}{}, err
		})
	if err != nil {
		return nil, err
	}
	return busy, nil
}

// Jobs implements [ledger.Ledger].
func (r *Reader) Jobs(ctx context.Context) ([]ledger.Job, error) {
	return collect(ctx, r, "list jobs", selectJob+` ORDER BY name`, nil, scanJob)
}

// Job implements [ledger.Ledger].
func (r *Reader) Job(ctx context.Context, name string) (ledger.Job, error) {
	jobs, err := collect(ctx, r, "read job "+name, selectJob+` AND name = $1`, []any{name}, scanJob)
	return one(jobs, err, "job "+name)
}

const selectJob = `
	SELECT name, hash, when_hash, since, retired, checked, holder, fence, paused, paused_by, paused_at, paused_note,
		(SELECT max(r.through) FROM solocron.runs AS r WHERE r.job = j.name AND r.through IS NOT NULL)
	FROM solocron.jobs AS j WHERE since IS NOT NULL`

func scanJob(scan scanner) (ledger.Job, error) {
	var j ledger.Job
	var since, retired, checked, pausedAt, through *int64
	err := scan(&j.Name, &j.Hash, &j.When, &since, &retired, &checked, &j.Holder, &j.Fence,
		&j.Pause.On, &j.Pause.By, &pausedAt, &j.Pause.Note, &through)
	j.Since, j.Retired, j.Checked = Time(since), Time(retired), Time(checked)
	j.Pause.At, j.Through = Time(pausedAt), Time(through)
	return j, err
}

// NotRetired explains why [Retire] affected no row.
func (r *Reader) NotRetired(ctx context.Context, name string) error {
	if _, err := r.Job(ctx, name); err != nil {
		return fmt.Errorf("retire %w", err)
	}
	return fmt.Errorf("retire job %s: %w", name, ledger.ErrMoved)
}

// Spec implements [ledger.Ledger].
func (r *Reader) Spec(ctx context.Context, hash string) ([]byte, error) {
	bodies, err := collect(ctx, r, "read spec "+hash, `SELECT body FROM solocron.specs WHERE hash = $1`, []any{hash},
		func(scan scanner) (body []byte, err error) { err = scan(&body); return body, err })
	return one(bodies, err, "spec "+hash)
}

// Owners implements [ledger.Ledger].
func (r *Reader) Owners(ctx context.Context, now time.Time) ([]string, error) {
	return collect(ctx, r, "list owners",
		`SELECT name FROM solocron.owners WHERE until > $1 ORDER BY name`, []any{now.UnixMilli()},
		func(scan scanner) (name string, err error) { err = scan(&name); return name, err })
}

// Mark implements [ledger.Ledger].
func (r *Reader) Mark(ctx context.Context) (ledger.Mark, error) {
	marks, err := collect(ctx, r, "read mark", `SELECT `+markColumns+` FROM solocron.mark`, nil, ScanMark)
	return one(marks, err, "mark")
}

// ScanMark reads a row of [Advance].
func ScanMark(scan func(dest ...any) error) (ledger.Mark, error) {
	var m ledger.Mark
	var at int64
	err := scan(&m.Ledger, &m.Beats, &at, &m.Halted)
	m.At = Time(&at)
	return m, err
}

// Notices implements [ledger.Ledger].
func (r *Reader) Notices(ctx context.Context, runID string) ([]ledger.Notice, error) {
	return collect(ctx, r, "list notices of run "+runID,
		`SELECT `+noticeColumns+` FROM solocron.notices WHERE run = $1 ORDER BY id`, []any{runID},
		ScanNotice)
}

type scanner = func(dest ...any) error

// ScanNotice reads a row of noticeColumns.
func ScanNotice(scan func(dest ...any) error) (ledger.Notice, error) {
	var n ledger.Notice
	var created, due int64
	var settled *int64
	err := scan(&n.ID, &n.Run, &n.Target, &n.Body, &created, &due, &n.Tries, &n.Error, &settled, &n.Dead)
	n.Created, n.Due, n.Settled = Time(&created), Time(&due), Time(settled)
	return n, err
}

// errLeftOut is how collect is told to go on without a row.
var errLeftOut = errors.New("left out")

// collect runs a query and reads every row.
func collect[T any](ctx context.Context, r *Reader, op, query string, args []any, read func(scanner) (T, error)) ([]T, error) {
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("no answer within %s", r.Timeout))
		defer cancel()
	}
	rows, err := r.query(ctx, query, args)
	if err != nil {
		return nil, r.Explain(op, because(ctx, err))
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		v, err := read(rows.Scan)
		switch {
		case errors.Is(err, errLeftOut):
		case err != nil:
			return nil, r.Explain(op, err)
		default:
			all = append(all, v)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, r.Explain(op, because(ctx, err))
	}
	return all, nil
}

// one is the only row of a query by key.
func one[T any](rows []T, err error, what string) (T, error) {
	var zero T
	if err != nil {
		return zero, err
	}
	if len(rows) == 0 {
		return zero, fmt.Errorf("%s: %w", what, ledger.ErrNotFound)
	}
	return rows[0], nil
}

// because puts the reason for which ctx ended before the error that it made.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
