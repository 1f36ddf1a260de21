package dispatch

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

// protector lets a test do something while a host's protection is switched.
type protector func(on bool) error

func (p protector) Protect(_ context.Context, _ fleet.Host, on bool) error { return p(on) }

// One invocation fails before it has sent an order that another has sent in
// the meantime: that is no proof that the attempt did not start.
func TestRivalsSendOneOrder(t *testing.T) {
	for name, late := range map[string]time.Duration{"a call fails": 0, "it comes too late": 20 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			j := aJob("j", "0 1 * * *")
			j.Protect = true
			inCloud(t, []string{"a", "b"}, []job.Job{j}, func(t *testing.T, c *cloud) {
				c.agents.command = func(guard.Order) (time.Duration, int) { return 40 * time.Minute, 0 }
				pass(time.Hour)
				slow := c.fresh()
				slow.Protector = protector(func(bool) error {
					slow.Protector = c.agents
					c.news()
					time.Sleep(late)
					if late > 0 {
						return nil
					}
					return errors.New("Throttling: Rate exceeded")
				})
				_ = slow.Due(t.Context(), "j", "", midnight.Add(time.Hour))
				for range 45 {
					c.sweep()
				}
				c.once(1)
				if r := c.only("j"); r.State != run.Succeeded || len(r.Attempts) != 1 {
					t.Errorf("%s %s %+v", r.State, r.Reason, r.Attempts)
				}
			})
		})
	}
}

// A due time that is delivered again later changes nothing of its run, whatever
// that waits for.
func TestDueDeliveredMuchLater(t *testing.T) {
	t.Run("a retry", func(t *testing.T) {
		j := aJob("j", "@hourly")
		j.Retry.Attempts, j.Retry.Backoff, j.Retry.MaxBackoff = 1, 30*time.Minute, 30*time.Minute
		inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
			c.agents.command = func(o guard.Order) (time.Duration, int) { return time.Second, 2 - o.N }
			pass(time.Hour)
			c.due("j", midnight.Add(time.Hour))
			c.sweep()
			pass(15 * time.Minute)
			c.due("j", midnight.Add(time.Hour))
			for range 20 {
				c.sweep()
			}
			if r := c.only("j"); r.State != run.Succeeded || len(r.Attempts) != 2 {
				t.Errorf("%s %s %d", r.State, r.Reason, len(r.Attempts))
			}
		})
	})
	t.Run("a host, to be caught up", func(t *testing.T) {
		j := aJob("j", "0 1 * * *")
		j.Catchup.Mode = job.CatchupLatest
		inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
			pass(3 * time.Hour)
			c.agents.set(func() { c.agents.dead["a"] = true })
			c.sweep()
			c.due("j", midnight.Add(time.Hour))
			c.agents.set(func() { clear(c.agents.dead) })
			c.sweep()
			c.sweep()
			if r := c.only("j"); r.State != run.Succeeded || r.Trigger != run.CaughtUp {
				t.Errorf("%s %s", r.State, r.Reason)
			}
		})
	})
}

// A pause holds for runs that already wait, whoever starts them.
func TestPausedWhileWaiting(t *testing.T) {
	j := aJob("queue", "* * * * *")
	j.Overlap = job.BufferAll
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		c.agents.command = func(guard.Order) (time.Duration, int) { return 90 * time.Second, 0 }
		for minute := range 2 {
			pass(time.Minute)
			c.due("queue", midnight.Add(time.Duration(minute+1)*time.Minute))
		}
		if err := c.fresh().Pause(t.Context(), "queue", ledger.Pause{On: true, By: "ann", At: now()}); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		c.news()
		if got := c.states("queue"); !slices.Equal(got, []run.State{run.Succeeded, run.Skipped}) {
			t.Errorf("%v", got)
		}
		c.once(1)
	})
}

// The run that takes over a host's slot needs the protection that the one
// before is about to give back.
func TestProtectionFromRunToRun(t *testing.T) {
	t.Run("the next run", func(t *testing.T) {
		j := aJob("queue", "* * * * *")
		j.Overlap, j.Protect = job.BufferAll, true
		inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
			c.agents.command = func(guard.Order) (time.Duration, int) { return 90 * time.Second, 0 }
			for minute := range 2 {
				pass(time.Minute)
				c.due("queue", midnight.Add(time.Duration(minute+1)*time.Minute))
			}
			pass(31 * time.Second)
			c.news()
			if r := c.runs("queue")[1]; r.State != run.Running || !c.agents.protects["a"] {
				t.Errorf("%s, protected: %t", r.State, c.agents.protects["a"])
			}
			pass(91 * time.Second)
			c.news()
			if c.agents.protects["a"] {
				t.Error("still protected")
			}
		})
	})
	t.Run("the next attempt", func(t *testing.T) {
		j := aJob("j", "@hourly")
		j.Protect, j.Retry.Attempts, j.Retry.Backoff = true, 1, 0
		inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
			c.agents.command = func(o guard.Order) (time.Duration, int) { return 90 * time.Second, 2 - o.N }
			pass(time.Hour)
			c.due("j", midnight.Add(time.Hour))
			pass(91 * time.Second)
			c.news()
			if r := c.only("j"); r.State != run.Running || !c.agents.protects["a"] {
				t.Errorf("%s, protected: %t", r.State, c.agents.protects["a"])
			}
			pass(91 * time.Second)
			c.news()
			if c.agents.protects["a"] {
				t.Error("still protected")
			}
		})
	})
}

// One invocation protects the host of a run that another cancels in between, or
// gives a host back while another starts a run there.
func TestProtectionIsWhatIsNeeded(t *testing.T) {
	long, short := aJob("long", "@hourly"), aJob("short", "@hourly")
	long.Protect, short.Protect = true, true
	rival := func(c *cloud, meanwhile func(on bool)) *Dispatcher {
		d := c.fresh()
		d.Protector = protector(func(on bool) error {
			d.Protector = c.agents
			meanwhile(on)
			return c.agents.Protect(t.Context(), fleet.Host{ID: "a"}, on)
		})
		return d
	}
	at := midnight.Add(time.Hour)
	t.Run("cancelled", func(t *testing.T) {
		inCloud(t, []string{"a"}, []job.Job{short}, func(t *testing.T, c *cloud) {
			pass(time.Hour)
			slow := rival(c, func(bool) {
				d := c.fresh()
				_, err := d.Cancel(t.Context(), c.only("short").ID, "ann", false)
				if err = errors.Join(err, d.Settle(t.Context())); err != nil {
					t.Error(err)
				}
			})
			if err := slow.Due(t.Context(), "short", "", at); err != nil {
				t.Error(err)
			}
			if r := c.only("short"); r.State != run.Cancelled || c.agents.protects["a"] {
				t.Errorf("%s, protected: %t", r.State, c.agents.protects["a"])
			}
		})
	})
	t.Run("given back", func(t *testing.T) {
		inCloud(t, []string{"a"}, []job.Job{long, short}, func(t *testing.T, c *cloud) {
			c.agents.command = func(o guard.Order) (time.Duration, int) {
				if o.Job == "long" {
					return 10 * time.Minute, 0
				}
				return time.Second, 0
			}
			pass(time.Hour)
			c.due("short", at)
			pass(2 * time.Second)
			slow := rival(c, func(bool) {
				c.agents.set(func() { c.agents.protects["a"] = false })
				c.due("long", at)
			})
			if err := errors.Join(slow.News(t.Context(), c.only("short").ID), slow.Settle(t.Context())); err != nil {
				t.Error(err)
			}
			if r := c.only("long"); r.State != run.Running || !c.agents.protects["a"] {
				t.Errorf("%s, protected: %t", r.State, c.agents.protects["a"])
			}
			for range 11 {
				c.sweep()
			}
			if c.agents.protects["a"] {
				t.Error("still protected")
			}
		})
	})
}

// speechless is a ledger that can't read specs for once.
type speechless struct {
	ledger.Ledger
	once bool
}

func (l *speechless) Spec(ctx context.Context, hash string) ([]byte, error) {
	if !l.once {
		l.once = true
		return nil, errAway
	}
	return l.Ledger.Spec(ctx, hash)
}

// An end is not recorded without its notices because the ledger was away when
// they were to be written.
func TestNoticesWaitForTheLedger(t *testing.T) {
	mail := &inbox{}
	j := aJob("j", "@hourly")
	j.Notify.To = []string{"mail"}
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		c.mail = map[string]notifier.Notifier{"mail": mail}
		c.agents.command = func(guard.Order) (time.Duration, int) { return time.Second, 1 }
		pass(time.Hour)
		c.due("j", midnight.Add(time.Hour))
		pass(2 * time.Second)
		d := c.fresh()
		d.Ledger = &speechless{Ledger: c.ledger}
		if err := d.News(t.Context(), c.only("j").ID); err != nil {
			t.Error(err)
		}
		c.sweep()
		if r := c.only("j"); r.State != run.Failed || len(mail.events()) != 1 {
			t.Errorf("%s, mail: %v", r.State, mail.events())
		}
	})
}

// ending is a ledger in which runs end while they are listed.
type ending struct {
	ledger.Ledger
	end func()
}

func (l *ending) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	runs, err := l.Ledger.Runs(ctx, q)
	if slices.Contains(q.States, run.Running) {
		l.end()
	}
	return runs, err
}

// A run that ends just as it is to be replaced is not in the way any more.
func TestReplacedAsItEnds(t *testing.T) {
	j := aJob("j", "* * * * *")
	j.Overlap = job.CancelOther
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		c.agents.command = func(guard.Order) (time.Duration, int) { return 61 * time.Second, 0 }
		pass(time.Minute)
		c.due("j", midnight.Add(time.Minute))
		pass(time.Minute)
		d := c.fresh()
		d.Ledger = &ending{c.ledger, func() { pass(2 * time.Second); c.news() }}
		if err := d.Due(t.Context(), "j", "", midnight.Add(2*time.Minute)); err != nil {
			t.Error(err)
		}
		c.sweep()
		if got := c.states("j"); len(got) < 2 || got[0] != run.Succeeded || got[1] != run.Running && got[1] != run.Succeeded {
			t.Errorf("%v", got)
		}
	})
}
