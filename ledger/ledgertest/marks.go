package ledgertest

import (
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

var markCases = map[string]func(*testing.T, ledger.Ledger){
	"the mark grows with every beat": func(t *testing.T, l ledger.Ledger) {
		var last ledger.Mark
		for i := range 5 {
			m := beat(t, l, hours(i))
			if m.Ledger == "" || last.Ledger != "" && m.Ledger != last.Ledger || m.Beats <= last.Beats {
				t.Fatalf("%+v after %+v", m, last)
			}
			same(t, "time", m.At, hours(i))
			same(t, "as read", must(l.Mark(t.Context()))(t), m)
			last = m
		}
	},
	"a halt stays, with its first reason, until the ledger is resumed": func(t *testing.T, l ledger.Ledger) {
		m := beat(t, l, base)
		for _, why := range []string{"first", "second"} {
			if err := l.Halt(t.Context(), why); err != nil {
				t.Fatal(err)
			}
			same(t, "halted", must(l.Mark(t.Context()))(t).Halted, "first")
		}
		same(t, "told by a beat", beat(t, l, base).Halted, "first")
		wantErr(t, beat(t, l, base).Follows(m), ledger.ErrWentBack)
		resume(t, l, hours(1), 0, ledger.Mark{Ledger: m.Ledger, Beats: 100})
		same(t, "halted no more", beat(t, l, base).Halted, "")
	},
	"a resumed ledger owes its jobs from then on and goes on above what was seen": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, hours(0), "a", "w")
		putJob(t, l, hours(0), "gone", "w")
		putJob(t, l, hours(9), "new", "w")
		if err := l.Retire(t.Context(), hours(1), "gone", "hash of gone"); err != nil {
			t.Fatal(err)
		}
		held := write(t, l, take(starting("a", 1, "h")), take(starting("neverput", 1, "h")))
		to := ledger.Mark{Ledger: "the one that was seen", Beats: 1000, At: hours(3)}
		for range 2 { // repeating is safe
			resume(t, l, hours(3), 50, to)
			same(t, "mark", must(l.Mark(t.Context()))(t), to)
		}
		same(t, "owed from now on", job(t, l, "a").Since, hours(3))
		same(t, "retired", job(t, l, "gone").Since, hours(0))
		same(t, "owed from later", job(t, l, "new").Since, hours(9))
		same(t, "its slot", holder(t, l, "a"), held[0].ID)
		if a, never := job(t, l, "a").Fence, job(t, l, "new").Fence; a < held[0].Attempts[0].Fence+50 || never < 50 {
			t.Errorf("fencing numbers %d and %d", a, never)
		}
		r := held[0]
		r.State = run.Failed
		write(t, l, ledger.Change{Run: r, Slot: ledger.Slot{Op: ledger.SlotRelease}})
		next := write(t, l, take(starting("a", 2, "h")))[0]
		if n := next.Attempts[0].Fence; n < held[0].Attempts[0].Fence+51 {
			t.Errorf("the next fencing number is %d", n)
		}
		if m := beat(t, l, hours(4)); m.Ledger != to.Ledger || m.Beats != to.Beats+1 {
			t.Errorf("beat %+v", m)
		}
	},
}

func beat(t *testing.T, l ledger.Ledger, now time.Time) ledger.Mark {
	t.Helper()
	return must(l.Beat(t.Context(), "o", now, time.Minute))(t)
}

func resume(t *testing.T, l ledger.Ledger, now time.Time, fences int64, m ledger.Mark) {
	t.Helper()
	if err := l.Resume(t.Context(), now, fences, m); err != nil {
		t.Fatal(err)
	}
}

// raceBeats lets several schedulers beat at once: there is one mark, which
// misses none of them.
func raceBeats(t *testing.T, ls ...ledger.Ledger) {
	const each = 20
	var all sync.WaitGroup
	for _, l := range ls {
		all.Go(func() {
			var last int64
			for range each {
				m, err := l.Beat(t.Context(), "o", base, time.Minute)
				if err != nil || m.Beats <= last {
					t.Errorf("beat %d after %d: %v", m.Beats, last, err)
				}
				last = m.Beats
			}
		})
	}
	all.Wait()
	if m := must(ls[0].Mark(t.Context()))(t); m.Beats < int64(each*len(ls)) {
		t.Errorf("%d beats of %d", m.Beats, each*len(ls))
	}
}
