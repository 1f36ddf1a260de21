package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqliteledger"
	"github.com/solocron/solocron/run"
)

// ended is a run as they are after a plain command.
func ended(job string, due time.Time) run.Run {
	r := run.Run{
		ID: run.ID(job, due), Job: job, Due: due, Trigger: run.Scheduled, State: run.Succeeded,
		StartedAt: due, EndedAt: due.Add(time.Second), StartBy: due.Add(10 * time.Minute), Created: due,
		Spec: "0123456789abcdef0123456789abcdef", Owner: "bench-0123456789", Version: 4,
		Policy: run.Policy{Timeout: time.Hour, Grace: 10 * time.Second, MaxAttempts: 100},
	}
	r.Attempts = []run.Attempt{{
		N: 1, Host: "here", State: run.AttemptSucceeded, Token: "0123456789ABCDEFGHIJ", Fence: 1,
		Intended: due, StartedAt: due, EndedAt: r.EndedAt, ExitCode: new(int), Ref: "0123456789abcdef",
	}}
	r.ExitCode = new(int)
	return r
}

const insertRun = `INSERT INTO runs (id, job, due, through, state, owner, busy_host, ended, version, body)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// row are the columns of a run.
func row(r run.Run) ([]any, error) {
	body, err := json.Marshal(r)
	due := r.Due.UnixMilli()
	return []any{r.ID, r.Job, due, due, string(r.State), r.Owner, "", r.EndedAt.UnixMilli(), r.Version, string(body)}, err
}

// fill puts runs of the jobs that [writeJobs] writes into a ledger, behind its
// back: each was due hourly until the hour before due.
func fill(path string, runs int, due time.Time) error {
	const jobs, together = 10_000, 50_000
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(OFF)&_pragma=cache_size(-200000)")
	if err != nil {
		return err
	}
	for done := 0; done < runs && err == nil; done += together {
		err = inOne(db, insertRun, func(insert *sql.Stmt) error {
			for i := done; i < min(done+together, runs); i++ {
				columns, err := row(ended(fmt.Sprintf("j%05d", i%jobs), due.UTC().Add(-time.Duration(i/jobs+1)*time.Hour)))
				if err == nil {
					_, err = insert.Exec(columns...)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return errors.Join(err, db.Close())
}

// inOne executes a statement some times in one transaction.
func inOne(db *sql.DB, statement string, do func(*sql.Stmt) error) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	prepared, err := tx.Prepare(statement)
	if err == nil {
		err = do(prepared)
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// ledgerRates compares the ledger's writes with bare inserts of the same rows
// into the same tables, both durable.
func (b *bench) ledgerRates() error {
	b.heading("The ledger", "Runs put into SQLite a second, so many in one durable transaction: through the ledger, which reads the run before it\nand decides, and as bare inserts of the same rows by the same driver. Medians of "+fmt.Sprint(b.rounds)+" rounds.")
	fmt.Fprintf(b.out, "| in one transaction | ledger | bare inserts | ratio |\n|---|---|---|---|\n")
	for _, together := range []int{16, 256} {
		var through, inserts []float64
		for i := range b.rounds {
			dir := filepath.Join(b.root, fmt.Sprintf("rate-%d-%d", together, i))
			rate, err := ledgerRate(dir+"-ledger.db", together)
			if err != nil {
				return err
			}
			bare, err := insertRate(dir+"-bare.db", together)
			if err != nil {
				return err
			}
			through, inserts = append(through, rate), append(inserts, bare)
		}
		self := func(f float64) float64 { return f }
		fmt.Fprintf(b.out, "| %d | %.0f | %.0f | %.2f |\n", together, middle(through, self), middle(inserts, self), ratio(through, inserts, self))
	}
	fmt.Fprintln(b.out)
	return nil
}

// measured is how many runs a rate is measured with.
const measured = 8192

// epoch is the due time of the first of them.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func ledgerRate(path string, together int) (rate float64, err error) {
	l, err := sqliteledger.Open(context.Background(), path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	start := time.Now()
	for i := 0; i < measured; i += together {
		changes := make([]ledger.Change, together)
		for k := range changes {
			r := ended("job", epoch.Add(time.Duration(i+k)*time.Second))
			r.Version = 0
			changes[k].Run = r
		}
		outcomes, err := l.Write(context.Background(), changes...)
		if err != nil {
			return 0, err
		}
		for _, o := range outcomes {
			if o.Err != nil {
				return 0, o.Err
			}
		}
	}
	return measured / time.Since(start).Seconds(), nil
}

func insertRate(path string, together int) (rate float64, err error) {
	db, err := openRecord(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	start := time.Now()
	for i := 0; i < measured; i += together {
		err := inOne(db, insertRun, func(insert *sql.Stmt) error {
			for k := range together {
				columns, err := row(ended("job", epoch.Add(time.Duration(i+k)*time.Second)))
				if err == nil {
					_, err = insert.Exec(columns...)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return measured / time.Since(start).Seconds(), nil
}
