package ledgertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger"
)

// notice is one for the target "mail", due n seconds after base.
func notice(id string, n int) ledger.Notice {
	return ledger.Notice{
		ID: id, Run: occurrence("a", 1).ID, Target: "mail", Body: []byte(`{"text":"` + id + `"}`),
		Created: base, Due: base.Add(time.Duration(n) * time.Second),
	}
}

func takeAll(t *testing.T, l ledger.Ledger, now time.Time) []ledger.Notice {
	t.Helper()
	return must(l.TakeNotices(t.Context(), "mail", now, time.Minute, 1000))(t)
}

func noticeIDs(ns []ledger.Notice) []string {
	all := []string{}
	for _, n := range ns {
		all = append(all, n.ID)
	}
	return all
}

func notify(t *testing.T, l ledger.Ledger, ns ...ledger.Notice) {
	t.Helper()
	write(t, l, ledger.Change{Run: occurrence("a", 1), Notices: ns})
}

func settle(t *testing.T, l ledger.Ledger, id string, s ledger.Settlement) {
	t.Helper()
	for range 2 { // repeating is safe
		if err := l.SettleNotice(t.Context(), id, s); err != nil {
			t.Fatal(err)
		}
	}
}

var noticeCases = map[string]func(*testing.T, ledger.Ledger){
	"a notice is stored once, with its run": func(t *testing.T, l ledger.Ledger) {
		first := notice("n", 0)
		r := write(t, l, ledger.Change{Run: occurrence("a", 1), Notices: []ledger.Notice{first, notice("m", 9)}})[0]
		second := first
		second.Body = []byte("other")
		write(t, l, ledger.Change{Run: r, Notices: []ledger.Notice{second}})
		want := []ledger.Notice{notice("m", 9), first}
		for i := range want {
			want[i].Created = want[i].Created.UTC().Truncate(time.Millisecond)
			want[i].Due = want[i].Due.UTC().Truncate(time.Millisecond)
		}
		same(t, "notices", must(l.Notices(t.Context(), r.ID))(t), want)
		same(t, "of another run", must(l.Notices(t.Context(), "other"))(t), []ledger.Notice{})
	},
	"due notices of the target are taken, the oldest first": func(t *testing.T, l ledger.Ledger) {
		chat := notice("chat", -9)
		chat.Target = "chat"
		notify(t, l, notice("c", 0), notice("a", 0), notice("b", -5), notice("later", 1), chat)
		two := must(l.TakeNotices(t.Context(), "mail", base, time.Minute, 2))(t)
		same(t, "two", noticeIDs(two), []string{"b", "a"})
		if two[0].Tries != 1 || two[0].Run == "" || len(two[0].Body) == 0 {
			t.Fatalf("taken: %+v", two[0])
		}
		same(t, "rest", noticeIDs(takeAll(t, l, base)), []string{"c"})
		same(t, "nothing due", takeAll(t, l, base), []ledger.Notice{})
	},
	"a taken notice comes back after its lease": func(t *testing.T, l ledger.Ledger) {
		notify(t, l, notice("n", 0))
		takeAll(t, l, base)
		same(t, "held", takeAll(t, l, base.Add(59*time.Second)), []ledger.Notice{})
		again := takeAll(t, l, base.Add(time.Minute))
		same(t, "back", noticeIDs(again), []string{"n"})
		same(t, "tries", again[0].Tries, 2)
	},
	"a delivered notice is settled": func(t *testing.T, l ledger.Ledger) {
		notify(t, l, notice("n", 0))
		takeAll(t, l, base)
		settle(t, l, "n", ledger.Settlement{At: base})
		settle(t, l, "n", ledger.Settlement{At: base.Add(time.Hour), Error: "a slower taker's"})
		same(t, "taken", takeAll(t, l, base.Add(time.Hour)), []ledger.Notice{})
		n := must(l.Notices(t.Context(), occurrence("a", 1).ID))(t)[0]
		same(t, "settled", n.Settled, base.UTC().Truncate(time.Millisecond))
		if n.Dead || n.Error != "" || n.Tries != 1 {
			t.Fatalf("settled: %+v", n)
		}
	},
	"a failed delivery is tried again when it says": func(t *testing.T, l ledger.Ledger) {
		notify(t, l, notice("n", 0))
		takeAll(t, l, base)
		retry := base.Add(5 * time.Second)
		settle(t, l, "n", ledger.Settlement{At: base, Retry: retry, Error: "connection \x00 refused \xff"})
		same(t, "too soon", takeAll(t, l, retry.Add(-time.Millisecond)), []ledger.Notice{})
		again := takeAll(t, l, retry)
		same(t, "again", noticeIDs(again), []string{"n"})
		if n := again[0]; n.Tries != 2 || n.Error == "" || !n.Settled.IsZero() {
			t.Fatalf("taken again: %+v", n)
		}
	},
	"a dead notice stays to be seen": func(t *testing.T, l ledger.Ledger) {
		notify(t, l, notice("n", 0))
		takeAll(t, l, base)
		settle(t, l, "n", ledger.Settlement{At: base, Error: "no such address"})
		same(t, "taken", takeAll(t, l, base.Add(time.Hour)), []ledger.Notice{})
		n := must(l.Notices(t.Context(), occurrence("a", 1).ID))(t)[0]
		if !n.Dead || n.Settled.IsZero() || n.Error != "no such address" {
			t.Fatalf("dead: %+v", n)
		}
	},
	"takers at once share the notices": func(t *testing.T, l ledger.Ledger) { raceNotices(t, l) },
}

func raceNotices(t *testing.T, ls ...ledger.Ledger) {
	const notices = 200
	var all []ledger.Notice
	for i := range notices {
		all = append(all, notice(fmt.Sprintf("n%03d", i), 0))
	}
	notify(t, ls[0], all...)

	var mu sync.Mutex
	taken := map[string]int{}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for {
				ns, err := ls[i%len(ls)].TakeNotices(t.Context(), "mail", base, time.Minute, 7)
				if err != nil {
					t.Error(err)
				}
				if len(ns) == 0 {
					return
				}
				mu.Lock()
				for _, n := range ns {
					taken[n.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, n := range taken {
		if n != 1 {
			t.Errorf("notice %s was taken %d times", id, n)
		}
	}
	// A taker may find the others' locks and leave; what it left is there.
	if rest := takeAll(t, ls[0], base); len(taken)+len(rest) != notices {
		t.Fatalf("%d notices taken and %d left, want %d", len(taken), len(rest), notices)
	}
}
