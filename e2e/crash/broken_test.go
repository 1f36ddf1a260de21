package crash

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// sound is a history with nothing to complain of: six due times of one job.
func sound() *history {
	since := time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)
	at := func(n int) time.Time { return since.Add(time.Duration(n) * time.Second) }
	var fence int64
	attempt := func(n int, state run.AttemptState) run.Attempt {
		fence++
		return run.Attempt{N: n, State: state, Fence: fence, Reason: "a proof"}
	}
	r := func(n int, state run.State, attempts ...run.Attempt) run.Run {
		return run.Run{ID: run.ID("j", at(n)), Job: "j", Due: at(n), State: state, Attempts: attempts}
	}
	moved := r(1, run.Succeeded, attempt(1, run.AttemptNotStarted), attempt(2, run.AttemptSucceeded))
	retried := r(2, run.Succeeded, attempt(1, run.AttemptFailed), attempt(2, run.AttemptSucceeded))
	retried.Policy.Retries = 1
	missed := r(5, run.Skipped)
	missed.Until, missed.Count = at(6), 2
	return &history{
		File: &job.File{Jobs: []job.Job{{Name: "j", Overlap: job.Skip, When: schedule.Spec{Expr: "every 1s"}}}},
		Jobs: []ledger.Job{{Name: "j", Since: since}},
		Runs: []run.Run{
			moved,
			retried,
			r(3, run.Failed, attempt(1, run.AttemptFailed)),
			r(4, run.Lost, attempt(1, run.AttemptLost)),
			missed,
		},
		Starts: []start{
			{run.ID("j", at(1)), 2, 2}, {run.ID("j", at(2)), 1, 3}, {run.ID("j", at(2)), 2, 4},
			{run.ID("j", at(3)), 1, 5}, {run.ID("j", at(4)), 1, 6},
		},
		Told:  map[string]bool{run.ID("j", at(3)): true, run.ID("j", at(4)): true},
		Until: at(7),
	}
}

// TestCheckSeesBrokenHistories breaks a sound history in every way that the
// promise forbids.
func TestCheckSeesBrokenHistories(t *testing.T) {
	t.Parallel()
	if broken := sound().check(); broken != nil {
		t.Fatalf("a sound history: %q", broken)
	}
	tests := []struct {
		want  string
		wreck func(h *history)
	}{
		{"attempt 2 started 2 times", func(h *history) { h.Starts = append(h.Starts, h.Starts[0]) }},
		{"attempt 1 started and is recorded as not started", func(h *history) { h.Starts = append(h.Starts, start{h.Runs[0].ID, 1, 1}) }},
		{"started and is not on record", func(h *history) { h.Starts[0].Run = run.ID("j", h.Until) }},
		{"attempt 3 started and is not on record", func(h *history) { h.Starts[0].Attempt = 3 }},
		{"is recorded as skipped", func(h *history) { h.Starts = append(h.Starts, start{h.Runs[4].ID, 1, 9}) }},
		{"succeeded without having started", func(h *history) { h.Starts = h.Starts[1:] }},
		{"is still planned", func(h *history) { h.Runs[4].State, h.Left = run.Planned, h.Runs[4].Due }},
		{"is still running", func(h *history) { h.Runs[0].State = run.Running }},
		{"attempt 2 is still starting", func(h *history) { h.Runs[0].Attempts[1].State = run.AttemptStarting }},
		{"without proof", func(h *history) { h.Runs[0].Attempts[0].Reason = "" }},
		{"attempt 2 came after one that was lost", func(h *history) { h.Runs[0].Attempts[0].State = run.AttemptLost }},
		{"attempt 2 came after one that was failed", func(h *history) { h.Runs[1].Policy.Retries = 0 }},
		{"attempt 2 came after one that was succeeded", func(h *history) { h.Runs[1].Attempts[0].State = run.AttemptSucceeded }},
		{"nobody was told", func(h *history) { delete(h.Told, h.Runs[2].ID) }},
		{"is lost and nobody was told", func(h *history) { delete(h.Told, h.Runs[3].ID) }},
		{"has the fence of run", func(h *history) { h.Runs[2].Attempts[0].Fence = 1 }},
		{"has fence 3 after 4", func(h *history) { h.Runs[1].Attempts[0].Fence, h.Runs[1].Attempts[1].Fence = 4, 3 }},
		{"started with fence 7, and 5 is recorded", func(h *history) { h.Starts[3].Fence = 7 }},
		{"started with fence 5 after run", func(h *history) { slices.Reverse(h.Starts) }},
		{"nothing is recorded from 2026-11-22 02:30:03", func(h *history) { h.Runs = slices.Delete(h.Runs, 2, 3) }},
		{"nothing is recorded from 2026-11-22 02:30:05 +0000 UTC on", func(h *history) { h.Runs = h.Runs[:4] }},
		{"of no due time, or of one that has its record", func(h *history) { h.Runs[4].Due = h.Runs[3].Due }},
	}
	for _, tt := range tests {
		h := sound()
		tt.wreck(h)
		broken := h.check()
		if !slices.ContainsFunc(broken, func(said string) bool { return strings.Contains(said, tt.want) }) {
			t.Errorf("want a complaint that %q, got %q", tt.want, broken)
		}
	}
}

func TestReadWitness(t *testing.T) {
	t.Parallel()
	starts, err := readWitness("j@20261122T023000Z 1 7\n")
	if err != nil || !slices.Equal(starts, []start{{"j@20261122T023000Z", 1, 7}}) {
		t.Errorf("read %+v, %v", starts, err)
	}
	if _, err := readWitness("j@20261122T023000Z 1\n"); err == nil {
		t.Error("a torn line was taken")
	}
}
