package dispatch

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

func TestRunNow(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		d := w.start(aJob("j", "0 5 * * *"))
		defer d.end()
		a, err := d.RunNow(t.Context(), "j", "ann")
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		b, err := d.RunNow(t.Context(), "j", "ann")
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if a.ID == b.ID {
			t.Errorf("two manual runs share the ID %s", a.ID)
		}
		for _, r := range w.runs("j") {
			if r.State != run.Succeeded || r.Trigger != run.Manual || r.By != "ann" {
				t.Errorf("%s: %s, %s by %s", r.ID, r.State, r.Trigger, r.By)
			}
		}
		if _, err := d.RunNow(t.Context(), "typo", "ann"); !errors.Is(err, ErrUnknownJob) {
			t.Errorf("an unknown job: %v", err)
		}
	})
}

func TestCancel(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.hosts.command = func(guard.Order) (time.Duration, int) { return time.Minute, 0 }
		d := w.start(aJob("j", "0 5 * * *"))
		defer d.end()
		r, err := d.RunNow(t.Context(), "j", "ann")
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if _, err := d.Cancel(t.Context(), r.ID, "bob", false); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if r := w.only("j"); r.State != run.Cancelled || r.Reason != "by bob" {
			t.Errorf("got %s %q", r.State, r.Reason)
		}
		var move *run.MoveError
		if _, err := d.Cancel(t.Context(), r.ID, "bob", false); !errors.As(err, &move) {
			t.Errorf("cancelling what is over: %v", err)
		}
	})
}

func TestCancelWhileItLooksForAHost(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.hosts.down["web-1"] = true
		d := w.start(aJob("j", "0 5 * * *"))
		defer d.end()
		r, err := d.RunNow(t.Context(), "j", "ann")
		if err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Second)
		if _, err := d.Cancel(t.Context(), r.ID, "ann", false); err != nil {
			t.Fatal(err)
		}
		w.hosts.set(func() { w.hosts.down["web-1"] = false })
		pass(time.Minute)
		if r := w.only("j"); r.State != run.Cancelled || len(w.hosts.witness()) != 0 {
			t.Errorf("got %s; started %v", r.State, w.hosts.witness())
		}
	})
}

func TestCancelIsRepeatedUntilTheHostHears(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.hosts.command = func(guard.Order) (time.Duration, int) { return 30 * time.Minute, 0 }
		d := w.start(aJob("j", "0 5 * * *"))
		defer d.end()
		r, err := d.RunNow(t.Context(), "j", "ann")
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		w.hosts.set(func() { w.hosts.down["web-1"] = true })
		if _, err := d.Cancel(t.Context(), r.ID, "ann", false); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if r := w.only("j"); r.State != run.Running {
			t.Fatalf("nobody could tell the host, yet it is %s", r.State)
		}
		w.hosts.set(func() { w.hosts.down["web-1"] = false })
		pass(30 * time.Second)
		if r := w.only("j"); r.State != run.Cancelled {
			t.Errorf("got %s", r.State)
		}
	})
}

func TestResolveAndRerun(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		j := aJob("j", "0 5 * * *")
		j.Timeout = time.Minute
		d := w.start(j)
		defer d.end()
		lose := func() run.Run {
			r, err := d.RunNow(t.Context(), "j", "ann")
			if err != nil {
				t.Fatal(err)
			}
			w.hosts.set(func() {
				w.hosts.command = func(guard.Order) (time.Duration, int) {
					w.hosts.down["web-1"] = true
					return time.Second, 0
				}
			})
			pass(5 * time.Minute)
			w.hosts.set(func() {
				w.hosts.command = func(guard.Order) (time.Duration, int) { return time.Second, 0 }
				delete(w.hosts.attempts, guard.Attempt{Run: r.ID, N: 1}.Dir()) // its disk is gone
				w.hosts.down["web-1"] = false
			})
			pass(time.Minute)
			if r, err = w.ledger.Run(t.Context(), r.ID); err != nil || r.State != run.Lost {
				t.Fatalf("got %s, %v", r.State, err)
			}
			return r
		}
		r, err := d.Resolve(t.Context(), lose().ID, run.Succeeded, "by ann: the report is there")
		if err != nil || r.State != run.Succeeded || !strings.Contains(r.Reason, "the report is there") {
			t.Errorf("resolve: %s %q, %v", r.State, r.Reason, err)
		}
		if r, err = d.Rerun(t.Context(), lose().ID, "by ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if r, err = w.ledger.Run(t.Context(), r.ID); err != nil || r.State != run.Succeeded || len(r.Attempts) != 2 {
			t.Errorf("rerun: %s, %+v, %v", r.State, r.Attempts, err)
		}
		jobs, err := w.ledger.Jobs(t.Context())
		if i := slices.IndexFunc(jobs, func(j ledger.Job) bool { return j.Name == "j" }); err != nil || jobs[i].Holder != "" {
			t.Errorf("the slot is held by %q after all", jobs[i].Holder)
		}
	})
}
