package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/solocron/solocron/run"
)

// journal prints a line for every run that starts or ends, without ever making
// the scheduler wait: if nobody takes the lines, they are counted instead.
type journal struct {
	out     io.Writer
	log     *slog.Logger
	json    bool
	color   bool
	lines   chan run.Run
	dropped atomic.Int64
}

func newJournal(out io.Writer, log *slog.Logger, asJSON, color bool) *journal {
	return &journal{out: out, log: log, json: asJSON, color: color, lines: make(chan run.Run, 4096)}
}

// note takes a run as it was just stored.
func (j *journal) note(r run.Run) {
	// Nor is it news that a run was prepared, and that this was taken back.
	if r.State == run.Starting || r.State == run.Planned && (len(r.Attempts) == 0 || r.Attempt().EndedAt.Before(r.Due)) {
		return
	}
	select {
	case j.lines <- r:
	default:
		j.dropped.Add(1)
	}
}

// print writes what was noted until ctx is done and nothing is left.
func (j *journal) print(ctx context.Context) {
	for {
		select {
		case r := <-j.lines:
			j.line(r)
			continue
		default:
		}
		if n := j.dropped.Swap(0); n > 0 {
			j.log.Warn("the terminal is slow; lines about runs were left out", "lines", n)
		}
		select {
		case r := <-j.lines:
			j.line(r)
		case <-ctx.Done():
			return
		}
	}
}

func (j *journal) line(r run.Run) {
	if j.json {
		j.log.Info("run", "run", r.ID, "job", r.Job, "state", r.State, "host", r.Host(), "reason", r.Reason, "exit_code", r.ExitCode)
		return
	}
	at := r.EndedAt
	switch r.State {
	case run.Running:
		at = r.StartedAt
	case run.Planned:
		at = r.Attempt().EndedAt
	}
	host := r.Host()
	if host == "" {
		host = "-"
	}
	// A terminal that is gone is no reason to stop scheduling.
	_, _ = fmt.Fprintf(j.out, "%s  %-16s %-10s %s  %s\n", at.Local().Format(time.TimeOnly), r.Job, host,
		colored(j.color, r.State, fmt.Sprintf("%-9s", r.State)), sanitize(ending(r)))
}

// ending says how a run stands in a few words.
func ending(r run.Run) string {
	text := ""
	if r.State == run.Failed && r.ExitCode != nil {
		text = fmt.Sprintf("exit %d ", *r.ExitCode)
	}
	if !r.StartedAt.IsZero() && r.EndedAt.After(r.StartedAt) {
		text += "after " + r.EndedAt.Sub(r.StartedAt).Round(time.Millisecond).String() + " "
	}
	switch {
	case r.State == run.Running && r.Trigger == run.Manual:
		return fmt.Sprintf("%d ms after %s asked for it", r.StartedAt.Sub(r.Created).Milliseconds(), r.By)
	case r.State == run.Running:
		return fmt.Sprintf("%d ms after its due time", r.StartedAt.Sub(r.Due).Milliseconds())
	}
	return text + r.Reason
}
