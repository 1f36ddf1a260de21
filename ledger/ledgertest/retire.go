package ledgertest

import (
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// hours is base after so many, as ledgers keep it.
func hours(n int) time.Time {
	return base.Add(time.Duration(n) * time.Hour).UTC().Truncate(time.Millisecond)
}

func retire(t *testing.T, l ledger.Ledger, now time.Time, name string) {
	t.Helper()
	if err := l.Retire(t.Context(), now, name, "hash of "+name); err != nil {
		t.Fatal(err)
	}
}

// from is the job's usual entry with another command, put in the place of the
// one with the hash.
func from(name, hash string) ledger.JobSpec {
	return ledger.JobSpec{Name: name, Hash: "new hash of " + name, When: "w", Body: []byte("new " + name), From: &hash}
}

var retireCases = map[string]func(*testing.T, ledger.Ledger){
	"a job is retired once": func(t *testing.T, l ledger.Ledger) {
		wantErr(t, l.Retire(t.Context(), base, "a", "hash of a"), ledger.ErrNotFound)
		write(t, l, take(starting("a", 1, "h"))) // a slot does not make a job known
		wantErr(t, l.Retire(t.Context(), base, "a", "hash of a"), ledger.ErrNotFound)
		putJob(t, l, hours(0), "a", "w")
		putJob(t, l, hours(0), "b", "w")
		same(t, "in force", job(t, l, "a").Retired, time.Time{})
		retire(t, l, base.Add(time.Hour), "a")
		same(t, "retired", job(t, l, "a").Retired, hours(1))
		retire(t, l, hours(2), "a")
		same(t, "again", job(t, l, "a").Retired, hours(1))
		same(t, "as in the list", must(l.Job(t.Context(), "a"))(t), job(t, l, "a"))
		same(t, "another job", job(t, l, "b").Retired, time.Time{})
	},
	"a retired job keeps what it has": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, hours(0), "a", "w")
		held := write(t, l, take(starting("a", 1, "h")))[0]
		if err := l.Check(t.Context(), "a", hours(1)); err != nil {
			t.Fatal(err)
		}
		if err := l.Pause(t.Context(), "a", ledger.Pause{On: true, By: "ann"}); err != nil {
			t.Fatal(err)
		}
		want := job(t, l, "a")
		retire(t, l, hours(2), "a")
		want.Retired = hours(2)
		same(t, "job", job(t, l, "a"), want)
		same(t, "spec", string(must(l.Spec(t.Context(), "hash of a"))(t)), `{"a":1}`)
		held.State, held.EndedAt = run.Succeeded, held.Due
		write(t, l, ledger.Change{Run: held, Slot: ledger.Slot{Op: ledger.SlotRelease}})
		same(t, "holder after the run's end", holder(t, l, "a"), "")
		write(t, l, take(starting("a", 2, "h")))
		same(t, "still retired", job(t, l, "a").Retired, hours(2))
	},
	"a retired job that is put again is owed from then on": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, hours(0), "a", "w")
		if err := l.Pause(t.Context(), "a", ledger.Pause{On: true, By: "ann"}); err != nil {
			t.Fatal(err)
		}
		want := job(t, l, "a")
		retire(t, l, hours(1), "a")
		for _, n := range []int{2, 3} { // the second time it is in force already
			putJob(t, l, hours(n), "a", "w")
			want.Since = hours(2)
			same(t, "job", job(t, l, "a"), want)
		}
		retire(t, l, hours(4), "a")
		same(t, "retired anew", job(t, l, "a").Retired, hours(4))
	},
	"only what stands as expected is retired": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, hours(0), "a", "w")
		wantErr(t, l.Retire(t.Context(), hours(1), "a", "another"), ledger.ErrMoved)
		same(t, "job", job(t, l, "a").Retired, time.Time{})
		retire(t, l, hours(1), "a")
		if err := l.Retire(t.Context(), hours(2), "a", "another"); err != nil {
			t.Errorf("retired already: %v", err)
		}
	},
	"only what stands as expected is replaced": func(t *testing.T, l ledger.Ledger) {
		tests := map[string]struct {
			from  string
			moved bool
		}{
			"free": {"", false}, "vanished": {"hash of vanished", true},
			"there": {"hash of there", false}, "taken": {"", true}, "edited": {"another", true},
			"gone": {"", false}, "lost": {"hash of lost", true},
		}
		var specs []ledger.JobSpec
		before := map[string]ledger.Job{}
		for _, name := range []string{"there", "taken", "edited", "gone", "lost"} {
			putJob(t, l, hours(0), name, "w")
		}
		retire(t, l, hours(1), "gone")
		retire(t, l, hours(1), "lost")
		for _, j := range must(l.Jobs(t.Context()))(t) {
			before[j.Name] = j
		}
		for name, test := range tests {
			specs = append(specs, from(name, test.from))
		}
		err := l.PutJobs(t.Context(), hours(2), specs...)
		wantErr(t, err, ledger.ErrMoved)
		if want := "edited, lost, taken, vanished"; !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %s", err, want)
		}
		after := map[string]ledger.Job{}
		for _, j := range must(l.Jobs(t.Context()))(t) {
			after[j.Name] = j
		}
		for name, test := range tests {
			_, err := l.Spec(t.Context(), "new hash of "+name)
			if !test.moved {
				same(t, name, after[name].Hash, "new hash of "+name)
				same(t, name, after[name].Retired, time.Time{})
				wantErr(t, err, nil)
				continue
			}
			same(t, name, after[name], before[name])
			wantErr(t, err, ledger.ErrNotFound)
		}
		same(t, "since of the edited command", after["there"].Since, hours(0))
		same(t, "since of the one put again", after["gone"].Since, hours(2))
	},
	"a put that is repeated is met by itself": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, hours(0), "a", "w")
		for _, n := range []int{1, 2} {
			if err := l.PutJobs(t.Context(), hours(n), from("a", "hash of a"), from("b", "")); err != nil {
				t.Fatal(err)
			}
			same(t, "since", job(t, l, "b").Since, hours(1))
		}
		if err := l.Retire(t.Context(), hours(3), "a", "new hash of a"); err != nil {
			t.Fatal(err)
		}
		wantErr(t, l.PutJobs(t.Context(), hours(4), from("a", "hash of a")), ledger.ErrMoved)
		same(t, "stays retired", job(t, l, "a").Retired, hours(3))
	},
}
