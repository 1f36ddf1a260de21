package ledgertest

import (
	"errors"
	"testing"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

func wantBusy(t *testing.T, err error, holder string) {
	t.Helper()
	busy, ok := errors.AsType[*ledger.BusyError](err)
	if !ok || busy.Holder != holder {
		t.Fatalf("got %v, want the slot held by %s", err, holder)
	}
}

var slotCases = map[string]func(*testing.T, ledger.Ledger){
	"a slot is held by one run": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, base, "a", "w")
		first := write(t, l, take(starting("a", 1, "h")))[0]
		same(t, "holder", holder(t, l, "a"), first.ID)

		second := starting("a", 2, "h")
		out := outcomes(t, l, take(second))[0]
		wantBusy(t, out.Err, first.ID)
		_, err := l.Run(t.Context(), second.ID)
		wantErr(t, err, ledger.ErrNotFound) // refused as a whole

		write(t, l, take(starting("b", 1, "h"))) // another job's slot is its own
	},
	"a slot is taken again by its holder": func(t *testing.T, l ledger.Ledger) {
		r := write(t, l, take(starting("a", 1, "h1")))[0]
		r.Attempts = append(r.Attempts, run.Attempt{N: 2, Host: "h2", State: run.AttemptStarting})
		r = write(t, l, take(r))[0]
		if r.Attempts[0].Fence != 1 || r.Attempts[1].Fence != 2 {
			t.Fatalf("fences %d, %d, want 1, 2", r.Attempts[0].Fence, r.Attempts[1].Fence)
		}
	},
	"a slot is released by its holder only": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, base, "a", "w")
		first := write(t, l, take(starting("a", 1, "h")))[0]
		other := put(t, l, occurrence("a", 2))
		release := ledger.Slot{Op: ledger.SlotRelease}
		write(t, l, ledger.Change{Run: other, Slot: release})
		same(t, "holder", holder(t, l, "a"), first.ID)
		write(t, l, ledger.Change{Run: first, Slot: release})
		same(t, "holder", holder(t, l, "a"), "")
		write(t, l, take(starting("a", 3, "h")))
	},
	"a slot is taken over from the named run only": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, base, "a", "w")
		first := write(t, l, take(starting("a", 1, "h")))[0]
		next := starting("a", 2, "h")
		from := func(id string) ledger.Change {
			return ledger.Change{Run: next, Slot: ledger.Slot{Op: ledger.SlotTake, From: id}}
		}
		wantBusy(t, outcomes(t, l, from("another"))[0].Err, first.ID)
		got := write(t, l, from(first.ID))[0]
		same(t, "holder", holder(t, l, "a"), next.ID)
		if got.Attempts[0].Fence != 2 {
			t.Fatalf("fence %d, want 2", got.Attempts[0].Fence)
		}
		third := ledger.Change{Run: starting("b", 1, "h"), Slot: ledger.Slot{Op: ledger.SlotTake, From: "gone"}}
		write(t, l, third) // nobody holds it: From asks for nothing
	},
	"sharing takes a number and holds nothing": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, base, "a", "w")
		first := write(t, l, take(starting("a", 1, "h")))[0]
		shared := write(t, l, ledger.Change{Run: starting("a", 2, "h"), Slot: ledger.Slot{Op: ledger.SlotShare}})[0]
		if shared.Attempts[0].Fence != 2 {
			t.Fatalf("fence %d, want 2", shared.Attempts[0].Fence)
		}
		j := job(t, l, "a")
		same(t, "holder", j.Holder, first.ID)
		same(t, "last fence", j.Fence, int64(2))
	},
	"keeping takes no number": func(t *testing.T, l ledger.Ledger) {
		r := write(t, l, take(starting("a", 1, "h")))[0]
		r.State = run.Running
		r = put(t, l, r)
		if r.Attempts[0].Fence != 1 {
			t.Fatalf("fence %d, want 1", r.Attempts[0].Fence)
		}
	},
	"a refused take gives no number away": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, base, "a", "w")
		r := write(t, l, take(starting("a", 1, "h")))[0]
		stale := r
		stale.Version = 9
		wantErr(t, outcomes(t, l, take(stale))[0].Err, ledger.ErrStale)
		wantBusy(t, outcomes(t, l, take(starting("a", 2, "h")))[0].Err, r.ID)
		same(t, "last fence", job(t, l, "a").Fence, int64(1))
	},
	"a slot outlives and precedes its job's entry": func(t *testing.T, l ledger.Ledger) {
		r := write(t, l, take(starting("never-put", 1, "h")))[0]
		same(t, "jobs ever put", len(must(l.Jobs(t.Context()))(t)), 0)
		putJob(t, l, base, "never-put", "w")
		j := job(t, l, "never-put")
		same(t, "holder", j.Holder, r.ID)
		same(t, "last fence", j.Fence, int64(1))
		if j.Since.IsZero() {
			t.Fatal("a job put for the first time is owed from now on")
		}
	},
}
