package ledgertest

import (
	"testing"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/ledger"
)

// Reopen tests that everything is there again after the ledger was closed.
func Reopen(t *testing.T, place Place) {
	open := place(t)
	l := open(t)
	putJob(t, l, base, "a", "w")
	detail := ledger.Detail{Attempt: 1, Pick: &fleet.Pick{Seed: "s"}}
	r := write(t, l, ledger.Change{
		Run: starting("a", 1, "h"), Slot: ledger.Slot{Op: ledger.SlotTake},
		Detail: &detail, Notices: []ledger.Notice{notice("n", 0)},
	})[0]
	mark := must(l.Beat(t.Context(), "o", base, time.Minute))(t)
	before := job(t, l, "a")
	for range 2 { // repeating is safe
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Write(t.Context(), ledger.Change{Run: occurrence("a", 2)}); err == nil {
		t.Fatal("a closed ledger took a write")
	}

	l = open(t)
	same(t, "run", must(l.Run(t.Context(), r.ID))(t), r)
	same(t, "job", job(t, l, "a"), before)
	same(t, "details", must(l.Details(t.Context(), r.ID))(t), []ledger.Detail{detail})
	same(t, "owners", must(l.Owners(t.Context(), base))(t), []string{"o"})
	same(t, "mark", must(l.Mark(t.Context()))(t), mark)
	same(t, "notices", noticeIDs(takeAll(t, l, base)), []string{"n"})
	same(t, "spec", string(must(l.Spec(t.Context(), "hash of a"))(t)), `{"a":1}`)
	wantBusy(t, outcomes(t, l, take(starting("a", 2, "h")))[0].Err, r.ID)
}

// Share tests the races with several handles of one ledger, as several
// schedulers have them.
func Share(t *testing.T, place Place) {
	for name, test := range map[string]func(*testing.T, ...ledger.Ledger){
		"create": raceCreate, "take": raceTake, "change": raceChange,
		"share": raceShare, "replace": raceReplace, "beats": raceBeats, "crossing jobs": raceCrossing, "notices": raceNotices,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := place(t)
			test(t, open(t), open(t), open(t))
		})
	}
}
