package ledgertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

var runCases = map[string]func(*testing.T, ledger.Ledger){
	"a run is created once": func(t *testing.T, l ledger.Ledger) {
		first := put(t, l, occurrence("a", 1))
		if first.Version != 1 {
			t.Fatalf("version %d, want 1", first.Version)
		}
		second := occurrence("a", 1)
		second.Owner = "someone else"
		out := outcomes(t, l, ledger.Change{Run: second})[0]
		wantErr(t, out.Err, ledger.ErrExists)
		same(t, "the run in the way", out.Run, first)
	},
	"a run is changed from its current version only": func(t *testing.T, l ledger.Ledger) {
		v1 := put(t, l, occurrence("a", 1))
		next := v1
		next.State = run.Skipped
		v2 := put(t, l, next)
		if v2.Version != 2 || v2.State != run.Skipped {
			t.Fatalf("stored %s at version %d", v2.State, v2.Version)
		}
		next.State = run.Failed
		out := outcomes(t, l, ledger.Change{Run: next})[0]
		wantErr(t, out.Err, ledger.ErrStale)
		same(t, "the run in the way", out.Run, v2)
		same(t, "the stored run", must(l.Run(t.Context(), v1.ID))(t), v2)
	},
	"a change of an unknown run is refused": func(t *testing.T, l ledger.Ledger) {
		r := occurrence("a", 1)
		r.Version = 3
		wantErr(t, outcomes(t, l, ledger.Change{Run: r})[0].Err, ledger.ErrNotFound)
		_, err := l.Run(t.Context(), r.ID)
		wantErr(t, err, ledger.ErrNotFound)
	},
	"one change's refusal does not touch the others": func(t *testing.T, l ledger.Ledger) {
		old := put(t, l, occurrence("a", 1))
		stale := old
		stale.Version = 7
		out := outcomes(t, l,
			ledger.Change{Run: occurrence("b", 1)},
			ledger.Change{Run: stale, Notices: []ledger.Notice{notice("refused", 0)}},
			ledger.Change{Run: occurrence("a", 1)},
			ledger.Change{Run: occurrence("c", 1), Notices: []ledger.Notice{notice("kept", 0)}},
		)
		wantErr(t, out[1].Err, ledger.ErrStale)
		wantErr(t, out[2].Err, ledger.ErrExists)
		for _, i := range []int{0, 3} {
			if out[i].Err != nil {
				t.Fatalf("change %d: %v", i, out[i].Err)
			}
			same(t, "run", must(l.Run(t.Context(), out[i].Run.ID))(t), out[i].Run)
		}
		same(t, "notices", noticeIDs(takeAll(t, l, base)), []string{"kept"})
	},
	"changes of one write see each other in order": func(t *testing.T, l ledger.Ledger) {
		second := starting("a", 1, "h")
		second.Version = 1
		out := outcomes(t, l,
			ledger.Change{Run: occurrence("a", 1)},
			take(second),
			take(starting("a", 2, "h")),
			ledger.Change{Run: occurrence("a", 1)},
		)
		if out[0].Err != nil || out[1].Err != nil || out[1].Run.Version != 2 {
			t.Fatalf("create %v, change %v to version %d", out[0].Err, out[1].Err, out[1].Run.Version)
		}
		wantBusy(t, out[2].Err, second.ID)
		wantErr(t, out[3].Err, ledger.ErrExists)
		same(t, "the run in the way", out[3].Run, out[1].Run)
	},
	"no changes, no outcomes": func(t *testing.T, l ledger.Ledger) { outcomes(t, l) },
	"many changes in one write": func(t *testing.T, l ledger.Ledger) {
		changes := make([]ledger.Change, 1000)
		for i := range changes {
			changes[i] = take(starting(fmt.Sprintf("job-%d", (i*7)%1000), 1, "h"))
		}
		for i, r := range write(t, l, changes...) {
			if r.Job != changes[i].Run.Job {
				t.Fatalf("outcome %d is of job %s, want %s", i, r.Job, changes[i].Run.Job)
			}
		}
	},
	"every field survives, times in UTC to the millisecond": func(t *testing.T, l ledger.Ledger) {
		full := fullRun()
		got := put(t, l, full)
		want := full
		want.Version = 1
		ms := base.UTC().Truncate(time.Millisecond)
		for _, p := range []*time.Time{&want.StartedAt, &want.EndedAt, &want.NotBefore, &want.StartBy, &want.Until, &want.Created} {
			*p = ms
		}
		want.Attempts = []run.Attempt{full.Attempts[0]}
		a := &want.Attempts[0]
		a.Intended, a.StartedAt, a.EndedAt = ms, ms, ms
		same(t, "outcome", got, want)
		same(t, "read back", must(l.Run(t.Context(), full.ID))(t), want)
		same(t, "listed", must(l.Runs(t.Context(), ledger.Query{}))(t), []run.Run{want})
	},
	"odd text survives": func(t *testing.T, l ledger.Ledger) {
		r := occurrence("a", 1)
		r.Reason = "NUL \x00, quote ', \u2028, 日本, 🦀 and a \\"
		got := put(t, l, r)
		same(t, "reason", got.Reason, r.Reason)
		same(t, "reason", must(l.Run(t.Context(), r.ID))(t).Reason, r.Reason)
	},
	"the caller's run is its own": func(t *testing.T, l ledger.Ledger) {
		r := starting("a", 1, "h")
		got := write(t, l, take(r))[0]
		if r.Attempts[0].Fence != 0 || got.Attempts[0].Fence != 1 {
			t.Fatalf("fence %d in the caller's run, %d in the stored one", r.Attempts[0].Fence, got.Attempts[0].Fence)
		}
	},
}

// fullRun has a value in every field, and times that no ledger keeps exactly.
func fullRun() run.Run {
	code := 3
	r := occurrence("full", 1)
	r.Due = r.Due.In(base.Location())
	want := run.Run{
		ID: r.ID, Job: r.Job, Due: r.Due.UTC(), Trigger: run.CaughtUp, By: "me", State: run.Failed, Reason: "exit 3",
		Attempts: []run.Attempt{{
			N: 1, Host: "h", State: run.AttemptFailed, Reason: "why", Token: "t", Fence: 9, Intended: base,
			StartedAt: base, EndedAt: base, ExitCode: &code, Ref: "ref", Note: "note",
		}},
		ExitCode: &code, StartedAt: base, EndedAt: base, NotBefore: base, StartBy: base, Until: base, Count: 4,
		Cancel: "asked", Failures: 2, Spec: "hash", Owner: "daemon", Created: base,
		Policy: run.Policy{
			Timeout: time.Hour, Grace: 10 * time.Second, Idempotent: true, Retries: 3,
			RetryOn: []run.State{run.Failed, run.TimedOut}, Backoff: time.Second, MaxBackoff: time.Minute, MaxAttempts: 5,
		},
	}
	return want
}

var contextCases = map[string]func(*testing.T, ledger.Ledger){
	"a cancelled context ends a call with its cause": func(t *testing.T, l ledger.Ledger) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := l.Write(ctx, ledger.Change{Run: occurrence("a", 1)})
		wantErr(t, err, context.Canceled)
		_, err = l.Run(ctx, "a")
		wantErr(t, err, context.Canceled)
		_, err = l.Runs(ctx, ledger.Query{})
		wantErr(t, err, context.Canceled)
		_, err = l.Beat(ctx, "o", base, time.Minute)
		wantErr(t, err, context.Canceled)
		put(t, l, occurrence("b", 1)) // the ledger goes on
	},
}
