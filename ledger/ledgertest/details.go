package ledgertest

import (
	"testing"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
)

var detailCases = map[string]func(*testing.T, ledger.Ledger){
	"details are kept by attempt and joined": func(t *testing.T, l ledger.Ledger) {
		r := occurrence("a", 1)
		same(t, "none", must(l.Details(t.Context(), r.ID))(t), []ledger.Detail{})
		pick := &fleet.Pick{Strategy: fleet.Random, Seed: "s", Chosen: "h", Candidates: []fleet.Candidate{
			{Host: "h", Reason: "chosen", Busy: 2, Preferred: true, Launched: base.UTC(), LastStart: base.UTC()},
			{Host: "i", Refused: "unreachable", Reason: "unreachable"},
		}}
		output := &guard.Output{Head: []byte("\x00\xff head"), Tail: []byte("tail"), Bytes: 1 << 40, Cut: true}
		second := &guard.Output{Head: []byte("second")}
		write := func(d ledger.Detail) {
			t.Helper()
			r = write(t, l, ledger.Change{Run: r, Detail: &d})[0]
		}
		write(ledger.Detail{Attempt: 2, Output: second})
		write(ledger.Detail{Attempt: 1, Pick: pick})
		write(ledger.Detail{Attempt: 1, Output: second})
		write(ledger.Detail{Attempt: 1, Output: output})
		write(ledger.Detail{Attempt: 0, Pick: pick})
		same(t, "details", must(l.Details(t.Context(), r.ID))(t), []ledger.Detail{
			{Attempt: 0, Pick: pick},
			{Attempt: 1, Pick: pick, Output: output},
			{Attempt: 2, Output: second},
		})
	},
	"a refused change leaves no detail": func(t *testing.T, l ledger.Ledger) {
		r := put(t, l, occurrence("a", 1))
		again := ledger.Change{Run: occurrence("a", 1), Detail: &ledger.Detail{Attempt: 1, Pick: &fleet.Pick{}}}
		wantErr(t, outcomes(t, l, again)[0].Err, ledger.ErrExists)
		same(t, "none", must(l.Details(t.Context(), r.ID))(t), []ledger.Detail{})
	},
}
