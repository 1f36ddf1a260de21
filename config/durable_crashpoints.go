//go:build crashpoints

package config

import (
	"context"
	"time"

	"github.com/solocron/solocron/crash"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// durable marks every write to the ledger, see package crash.
func durable(l ledger.Ledger) ledger.Ledger { return marked{l, l} }

// marked is a ledger whose writes have crash points. It names the reads that it
// passes on, so that a new method does not compile before somebody has said
// which of the two it is.
type marked struct {
	reads
	l ledger.Ledger
}

type reads interface {
	Run(ctx context.Context, id string) (run.Run, error)
	Runs(ctx context.Context, q ledger.Query) ([]run.Run, error)
	Details(ctx context.Context, id string) ([]ledger.Detail, error)
	Busy(ctx context.Context) (map[string]int, error)
	Jobs(ctx context.Context) ([]ledger.Job, error)
	Job(ctx context.Context, name string) (ledger.Job, error)
	Spec(ctx context.Context, hash string) ([]byte, error)
	Owners(ctx context.Context, now time.Time) ([]string, error)
	Notices(ctx context.Context, runID string) ([]ledger.Notice, error)
	Mark(ctx context.Context) (ledger.Mark, error)
	Close() error
}

// write performs one write between its points.
func write[T any](what string, do func() (T, error)) (T, error) {
	crash.Before("ledger", what)
	v, err := do()
	crash.After("ledger", what)
	return v, err
}

// writeOnly is write for those that return nothing.
func writeOnly(what string, do func() error) error {
	_, err := write(what, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (m marked) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	return write(nameOf(changes[0]), func() ([]ledger.Outcome, error) { return m.l.Write(ctx, changes...) })
}

// nameOf is what a change records: the state, and what sets it apart from others
// that lead there.
func nameOf(c ledger.Change) string {
	name := string(c.Run.State)
	switch {
	case c.Run.State == run.Starting && len(c.Run.Attempts) > 1:
		name = "another " + name
	case c.Run.State == run.Planned && len(c.Run.Attempts) > 0:
		name += " again"
	case c.Run.State.Open() && c.Run.Cancel != "":
		name += ", to be cancelled"
	}
	if len(c.Notices) > 0 {
		name += " with notices"
	}
	return name
}

func (m marked) PutJobs(ctx context.Context, now time.Time, jobs ...ledger.JobSpec) error {
	return writeOnly("jobs", func() error { return m.l.PutJobs(ctx, now, jobs...) })
}

func (m marked) Retire(ctx context.Context, now time.Time, job, hash string) error {
	return writeOnly("retire", func() error { return m.l.Retire(ctx, now, job, hash) })
}

func (m marked) Check(ctx context.Context, job string, through time.Time) error {
	return writeOnly("check", func() error { return m.l.Check(ctx, job, through) })
}

func (m marked) Pause(ctx context.Context, job string, p ledger.Pause) error {
	return writeOnly("pause", func() error { return m.l.Pause(ctx, job, p) })
}

func (m marked) Beat(ctx context.Context, owner string, now time.Time, ttl time.Duration) (ledger.Mark, error) {
	return write("beat", func() (ledger.Mark, error) { return m.l.Beat(ctx, owner, now, ttl) })
}

func (m marked) Halt(ctx context.Context, why string) error {
	return writeOnly("halt", func() error { return m.l.Halt(ctx, why) })
}

func (m marked) Resume(ctx context.Context, now time.Time, fences int64, mark ledger.Mark) error {
	return writeOnly("resume", func() error { return m.l.Resume(ctx, now, fences, mark) })
}

func (m marked) Leave(ctx context.Context, owner string) error {
	return writeOnly("leave", func() error { return m.l.Leave(ctx, owner) })
}

func (m marked) TakeNotices(ctx context.Context, target string, now time.Time, lease time.Duration, limit int) ([]ledger.Notice, error) {
	return write("take notices", func() ([]ledger.Notice, error) { return m.l.TakeNotices(ctx, target, now, lease, limit) })
}

func (m marked) SettleNotice(ctx context.Context, id string, s ledger.Settlement) error {
	return writeOnly("settle notice", func() error { return m.l.SettleNotice(ctx, id, s) })
}

func (m marked) Prune(ctx context.Context, before time.Time) (int, error) {
	return write("prune", func() (int, error) { return m.l.Prune(ctx, before) })
}
