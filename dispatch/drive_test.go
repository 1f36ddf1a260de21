package dispatch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

func TestADueJobRunsOnceOnOneHost(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2", "web-3"}, func(t *testing.T, w *world) {
		d := w.start(aJob("nightly", "0 1 * * *"))
		defer d.end()
		pass(time.Hour + time.Second)

		r := w.only("nightly")
		if r.State != run.Succeeded || *r.ExitCode != 0 || r.Host() != "web-1" {
			t.Fatalf("got %s on %s: %s", r.State, r.Host(), r.Reason)
		}
		if late := r.StartedAt.Sub(r.Due); late != 0 {
			t.Errorf("started %v after it was due", late)
		}
		if n := w.hosts.witness()[r.ID]; n != 1 {
			t.Errorf("its command started %d times", n)
		}
		details, err := w.ledger.Details(t.Context(), r.ID)
		if err != nil || len(details) != 1 || details[0].Pick == nil || details[0].Output == nil {
			t.Fatalf("details %+v, %v", details, err)
		}
		p := details[0].Pick
		if len(p.Candidates) != 3 || p.Chosen != "web-1" {
			t.Errorf("the pick is %+v", p)
		}
		if err := p.Choose(); err != nil || p.Chosen != "web-1" {
			t.Errorf("replaying the pick gave %s, %v", p.Chosen, err)
		}
		if got := string(details[0].Output.Head); got != "output of "+r.ID+"\n" {
			t.Errorf("output %q", got)
		}
	})
}

func TestFailoverWithProofOnly(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.hosts.refuse["web-1"] = "io: no space left on device"
		d := w.start(aJob("j", "0 1 * * *"))
		defer d.end()
		pass(time.Hour + time.Second)

		r := w.only("j")
		if r.State != run.Succeeded || r.Host() != "web-2" || len(r.Attempts) != 3 || !r.Attempts[0].Revoked {
			t.Fatalf("got %s on %s after %+v", r.State, r.Host(), r.Attempts)
		}
		r.Attempts = r.Attempts[1:] // the first was refused before it was due
		if a := r.Attempts[0]; a.State != run.AttemptNotStarted || !strings.Contains(a.Reason, "no space left") {
			t.Errorf("attempt 1: %s, %q", a.State, a.Reason)
		}
		if r.Attempts[1].Fence <= r.Attempts[0].Fence {
			t.Errorf("fences %d then %d", r.Attempts[0].Fence, r.Attempts[1].Fence)
		}
	})
}

func TestNoAttemptCouldStart(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.hosts.refuse["web-1"], w.hosts.refuse["web-2"] = "no directory /opt/app", "no directory /opt/app"
		d := w.start(aJob("j", "0 1 * * *"))
		defer d.end()
		pass(time.Hour + time.Minute)
		if r := w.only("j"); r.State != run.Failed || !strings.Contains(r.Reason, "no directory /opt/app") {
			t.Errorf("got %s: %s", r.State, r.Reason)
		}
	})
}

// A host that can't be reached once its command started is waited for until the
// command must be over, then the run is lost; another host is never tried, and
// the true end is heard when the host is back.
func TestFault67SilenceAfterGoIsLostAndNeverRerun(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.hosts.command = func(guard.Order) (time.Duration, int) { return 10 * time.Minute, 4 }
		j := aJob("j", "0 1 * * *")
		j.Timeout = 30 * time.Minute
		d := w.start(j)
		defer d.end()
		pass(time.Hour + time.Second)
		w.hosts.set(func() { w.hosts.down["web-1"] = true })

		pass(30 * time.Minute)
		if r := w.only("j"); r.State != run.Running {
			t.Fatalf("within its timeout it is %s", r.State)
		}
		pass(2 * time.Minute)
		r := w.only("j")
		if r.State != run.Lost || !strings.Contains(r.Reason, "web-1") {
			t.Fatalf("past its timeout it is %s: %s", r.State, r.Reason)
		}
		pass(time.Hour)
		if n := w.hosts.witness()[r.ID]; n != 1 {
			t.Errorf("a lost run's command started %d times", n)
		}
		w.hosts.set(func() { w.hosts.down["web-1"] = false })
		pass(10 * time.Minute)
		if r := w.only("j"); r.State != run.Failed || *r.ExitCode != 4 {
			t.Errorf("the host came back with the true result, the run is %s, code %v", r.State, r.ExitCode)
		}
	})
}

func TestIdempotentRunIsTriedElsewhereAfterLoss(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.hosts.command = func(guard.Order) (time.Duration, int) { return 5 * time.Minute, 0 }
		j := aJob("j", "0 1 * * *")
		j.Timeout, j.Idempotent = 10*time.Minute, true
		d := w.start(j)
		defer d.end()
		pass(time.Hour + time.Second)
		w.hosts.set(func() { w.hosts.down["web-1"] = true })
		pass(30 * time.Minute)
		r := w.only("j")
		if r.State != run.Succeeded || r.Host() != "web-2" || r.Attempts[0].State != run.AttemptLost {
			t.Errorf("got %s on %s: %+v", r.State, r.Host(), r.Attempts)
		}
	})
}

func TestStartInDoubtIsAskedNotRepeated(t *testing.T) {
	for _, arrives := range []bool{true, false} {
		inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
			w.hosts.afterGo = func(o guard.Order) error {
				if arrives {
					w.hosts.exec(w.hosts.list[0], o)
				} else {
					w.hosts.set(func() { // the guard saw the end of its input
						ended := make(chan struct{})
						close(ended)
						w.hosts.attempts[o.Attempt.Dir()] = &attempt{ended: ended, result: &guard.Result{
							End: guard.Refused, Reason: "end of input before go"}}
					})
					w.hosts.afterGo = nil
				}
				return errors.New("connection reset")
			}
			d := w.start(aJob("j", "0 1 * * *"))
			defer d.end()
			pass(time.Hour + time.Minute)
			r := w.only("j")
			if r.State != run.Succeeded || w.hosts.witness()[r.ID] != 1 {
				t.Fatalf("arrives %v: %s, started %d times", arrives, r.State, w.hosts.witness()[r.ID])
			}
			if want := map[bool]int{true: 1, false: 2}[arrives]; len(r.Attempts) != want {
				t.Errorf("arrives %v: %d attempts, want %d: %+v", arrives, len(r.Attempts), want, r.Attempts)
			}
		})
	}
}

// A host says that it has had the attempt, and takes so long to that the run would
// be too late by now: what became of it counts all the same.
func TestDeliveredBeforeAndLate(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		j := aJob("j", "0 1 * * *")
		j.StartWithin = 10 * time.Second
		id := run.ID("j", midnight.Add(time.Hour))
		w.hosts.beforeGo = func(context.Context) error {
			w.hosts.set(func() {
				ended := make(chan struct{})
				close(ended)
				w.hosts.attempts[guard.Attempt{Run: id, N: 1}.Dir()] = &attempt{ended: ended, result: &guard.Result{End: guard.Exited, Code: 0}}
			})
			time.Sleep(time.Minute)
			return executor.ErrDelivered
		}
		d := w.start(j)
		defer d.end()
		pass(time.Hour + 5*time.Minute)
		if r := w.only("j"); r.State != run.Succeeded || len(r.Attempts) != 1 {
			t.Errorf("%s (%s): %+v", r.State, r.Reason, r.Attempts)
		}
	})
}

func TestRetryOnAnotherHost(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.hosts.command = func(o guard.Order) (time.Duration, int) {
			if o.Host == "web-1" {
				return time.Second, 3
			}
			return time.Second, 0
		}
		j := aJob("j", "0 1 * * *")
		j.Retry.Attempts, j.Retry.Host = 2, job.OtherHost
		d := w.start(j)
		defer d.end()
		pass(time.Hour + 5*time.Second)
		if r := w.only("j"); r.State != run.Planned || !strings.Contains(r.Reason, "retry 1 of 2") {
			t.Fatalf("between attempts: %s, %q", r.State, r.Reason)
		}
		pass(20 * time.Second)
		if r := w.only("j"); r.State != run.Succeeded || r.Host() != "web-2" || len(r.Attempts) != 2 {
			t.Errorf("got %s on %s: %+v", r.State, r.Host(), r.Attempts)
		}
	})
}

func TestFault61NoHost(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		j := aJob("j", "0 1 * * *")
		j.Hosts = map[string]string{"name": "web-2"}
		w.hosts.down["web-2"] = true
		ops := &inbox{}
		w.mail = map[string]notifier.Notifier{"ops": ops}
		d := w.start(told(j, "ops"))
		defer d.end()
		pass(time.Hour + 30*time.Second)
		if r := w.only("j"); r.State != run.Planned {
			t.Fatalf("while it looks for a host it is %s", r.State)
		}
		pass(30 * time.Second)
		r := w.only("j")
		if r.State != run.Skipped || !strings.HasPrefix(r.Reason, run.ReasonNoHost) || !strings.Contains(r.Reason, "unreachable") {
			t.Errorf("got %s: %s", r.State, r.Reason)
		}
		details, err := w.ledger.Details(t.Context(), r.ID)
		if err != nil || len(details) != 1 || len(details[0].Pick.Candidates) != 2 {
			t.Errorf("why no host fits is not kept: %+v, %v", details, err)
		}
		if got := ops.events(); !slices.Equal(got, []notifier.Event{notifier.Skipped}) {
			t.Errorf("told %v", got)
		}
	})
}

func TestTimeoutIsTheGuards(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.hosts.command = func(guard.Order) (time.Duration, int) { return time.Hour, 0 }
		j := aJob("j", "0 1 * * *")
		j.Timeout = time.Minute
		d := w.start(j)
		defer d.end()
		pass(time.Hour + 2*time.Minute)
		if r := w.only("j"); r.State != run.TimedOut {
			t.Errorf("got %s", r.State)
		}
	})
}

func TestMissingSecretStartsNothing(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		j := aJob("j", "0 1 * * *")
		j.Secrets = map[string]string{"TOKEN": "env:NOWHERE"}
		d := w.start(j)
		defer d.end()
		pass(time.Hour + time.Minute)
		r := w.only("j")
		if r.State != run.Failed || !strings.Contains(r.Reason, "env:NOWHERE") || len(w.hosts.witness()) != 0 {
			t.Errorf("got %s: %s; started %v", r.State, r.Reason, w.hosts.witness())
		}
	})
}

func TestAForgottenDeliveryIsFollowedNotRepeated(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		// The host ran this very attempt for a ledger that was lost since.
		due := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)
		at := guard.Attempt{Run: run.ID("j", due), N: 1}
		w.hosts.exec(w.hosts.list[0], guard.Order{Attempt: at, Timeout: time.Hour})
		d := w.start(aJob("j", "0 1 * * *"))
		defer d.end()
		pass(time.Hour + time.Minute)
		r := w.only("j")
		if r.State != run.Succeeded || w.hosts.witness()[r.ID] != 1 {
			t.Errorf("got %s: %s; started %d times", r.State, r.Reason, w.hosts.witness()[r.ID])
		}
	})
}

func TestLateBecauseNoHostWasFound(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.hosts.down["web-1"] = true
		j := aJob("j", "0 1 * * *")
		j.StartWithin = 10 * time.Second
		d := w.start(j)
		defer d.end()
		pass(time.Hour + time.Minute)
		r := w.only("j")
		if r.State != run.Skipped || !strings.HasPrefix(r.Reason, run.ReasonLate) || !strings.Contains(r.Reason, "1 unreachable") {
			t.Errorf("got %s: %s", r.State, r.Reason)
		}
		if details, err := w.ledger.Details(t.Context(), r.ID); err != nil || len(details) != 1 {
			t.Errorf("why no host fits is not kept: %+v, %v", details, err)
		}
	})
}
