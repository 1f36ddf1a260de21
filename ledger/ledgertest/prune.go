package ledgertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

var pruneCases = map[string]func(*testing.T, ledger.Ledger){
	"prune removes what is final and old": func(t *testing.T, l ledger.Ledger) {
		keep := func(r run.Run) string { t.Helper(); return put(t, l, r).ID }
		put(t, l, ended("a", 1, run.Succeeded))
		noEnd := ended("a", 2, run.Skipped)
		noEnd.EndedAt = time.Time{}
		put(t, l, noEnd)
		kept := []string{
			keep(occurrence("a", 3)),
			keep(starting("a", 4, "h")),
			keep(ended("a", 5, run.Lost)),
			keep(ended("a", 6, run.Failed)), // the latest scheduled run of a
			keep(ended("b", 1, run.Failed)), // and of b
			keep(ended("c", 20, run.TimedOut)),
		}
		manual := ended("a", 9, run.Cancelled)
		manual.Trigger, manual.ID = run.Manual, run.ManualID("a", manual.Due, "abcd")
		put(t, l, manual)
		ranged := ended("d", 1, run.Skipped)
		ranged.Trigger, ranged.Until = run.CaughtUp, occurrence("d", 5).Due
		kept = append(kept, keep(ranged))
		put(t, l, ended("d", 4, run.Succeeded))

		same(t, "removed", must(l.Prune(t.Context(), occurrence("", 15).Due))(t), 4)
		left := ids(must(l.Runs(t.Context(), ledger.Query{}))(t))
		slices.Sort(left)
		slices.Sort(kept)
		same(t, "left", left, kept)
		same(t, "nothing more", must(l.Prune(t.Context(), occurrence("", 15).Due))(t), 0)
		put(t, l, ended("a", 1, run.Succeeded)) // gone for good, so it can be made again
	},
	"prune looks at the end, not at the due time": func(t *testing.T, l ledger.Ledger) {
		long := ended("a", 1, run.Succeeded)
		long.EndedAt = occurrence("a", 9).Due
		put(t, l, long)
		put(t, l, ended("a", 10, run.Succeeded))
		same(t, "before", must(l.Prune(t.Context(), long.EndedAt))(t), 0)
		same(t, "after", must(l.Prune(t.Context(), long.EndedAt.Add(time.Millisecond)))(t), 1)
	},
	"prune takes details and settled notices along": func(t *testing.T, l ledger.Ledger) {
		r := write(t, l, ledger.Change{
			Run: ended("a", 1, run.Failed), Detail: &ledger.Detail{Attempt: 1, Pick: &fleet.Pick{Seed: "s"}},
			Notices: []ledger.Notice{notice("settled", 0), notice("open", 0)},
		})[0]
		put(t, l, ended("a", 2, run.Succeeded))
		settle(t, l, "settled", ledger.Settlement{At: base})
		before := occurrence("", 9).Due
		same(t, "removed", must(l.Prune(t.Context(), before))(t), 1)
		same(t, "details", must(l.Details(t.Context(), r.ID))(t), []ledger.Detail{})
		same(t, "notices", noticeIDs(must(l.Notices(t.Context(), r.ID))(t)), []string{"open"})
		same(t, "still to be told", noticeIDs(takeAll(t, l, base)), []string{"open"})
		settle(t, l, "open", ledger.Settlement{At: base})
		must(l.Prune(t.Context(), before))(t)
		same(t, "notices", must(l.Notices(t.Context(), r.ID))(t), []ledger.Notice{})
	},
	"prune goes through many runs": func(t *testing.T, l ledger.Ledger) {
		const runs = 1001
		var changes []ledger.Change
		for i := range runs {
			changes = append(changes, ledger.Change{Run: ended(fmt.Sprint("job-", i%3), i, run.Succeeded)})
		}
		write(t, l, changes...)
		same(t, "removed", must(l.Prune(t.Context(), occurrence("", 2000).Due))(t), runs-3)
	},
}
