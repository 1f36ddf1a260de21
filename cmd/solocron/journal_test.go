package main

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/solocron/solocron/run"
)

// What is no news to a person at the terminal has no line.
func TestJournalNotes(t *testing.T) {
	due := time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)
	tried := func(ended time.Time) []run.Attempt { return []run.Attempt{{N: 1, EndedAt: ended}} }
	for name, c := range map[string]struct {
		r    run.Run
		line bool
	}{
		"planned":                        {run.Run{State: run.Planned}, false},
		"prepared":                       {run.Run{State: run.Starting, Attempts: tried(time.Time{})}, false},
		"taken back before its due time": {run.Run{State: run.Planned, Attempts: tried(due.Add(-time.Second))}, false},
		"refused when it was due":        {run.Run{State: run.Planned, Attempts: tried(due)}, true},
		"running":                        {run.Run{State: run.Running, Attempts: tried(time.Time{})}, true},
		"succeeded":                      {run.Run{State: run.Succeeded, Attempts: tried(due)}, true},
	} {
		j := newJournal(io.Discard, slog.New(slog.DiscardHandler), false, false)
		c.r.Due = due
		j.note(c.r)
		if got := len(j.lines) == 1; got != c.line {
			t.Errorf("%s: a line %v, want %v", name, got, c.line)
		}
	}
}
