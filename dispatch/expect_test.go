package dispatch

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// What a timer drops is started by the sweep, within the job's start-within.
func TestSweepStartsWhatWasDropped(t *testing.T) {
	j := aJob("minutely", "* * * * *")
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		for minute := 1; minute <= 60; minute++ {
			pass(time.Until(midnight.Add(time.Duration(minute) * time.Minute)))
			if minute%3 != 0 { // every third one is dropped
				c.due("minutely", midnight.Add(time.Duration(minute)*time.Minute))
			}
			pass(30 * time.Second)
			if err := c.fresh().Sweep(t.Context()); err != nil {
				t.Error(err)
			}
		}
		c.sweep()
		c.sweep()
		c.sweep()
		for i, r := range c.runs("minutely")[:60] {
			if want := midnight.Add(time.Duration(i+1) * time.Minute); !r.Due.Equal(want) || r.State != run.Succeeded {
				t.Errorf("run %s is %s %s, want one for %s", r.ID, r.State, r.Reason, want)
			}
		}
	})
}

// Nobody swept for hours: what came due meanwhile is on record.
func TestSweepAfterAPause(t *testing.T) {
	j := aJob("hourly", "@hourly")
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		pass(5*time.Hour + 2*time.Minute)
		c.sweep()
		want := []run.State{run.Skipped, run.Skipped, run.Skipped, run.Skipped, run.Running}
		if got := c.states("hourly"); !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
		c.due("hourly", midnight.Add(3*time.Hour)) // delivered after all
		c.sweep()
		c.once(1)
	})
}

// What is wrong with one job keeps no other from its due.
func TestSweepOfABrokenJob(t *testing.T) {
	inCloud(t, []string{"a"}, []job.Job{aJob("good", "@hourly"), aJob("well", "@hourly")}, func(t *testing.T, c *cloud) {
		for _, name := range []string{"bad", "worse"} {
			broken := ledger.JobSpec{Name: name, Hash: "hash of " + name, When: "w", Body: []byte("{")}
			if err := c.ledger.PutJobs(t.Context(), now(), broken); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Hour + 2*time.Minute)
		err := c.fresh().Sweep(t.Context())
		if err == nil || !strings.Contains(err.Error(), "job bad") || !strings.Contains(err.Error(), "job worse") {
			t.Errorf("sweep: %v", err)
		}
		pass(2 * time.Second)
		c.news()
		for _, name := range []string{"good", "well"} {
			if r := c.only(name); r.State != run.Succeeded {
				t.Errorf("%s: %s %s", name, r.State, r.Reason)
			}
		}
	})
}

// A sweep that takes long does not take the due times of an edit that came
// meanwhile for those it compared.
func TestSweepWhileEdited(t *testing.T) {
	j := aJob("j", "* * * * *")
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		pass(30 * time.Second)
		halves := j
		halves.When.Expr = "every 30s"
		slow := c.fresh()
		slow.Ledger = &stalled{c.ledger, func() {
			c.deploy(edit(&j, halves))
			pass(3 * time.Minute)
		}}
		if err := slow.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
		c.sweep()
		c.sweep()
		for at := midnight.Add(time.Minute); at.Before(midnight.Add(3 * time.Minute)); at = at.Add(30 * time.Second) {
			if _, err := c.ledger.Run(t.Context(), run.ID("j", at)); err != nil {
				t.Error(err)
			}
		}
	})
}

// stalled is a ledger whose list of jobs takes long to arrive.
type stalled struct {
	ledger.Ledger
	meanwhile func()
}

func (l *stalled) Jobs(ctx context.Context) ([]ledger.Job, error) {
	jobs, err := l.Ledger.Jobs(ctx)
	l.meanwhile()
	return jobs, err
}

// EventBridge has no due time where the clock jumps; the sweep has.
func TestSweepFiresTheGap(t *testing.T) {
	j := aJob("early", "30 2 * * *")
	j.When.Zone = "Europe/Berlin"
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		pass(time.Until(time.Date(2000, 3, 26, 0, 59, 0, 0, time.UTC)))
		if err := c.ledger.Check(t.Context(), "early", now()); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			c.sweep()
		}
		if r := c.only("early"); !r.Due.Equal(time.Date(2000, 3, 26, 1, 0, 0, 0, time.UTC)) || r.State != run.Succeeded {
			t.Errorf("%+v", r)
		}
	})
}

// A timer that knows a coarser schedule than the job's is not believed.
func TestDueThatIsNone(t *testing.T) {
	j := aJob("weekday", "0 1 * * 1-5") // 2000-01-01 is a Saturday
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		pass(time.Hour)
		c.due("weekday", midnight.Add(time.Hour))
		monday := midnight.Add(49 * time.Hour)
		if err := c.fresh().Due(t.Context(), "weekday", "", monday); err == nil || !strings.Contains(err.Error(), "lies ahead") {
			t.Errorf("a due time in two days: %v", err)
		}
		if all := c.all(); len(all) != 0 {
			t.Errorf("%+v", all)
		}
	})
}
