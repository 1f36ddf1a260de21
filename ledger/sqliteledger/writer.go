package sqliteledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/solocron/solocron/crash"
	"github.com/solocron/solocron/ledger/sqlrow"
)

// maxGroup bounds the changes of one transaction, so that none waits long for
// the others. One caller's changes always stay together.
const maxGroup = 256

// request is one caller's part of a transaction.
type request struct {
	weight int             // changes in it
	do     func(*tx) error // performed again, alone, if the group fails
	done   chan<- error    // takes one answer without blocking
}

// writer owns the only connection that writes, and the goroutine that does.
type writer struct {
	tx      tx
	explain func(op string, err error) error
	queue   chan request // unbuffered: what was sent has been received
	stop    chan struct{}
	done    chan struct{}
	broken  error // why nothing is written any more; the goroutine's own
}

func newWriter(conn *sql.Conn, explain func(string, error) error) *writer {
	w := &writer{
		tx:      tx{conn: conn, stmts: map[string]*sql.Stmt{}},
		explain: explain,
		queue:   make(chan request),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	go w.run()
	return w
}

// Close answers the requests that were received and ends the writer; others
// get an error.
func (w *writer) Close() error {
	close(w.stop)
	<-w.done
	return w.tx.close()
}

// submit performs do in a transaction and returns after the commit. ctx counts
// while the request waits; once a group is under way its end is known soon.
func (w *writer) submit(ctx context.Context, op string, weight int, do func(*tx) error) error {
	done := make(chan error, 1)
	err := context.Cause(ctx)
	if err == nil {
		select {
		case w.queue <- request{weight, do, done}:
			err = <-done
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-w.stop:
			err = errors.New("the ledger is closed")
		}
	}
	if err != nil {
		return w.explain(op, err)
	}
	return nil
}

func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case first := <-w.queue:
			w.answer(w.gather(first))
		case <-w.stop:
			return
		}
	}
}

// gather takes the requests that wait already: while one group is being
// committed, the next assembles.
func (w *writer) gather(first request) []request {
	group := []request{first}
	for weight := first.weight; weight < maxGroup; {
		select {
		case r := <-w.queue:
			group = append(group, r)
			weight += r.weight
		default:
			return group
		}
	}
	return group
}

// answer commits the group. If a statement of one request fails, the requests
// are performed one by one, so that it fails alone.
func (w *writer) answer(group []request) {
	err := w.commit(group)
	if err == nil || len(group) == 1 || isDisk(err) || w.broken != nil {
		for _, r := range group {
			r.done <- err
		}
		return
	}
	for _, r := range group {
		r.done <- w.commit([]request{r})
	}
}

func (w *writer) commit(group []request) error {
	if w.broken != nil {
		return w.broken
	}
	if _, err := w.tx.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, r := range group {
		if err := r.do(&w.tx); err != nil {
			return w.rollback(err)
		}
	}
	crash.Before("sqlite", "commit")
	if _, err := w.tx.exec("COMMIT"); err != nil {
		if isDisk(err) && !isFull(err) {
			err = fmt.Errorf("the disk failed at a commit and may not hold what was written; nothing more is written before a restart: %w", err)
			w.broken = err
		}
		return w.rollback(err)
	}
	crash.After("sqlite", "commit")
	return nil
}

// rollback undoes the transaction and returns why. SQLite has done so itself
// after some errors and then refuses; a transaction left open would show at the
// next BEGIN.
func (w *writer) rollback(cause error) error {
	_, _ = w.tx.exec("ROLLBACK")
	return cause
}

// tx is the open transaction on the writer's connection. Its statements run
// without the callers' contexts: a caller that leaves must not end the others'
// transaction.
type tx struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // prepared, by their text before translation
}

func (t *tx) stmt(text string) (*sql.Stmt, error) {
	if s, ok := t.stmts[text]; ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(context.Background(), sqlrow.SQLite(text))
	if err == nil {
		t.stmts[text] = s
	}
	return s, err
}

// exec performs a statement and returns how many rows it touched.
func (t *tx) exec(text string, args ...any) (int64, error) {
	s, err := t.stmt(text)
	if err != nil {
		return 0, err
	}
	res, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// query performs a statement and reads every row.
func (t *tx) query(text string, args []any, read func(scan func(...any) error) error) error {
	s, err := t.stmt(text)
	if err != nil {
		return err
	}
	rows, err := s.Query(args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := read(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (t *tx) close() error {
	var errs []error
	for _, s := range t.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, t.conn.Close())...)
}
