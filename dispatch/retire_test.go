package dispatch

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

// A retired job owes nothing, is nobody's to start, and what it has under way
// goes on.
func TestRetire(t *testing.T) {
	mail := &inbox{}
	j := aJob("j", "@hourly")
	j.Notify.To = []string{"mail"}
	other := aJob("other", "@hourly")
	inCloud(t, []string{"a"}, []job.Job{j, other}, func(t *testing.T, c *cloud) {
		c.mail = map[string]notifier.Notifier{"mail": mail}
		c.agents.command = func(guard.Order) (time.Duration, int) { return 10 * time.Minute, 3 }
		pass(time.Hour)
		c.ring(j, clock(1, 0, 0))
		pass(time.Second)
		c.deploy(leave(j))
		for range 70 {
			c.sweep()
		}
		if r := c.only("j"); r.State != run.Failed {
			t.Errorf("what was under way is %s %s", r.State, r.Reason)
		}
		if got := mail.events(); len(got) != 1 {
			t.Errorf("people were told %v", got)
		}
		c.ring(j, clock(2, 0, 0)) // of the schedule that was not deleted yet
		c.only("j")

		d, ctx := c.fresh(), t.Context()
		if _, err := d.RunNow(ctx, "j", "ann"); !errors.Is(err, ErrUnknownJob) {
			t.Errorf("run: %v", err)
		}
		if _, err := d.Candidates(ctx, "j"); !errors.Is(err, ErrUnknownJob) {
			t.Errorf("hosts: %v", err)
		}
		jobs, err := d.Jobs(ctx)
		if err != nil || len(jobs) != 1 || jobs[0].Name != "other" {
			t.Errorf("jobs %+v, %v", jobs, err)
		}
	})
}

// A job that comes back is owed from then on, and paused as it was.
func TestRetiredAndBack(t *testing.T) {
	j := aJob("j", "0,20,40 * * * *")
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		ctx := t.Context()
		pass(10 * time.Minute)
		c.deploy(leave(j))
		pass(30*time.Minute + 5*time.Second) // 00:20 and 00:40 came and went
		c.deploy(edit(nil, j))
		c.ring(j, clock(0, 20, 0)) // late: it was not in force then
		c.ring(j, clock(0, 40, 0))
		for range 25 {
			c.sweep()
		}
		if got, want := c.dues("j"), []string{"01:00 true succeeded"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}

		if err := c.fresh().Pause(ctx, "j", ledger.Pause{On: true, By: "ann", At: now()}); err != nil {
			t.Fatal(err)
		}
		c.deploy(leave(j))
		c.deploy(edit(nil, j))
		slower := j
		slower.When.Expr = "@daily"
		c.deploy(edit(&j, slower))
		all, err := c.fresh().Deployed(ctx)
		if err != nil || len(all) != 1 || all[0].Paused != "ann" || all[0].Hash != slower.Hash() || !bytes.Equal(all[0].Body, slower.Body()) || !all[0].Retired.IsZero() {
			t.Errorf("%+v, %v", all, err)
		}
		c.deploy(leave(slower))
		if all, err = c.fresh().Deployed(ctx); err != nil || len(all) != 1 || !all[0].Retired.Equal(now()) {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

// A daemon's file that has the job again puts it in force from then on.
func TestLoadOfARetiredJob(t *testing.T) {
	for name, expr := range map[string]string{"as it was": "*/20 * * * *", "with another schedule": "0 * * * *"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []string{"a"}, func(t *testing.T, w *world) {
				j := aJob("j", "*/20 * * * *")
				d := w.start(j)
				pass(21 * time.Minute)
				d.end()
				if err := w.ledger.Retire(t.Context(), now(), "j", j.Hash()); err != nil {
					t.Fatal(err)
				}
				pass(30 * time.Minute) // 00:40 is nobody's
				j.When.Expr = expr
				d = w.start(j)
				pass(10 * time.Minute)
				d.end()
				runs := w.runs("j")
				if got, want := w.states("j"), []run.State{run.Succeeded, run.Succeeded}; !slices.Equal(got, want) || !runs[1].Due.Equal(clock(1, 0, 0)) {
					t.Errorf("%v, want %v: %+v", got, want, runs)
				}
			})
		})
	}
}

// A function that goes on from a daemon's ledger does not miss what was pruned,
// and notices what nobody started.
func TestFromDaemonToFunction(t *testing.T) {
	inCloud(t, []string{"a"}, nil, func(t *testing.T, c *cloud) {
		c.hosts = newHosts("a")
		c.file.Retention = 2 * time.Hour
		j, gone := aJob("j", "@hourly"), aJob("gone", "20 1 * * *")
		d := c.start(j, gone)
		pass(90 * time.Minute)
		d.end()
		d = c.start(j) // gone has left the file
		pass(5*time.Hour + 10*time.Minute)
		d.end()
		kept := len(c.runs("j"))
		if kept > 3 {
			t.Fatalf("nothing was pruned: %v", c.states("j"))
		}
		if k, err := c.ledger.Job(t.Context(), "gone"); err != nil || !k.Checked.IsZero() {
			t.Errorf("a job that this daemon did not plan was vouched for: %+v, %v", k, err)
		}
		pass(2*time.Hour + 22*time.Minute) // nobody is there at 07:00 and 08:00
		c.sweep()
		if got := c.states("j")[kept:]; !slices.Equal(got, []run.State{run.Skipped, run.Skipped, run.Running}) {
			t.Errorf("%v after %d that were kept", got, kept)
		}
	})
}

// What has not started when its job is removed never does; what a person has
// started again does.
func TestRetiredBeforeItsStart(t *testing.T) {
	failing := func(guard.Order) (time.Duration, int) { return time.Second, 1 }
	due := clock(1, 0, 0)
	tests := map[string]struct {
		tune    func(j *job.Job)
		before  func(c *cloud) // the job is retired
		after   func(c *cloud)
		started int
		state   run.State
		reason  string
	}{
		"a retry": {
			tune: func(j *job.Job) { j.Retry.Attempts, j.Retry.Backoff = 3, time.Minute },
			before: func(c *cloud) {
				c.agents.command = failing
				c.due("j", due)
				pass(2 * time.Second)
				c.news()
			}, started: 1, state: run.Failed, reason: "removed"},
		"a retry at once": {
			tune: func(j *job.Job) { j.Retry.Attempts, j.Retry.Backoff = 3, 0 },
			before: func(c *cloud) {
				c.agents.command = failing
				c.due("j", due)
				pass(2 * time.Second)
			},
			after: func(c *cloud) { c.news() }, started: 1, state: run.Failed, reason: "removed"},
		"a jittered one": {
			tune:   func(j *job.Job) { j.Jitter = 5 * time.Minute },
			before: func(c *cloud) { c.due("j", due) }, state: run.Skipped, reason: "removed"},
		"a queued one": {
			tune: func(j *job.Job) { j.Overlap = job.BufferAll },
			before: func(c *cloud) {
				c.agents.command = func(guard.Order) (time.Duration, int) { return 5 * time.Minute, 0 }
				c.due("j", due)
				pass(2 * time.Second)
				c.due("j", due) // again: the same run
				if _, err := c.fresh().RunNow(c.t.Context(), "j", "ann"); err != nil {
					c.t.Fatal(err)
				}
			}, started: 1, state: run.Succeeded},
		"one that a person starts again": {
			before: func(c *cloud) {
				c.due("j", due)
				pass(500 * time.Millisecond)
				c.agents.set(func() { c.agents.dead["a"] = true })
				c.sweep()
			},
			after: func(c *cloud) {
				c.agents.set(func() { c.agents.dead["a"] = false })
				d := c.fresh()
				if _, err := d.Rerun(c.t.Context(), run.ID("j", due), "by ann"); err != nil {
					c.t.Fatal(err)
				}
			}, started: 2, state: run.Succeeded},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j := aJob("j", "0 1 1 1 *")
			if test.tune != nil {
				test.tune(&j)
			}
			inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
				pass(time.Hour)
				test.before(c)
				c.deploy(leave(j))
				if test.after != nil {
					test.after(c)
				}
				for range 20 {
					c.sweep()
				}
				pass(90 * 24 * time.Hour)
				c.sweep()
				r, err := c.ledger.Run(t.Context(), run.ID("j", due))
				if err != nil || r.State != test.state || !strings.Contains(r.Reason, test.reason) || len(c.agents.witness) != test.started {
					t.Errorf("%+v, %v; started %v", r, err, c.agents.witness)
				}
				for _, other := range c.all() {
					if !other.State.Final() {
						t.Errorf("%+v", other)
					}
				}
			})
		})
	}
}
