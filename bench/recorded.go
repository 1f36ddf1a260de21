package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/solocron/solocron/ledger/sqliteledger"
)

// A recorded timer is the bare timer with as much on disk for each command as solocron
// has by its promise, in one process that does nothing else: a run directory before
// the due time, the intent, the go and the end each committed, the output kept. What it
// costs is what keeping the promise costs at least.

// together is how many changes it commits at a time.
const together = 256

const updateRun = `UPDATE runs SET state = ?, version = version + 1, body = ? WHERE id = ? AND version = ?`

// recorded is the recorded timer, with the bare timer's arguments. It writes beside the
// file that the last of them names.
func recorded(args []string) error {
	due, n, err := dueAndCount(args)
	if err != nil {
		return err
	}
	dir := filepath.Dir(args[len(args)-1])
	db, err := openRecord(filepath.Join(dir, "recorded.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	r := record{db: db, dir: dir, due: due, n: n}
	if err := errors.Join(r.prepare(), r.commit(insertRun, "starting", 0, n)); err != nil {
		return err
	}
	time.Sleep(time.Until(due) - time.Second)
	if err := r.commit(updateRun, "running", 1, n); err != nil {
		return err
	}
	time.Sleep(time.Until(due))
	started, outputs := make([]*exec.Cmd, n), make([]bytes.Buffer, n)
	for i := range started {
		started[i] = exec.Command(args[2], args[3:]...)
		started[i].Stdout, started[i].Stderr = &outputs[i], &outputs[i]
		if err := started[i].Start(); err != nil {
			return err
		}
	}
	for i, c := range started {
		if err := errors.Join(c.Wait(), os.WriteFile(r.file(i, "result"), fmt.Appendf(nil, "end exited\ncode 0\nfrom %d\nto %d\n.\n", due.UnixMilli(), time.Now().UnixMilli()), 0o600)); err != nil {
			return err
		}
	}
	if err := r.commit(updateRun, "succeeded", 2, n); err != nil {
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

type record struct {
	db  *sql.DB
	dir string
	due time.Time
	n   int
}

func (r record) file(i int, name string) string {
	return filepath.Join(r.dir, "run", strconv.Itoa(i), name)
}

// prepare makes the run directories with the files of solocron's, synced.
func (r record) prepare() error {
	for i := range r.n {
		if err := os.MkdirAll(r.file(i, ""), 0o700); err != nil {
			return err
		}
		for _, name := range []string{"guard", "result", "total"} {
			if err := makeFile(r.file(i, name), name == "guard"); err != nil {
				return err
			}
		}
		folder, err := os.Open(r.file(i, ""))
		if err != nil {
			return err
		}
		err = errors.Join(os.Link(r.file(i, "guard"), r.file(i, "watcher")), os.Link(r.file(i, "guard"), r.file(i, "supervisor")), folder.Sync(), folder.Close())
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
func (r record) commit(statement, state string, version, n int) error {
	for some := range slices.Chunk(numbers(n), together) {
		err := inOne(r.db, statement, func(do *sql.Stmt) error {
			for _, i := range some {
				columns, err := row(ended(fmt.Sprintf("j%05d", i), r.due))
				if err != nil {
					return err
				}
				if statement == updateRun {
					columns = []any{state, columns[len(columns)-1], columns[0], version}
				} else {
					columns[4], columns[8] = state, 1
				}
				if _, err := do.Exec(columns...); err != nil {
					return err
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

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
