package ledgertest

import (
	"testing"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

var jobCases = map[string]func(*testing.T, ledger.Ledger){
	"jobs are listed by name, those not named left alone": func(t *testing.T, l ledger.Ledger) {
		same(t, "none", must(l.Jobs(t.Context()))(t), []ledger.Job{})
		putJob(t, l, base, "b", "w")
		putJob(t, l, base, "a", "w")
		putJob(t, l, base, "B", "w")
		jobs := must(l.Jobs(t.Context()))(t)
		var names []string
		for _, j := range jobs {
			names = append(names, j.Name)
		}
		same(t, "names", names, []string{"B", "a", "b"})
		same(t, "one", jobs[1], ledger.Job{
			Name: "a", Hash: "hash of a", When: "w", Since: base.UTC().Truncate(time.Millisecond),
		})
	},
	"a job is owed from when its schedule was last changed": func(t *testing.T, l ledger.Ledger) {
		since := func() time.Time { t.Helper(); return job(t, l, "a").Since }
		putJob(t, l, hours(0), "a", "daily")
		putJob(t, l, hours(1), "a", "daily")
		same(t, "put again", since(), hours(0))
		command := ledger.JobSpec{Name: "a", Hash: "other command", When: "daily", Body: []byte("{}")}
		if err := l.PutJobs(t.Context(), hours(2), command); err != nil {
			t.Fatal(err)
		}
		same(t, "another command", since(), hours(0))
		same(t, "hash", job(t, l, "a").Hash, "other command")
		putJob(t, l, hours(3), "a", "hourly")
		same(t, "another schedule", since(), hours(3))
	},
	"one job is read by its name": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, base, "a", "w")
		putJob(t, l, base, "ab", "w")
		put(t, l, occurrence("a", 5))
		same(t, "as in the list", must(l.Job(t.Context(), "a"))(t), job(t, l, "a"))
		_, err := l.Job(t.Context(), "b")
		wantErr(t, err, ledger.ErrNotFound)
	},
	"checked only goes forward": func(t *testing.T, l ledger.Ledger) {
		wantErr(t, l.Check(t.Context(), "a", base), ledger.ErrNotFound)
		putJob(t, l, base, "a", "w")
		same(t, "never", job(t, l, "a").Checked, time.Time{})
		for _, c := range []struct{ to, want int }{{3, 3}, {3, 3}, {2, 3}, {4, 4}} {
			if err := l.Check(t.Context(), "a", hours(c.to)); err != nil {
				t.Fatal(err)
			}
			same(t, "checked", job(t, l, "a").Checked, hours(c.want))
		}
		putJob(t, l, hours(5), "a", "other")
		same(t, "after an edit", job(t, l, "a").Checked, hours(4))
	},
	"specs are kept by hash": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, base, "a", "w")
		putJob(t, l, base, "a", "w")
		if err := l.PutJobs(t.Context(), base, ledger.JobSpec{Name: "a", Hash: "second", When: "w", Body: []byte("\x00second")}); err != nil {
			t.Fatal(err)
		}
		same(t, "first", string(must(l.Spec(t.Context(), "hash of a"))(t)), `{"a":1}`)
		same(t, "second", string(must(l.Spec(t.Context(), "second"))(t)), "\x00second")
		_, err := l.Spec(t.Context(), "third")
		wantErr(t, err, ledger.ErrNotFound)
	},
	"through is the latest due time with a run of the schedule": func(t *testing.T, l ledger.Ledger) {
		putJob(t, l, base, "a", "w")
		through := func() time.Time { t.Helper(); return job(t, l, "a").Through }
		due := func(n int) time.Time { return occurrence("a", n).Due }
		same(t, "none", through(), time.Time{})
		put(t, l, occurrence("a", 5))
		put(t, l, occurrence("a", 3))
		put(t, l, occurrence("b", 9))
		same(t, "the latest", through(), due(5))

		manual := occurrence("a", 7)
		manual.Trigger, manual.ID = run.Manual, run.ManualID("a", due(7), "abcd")
		put(t, l, manual)
		same(t, "not a manual one", through(), due(5))

		missed := ended("a", 4, run.Skipped)
		missed.Trigger, missed.Until, missed.Count = run.CaughtUp, due(8), 5
		put(t, l, missed)
		same(t, "a range's end", through(), due(8))
	},
	"a pause stays as first set": func(t *testing.T, l ledger.Ledger) {
		wantErr(t, l.Pause(t.Context(), "a", ledger.Pause{On: true}), ledger.ErrNotFound)
		write(t, l, take(starting("a", 1, "h"))) // a slot does not make a job known
		wantErr(t, l.Pause(t.Context(), "a", ledger.Pause{On: true}), ledger.ErrNotFound)
		putJob(t, l, base, "a", "w")
		set := func(p ledger.Pause) ledger.Pause {
			t.Helper()
			if err := l.Pause(t.Context(), "a", p); err != nil {
				t.Fatal(err)
			}
			return job(t, l, "a").Pause
		}
		first := ledger.Pause{On: true, By: "ann", At: base.UTC().Truncate(time.Millisecond), Note: "migration"}
		same(t, "paused", set(ledger.Pause{On: true, By: "ann", At: base, Note: "migration"}), first)
		same(t, "again", set(ledger.Pause{On: true, By: "bob", At: base.Add(time.Hour)}), first)
		putJob(t, l, base.Add(time.Hour), "a", "another schedule")
		same(t, "after an edit", job(t, l, "a").Pause, first)
		same(t, "resumed", set(ledger.Pause{By: "bob", At: base}), ledger.Pause{})
		same(t, "again", set(ledger.Pause{}), ledger.Pause{})
		same(t, "paused anew", set(ledger.Pause{On: true, By: "bob"}), ledger.Pause{On: true, By: "bob"})
	},
}

var ownerCases = map[string]func(*testing.T, ledger.Ledger){
	"an owner lives until its last beat runs out": func(t *testing.T, l ledger.Ledger) {
		owners := func(after time.Duration) []string {
			t.Helper()
			return must(l.Owners(t.Context(), base.Add(after)))(t)
		}
		beat := func(owner string, after time.Duration) {
			t.Helper()
			if _, err := l.Beat(t.Context(), owner, base.Add(after), 10*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		same(t, "none", owners(0), []string{})
		beat("b", 0)
		beat("a", 5*time.Second)
		same(t, "both, sorted", owners(9*time.Second), []string{"a", "b"})
		same(t, "one ran out", owners(10*time.Second), []string{"a"})
		beat("b", 10*time.Second)
		same(t, "beats again", owners(11*time.Second), []string{"a", "b"})
		for range 2 {
			if err := l.Leave(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		}
		same(t, "one left", owners(11*time.Second), []string{"b"})
	},
}
