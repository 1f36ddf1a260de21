package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/solocron/solocron/ledger/sqliteledger"
)

// A recorded timer is the bare timer with as much on disk for each command as solocron
// has by its promise, in one process that does nothing else: a run directory before
// the due time, and the intent, the go and the end each committed. It keeps no output.

// rowsAtOnce is how many changes it commits together.
const rowsAtOnce = 256

const updateRun = `UPDATE runs SET state = ?, version = version + 1, body = ? WHERE id = ? AND version = ?`

// recorded is the recorded timer, with the bare timer's arguments. It writes to its
// working directory.
func recorded(args []string) error {
	due, n, err := dueAndCount(args)
	if err != nil {
		return err
	}
	db, err := openRecord("recorded.db")
	if err != nil {
		return err
	}
	defer db.Close()
	r := record{db: db, due: due, n: n}
	if err := errors.Join(r.prepare(), r.commit(insertRun, "starting", 0)); err != nil {
		return err
	}
	time.Sleep(time.Until(due) - time.Second)
	if err := r.commit(updateRun, "running", 1); err != nil {
		return err
	}
	time.Sleep(time.Until(due))
	err = startAll(n, args[2:], func(i int) error {
		result := fmt.Appendf(nil, "end exited\ncode 0\nfrom %d\nto %d\n.\n", due.UnixMilli(), time.Now().UnixMilli())
		return os.WriteFile(runFile(i, "result"), result, 0o600)
	})
	if err == nil {
		err = r.commit(updateRun, "succeeded", 2)
	}
	if err != nil {
		return err
	}
	fmt.Println(time.Now().UnixNano())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// openRecord makes a ledger and opens it as bare tables.
func openRecord(path string) (*sql.DB, error) {
	l, err := sqliteledger.Open(context.Background(), path)
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// record is what there is of n runs that are due at once.
type record struct {
	db  *sql.DB
	due time.Time
	n   int
}

// runFile is a file of the i-th run's directory.
func runFile(i int, name string) string { return filepath.Join("run", strconv.Itoa(i), name) }

// prepare makes the run directories with the files of solocron's, synced.
func (r record) prepare() error {
	for i := range r.n {
		if err := os.MkdirAll(runFile(i, ""), 0o700); err != nil {
			return err
		}
		for _, name := range []string{"guard", "result", "total"} {
			if err := makeFile(runFile(i, name), name == "guard"); err != nil {
				return err
			}
		}
		folder, err := os.Open(runFile(i, ""))
		if err != nil {
			return err
		}
		err = errors.Join(os.Link(runFile(i, "guard"), runFile(i, "watcher")), os.Link(runFile(i, "guard"), runFile(i, "supervisor")), folder.Sync(), folder.Close())
		if err != nil {
			return err
		}
	}
	return nil
}

// makeFile makes a file with words and synced, or else an empty one with room.
func makeFile(path string, written bool) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if written {
		_, err = f.WriteString("0123456789abcdef0123456789abcdef 4711 0815\n")
		err = errors.Join(err, f.Sync())
	} else {
		const keepSize = 1
		err = syscall.Fallocate(int(f.Fd()), keepSize, 0, 64)
	}
	return errors.Join(err, f.Close())
}

// commit writes the state of all runs, so many in one durable transaction.
func (r record) commit(statement, state string, version int) error {
	for from := 0; from < r.n; from += rowsAtOnce {
		err := inOne(r.db, statement, func(do *sql.Stmt) error {
			for i := from; i < min(from+rowsAtOnce, r.n); i++ {
				columns, err := row(ended(fmt.Sprintf("j%05d", i), r.due))
				if err != nil {
					return err
				}
				if statement == updateRun {
					columns = []any{state, columns[len(columns)-1], columns[0], version}
				} else {
					columns[4], columns[8] = state, 1
				}
				written, err := do.Exec(columns...)
				if err != nil {
					return err
				}
				if n, err := written.RowsAffected(); err != nil || n != 1 {
					return fmt.Errorf("%d rows written of a run that is %s: %w", n, state, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
