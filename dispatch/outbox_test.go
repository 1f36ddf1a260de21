package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

// inbox is a receiver that keeps what arrives, unless told to misbehave.
type inbox struct {
	mu    sync.Mutex
	got   []notifier.Message
	fail  func(try int) error
	hang  bool
	tries int
}

func (b *inbox) Notify(ctx context.Context, m notifier.Message) error {
	b.mu.Lock()
	b.tries++
	try, hang, fail := b.tries, b.hang, b.fail
	b.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if fail != nil {
		if err := fail(try); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, m)
	return nil
}

func (b *inbox) events() []notifier.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []notifier.Event
	for _, m := range b.got {
		all = append(all, m.Event)
	}
	return all
}

func told(j job.Job, to ...string) job.Job {
	j.Notify.To = to
	return j
}

func TestFailureAndRecoveryAreTold(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		ops := &inbox{}
		w.mail = map[string]notifier.Notifier{"ops": ops}
		n := 0
		w.hosts.command = func(guard.Order) (time.Duration, int) {
			n++
			return time.Second, map[int]int{2: 3, 3: 4}[n]
		}
		d := w.start(told(aJob("j", "* * * * *"), "ops"))
		defer d.end()
		pass(5*time.Minute + 10*time.Second)
		want := []notifier.Event{notifier.Failed, notifier.Failed, notifier.Recovered}
		if got := ops.events(); !slices.Equal(got, want) {
			t.Fatalf("told %v, want %v", got, want)
		}
		m := ops.got[0]
		if m.Host != "web-1" || *m.ExitCode != 3 || m.Duration != time.Second || m.Tail != "output of "+m.Run || m.More != "solocron show "+m.Run {
			t.Errorf("the message is %+v", m)
		}
	})
}

func TestFault83DeadReceiverDelaysNothing(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		dead, alive := &inbox{hang: true}, &inbox{}
		w.mail = map[string]notifier.Notifier{"dead": dead, "alive": alive}
		w.hosts.command = func(guard.Order) (time.Duration, int) { return time.Second, 1 }
		d := w.start(told(aJob("j", "* * * * *"), "dead", "alive"))
		defer d.end()
		pass(10*time.Minute + 2*time.Second)
		if got := len(alive.events()); got != 10 {
			t.Errorf("the living receiver got %d of 10", got)
		}
		for _, r := range w.runs("j") {
			if late := r.StartedAt.Sub(r.Due); late != 0 {
				t.Errorf("run %s started %v late", r.ID, late)
			}
		}
	})
}

// A receiver that answers 503 is tried again, more and more seldom, for a day.
func TestFault83RetriedAndGivenUp(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		flaky := &inbox{fail: func(try int) error {
			if try < 4 {
				return fmt.Errorf("503")
			}
			return nil
		}}
		never := &inbox{fail: func(int) error { return fmt.Errorf("401: %w", notifier.ErrFinal) }}
		down := &inbox{fail: func(int) error { return fmt.Errorf("503") }}
		w.mail = map[string]notifier.Notifier{"flaky": flaky, "never": never, "down": down}
		w.hosts.command = func(guard.Order) (time.Duration, int) { return time.Second, 1 }
		d := w.start(told(aJob("j", "0 1 * * *"), "flaky", "never", "down"))
		defer d.end()
		pass(time.Hour + 10*time.Minute)
		if len(flaky.events()) != 1 || flaky.tries != 4 || never.tries != 1 {
			t.Errorf("flaky got %d after %d tries; never was tried %d times", len(flaky.events()), flaky.tries, never.tries)
		}
		id := w.only("j").ID
		dead := func() (dead []string) {
			notices, err := w.ledger.Notices(t.Context(), id)
			if err != nil || len(notices) != 3 {
				t.Fatalf("notices %+v, %v", notices, err)
			}
			for _, n := range notices {
				if n.Dead {
					dead = append(dead, n.Target+": "+n.Error)
				}
			}
			return dead
		}
		if got := dead(); len(got) != 1 || !strings.HasPrefix(got[0], "never: 401") {
			t.Errorf("given up %q", got)
		}
		pass(noticeFor)
		if got := dead(); len(got) != 2 || !slices.Contains(got, "down: 503") {
			t.Errorf("given up after a day: %q", got)
		}
		if most := int(noticeFor/noticeSlowest) + 20; down.tries > most || down.tries < most/2 {
			t.Errorf("%d tries in a day, want at most %d", down.tries, most)
		}
	})
}

func TestANoticeSurvivesACrash(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.mortal(true)
		ops := &inbox{fail: func(int) error { return fmt.Errorf("503") }}
		w.mail = map[string]notifier.Notifier{"ops": ops}
		w.hosts.command = func(guard.Order) (time.Duration, int) { return time.Second, 1 }
		d := w.start(told(aJob("j", "0 1 * * *"), "ops"))
		pass(time.Hour + 2*time.Second)
		d.crash()
		ops.fail = nil
		d = w.start()
		defer d.end()
		pass(5 * time.Minute)
		if got := ops.events(); !slices.Equal(got, []notifier.Event{notifier.Failed}) {
			t.Errorf("told %v", got)
		}
	})
}

func TestSkipsAreToldAsTheyDeserve(t *testing.T) {
	for _, c := range []struct {
		reason string
		want   notifier.Event
	}{
		{run.ReasonLate + ": 3s", notifier.Skipped},
		{run.ReasonMissed + ": down", notifier.Skipped},
		{run.ReasonNoHost + ": empty", notifier.Skipped},
		{run.ReasonOverlap + ": j@1 is running", notifier.Overlapped},
		{run.ReasonPaused + " by an operator", ""},
	} {
		if got := eventOf(run.Run{State: run.Skipped, Reason: c.reason}); got != c.want {
			t.Errorf("%q is told as %q, want %q", c.reason, got, c.want)
		}
	}
}
