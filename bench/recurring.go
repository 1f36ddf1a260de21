package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// One scheduler that stays, whose jobs come due again and again.
const (
	recurring     = 1000 // jobs
	recurringTurn = 15 * time.Second
	goalFirst     = 30 * time.Millisecond // in every round
)

// drift measures whether starts become later as time goes by.
func (b *bench) drift() error {
	turns := 4 * b.rounds
	b.heading("Due again and again", fmt.Sprintf("One solocron, %d jobs that are due together every %v, %d times. Lateness in milliseconds, medians.", recurring, recurringTurn, turns))
	rounds, err := b.turns(turns)
	if err != nil {
		return err
	}
	figures := columns[:4] // how late
	b.tableHead("due at once", figures)
	for _, part := range []struct {
		name   string
		rounds []round
	}{
		{"all due times", rounds},
		{"the first quarter", rounds[:b.rounds]},
		{"the last quarter", rounds[len(rounds)-b.rounds:]},
	} {
		b.row(strconv.Itoa(recurring), part.name, figures, func(c column) string { return fmt.Sprintf(c.form, middle(part.rounds, c.of)) })
	}
	fmt.Fprint(b.out, "\n| what | figure | goal | |\n|---|---|---|---|\n")
	b.judge("latest first start of all, ms", most(rounds, columns[0].of), ms(goalFirst))
	fmt.Fprintln(b.out)
	return nil
}

// turns has a solocron start its jobs so many times.
func (b *bench) turns(turns int) (rounds []round, err error) {
	dir, err := os.MkdirTemp(b.root, "turns-")
	if err != nil {
		return nil, err
	}
	stamps := filepath.Join(dir, "stamps")
	jobs := filepath.Join(dir, "jobs.yaml")
	when := fmt.Sprintf("*/%d * * * * *", int(recurringTurn.Seconds()))
	e := errand{n: recurring, ledger: filepath.Join(dir, "ledger.db")}
	if err := writeJobs(jobs, e, when, b.built+"stamp "+stamps); err != nil {
		return nil, err
	}
	daemon := exec.Command(b.solocron, "serve", "--file", jobs)
	begun := time.Now()
	if err := daemon.Start(); err != nil {
		return nil, err
	}
	// The first due time for which there is all the time to prepare.
	first := begun.Add(2*recurringTurn - 1).Truncate(recurringTurn)
	last := first.Add(time.Duration(turns-1) * recurringTurn)
	starts, err := waitTurns(stamps, last)
	_ = daemon.Process.Signal(os.Interrupt)
	if err := errors.Join(err, daemon.Wait(), reap(b.stay...)); err != nil {
		return nil, err
	}
	for due := first; !due.After(last); due = due.Add(recurringTurn) {
		r, err := sumUp(starts[due.Unix()], recurring, due)
		if err != nil {
			return nil, fmt.Errorf("due at %s: %w", due.Format(time.TimeOnly), err)
		}
		rounds = append(rounds, r)
	}
	return rounds, nil
}

// waitTurns waits until all that is due last has started, and returns when everything
// started, by the second of its due time.
func waitTurns(stamps string, last time.Time) (map[int64][]time.Time, error) {
	time.Sleep(time.Until(last))
	for deadline := last.Add(recurringTurn - time.Second); ; time.Sleep(200 * time.Millisecond) {
		all, err := readStamps(stamps)
		if err != nil {
			return nil, err
		}
		starts := map[int64][]time.Time{}
		for _, start := range all {
			due := start.Truncate(recurringTurn).Unix()
			starts[due] = append(starts[due], start)
		}
		if len(starts[last.Unix()]) >= recurring || time.Now().After(deadline) {
			return starts, nil
		}
	}
}
