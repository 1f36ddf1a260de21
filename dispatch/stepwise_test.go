package dispatch

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

// A due time that is delivered five times at once is started once.
func TestFault52DueDeliveredFiveTimes(t *testing.T) {
	inCloud(t, []string{"a", "b", "c"}, nil, func(t *testing.T, c *cloud) {
		j := aJob("five", "@hourly")
		j.Pick = fleet.Random
		c.put(j)
		pass(time.Hour)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { c.due("five", midnight.Add(time.Hour)) })
		}
		all.Wait()
		pass(2 * time.Second)
		c.news()
		c.once(1)
		if c.agents.sends != 1 {
			t.Errorf("%d orders were sent", c.agents.sends)
		}
		if r := c.only("five"); r.State != run.Succeeded || len(r.Attempts) != 1 || *r.ExitCode != 0 {
			t.Errorf("%+v", r)
		}
		c.due("five", midnight.Add(time.Hour)) // and again, afterwards
		pass(2 * time.Second)
		c.once(1)
	})
}

// Every fault of the way to a host ends as it should.
func TestStepFaults(t *testing.T) {
	at := midnight.Add(time.Hour)
	none := func() []time.Duration { return nil }
	tests := map[string]struct {
		spoil    func(a *agents, j *job.Job)
		then     func(c *cloud) // a second after the due time
		sweeps   int
		state    run.State
		reason   string // in the run's or the last attempt's
		attempts []run.AttemptState
		started  int
	}{
		"it arrives": {sweeps: 0, state: run.Running, attempts: []run.AttemptState{run.AttemptRunning}, started: 1},
		"the sweep hears of the end": {
			sweeps: 1, state: run.Succeeded, attempts: []run.AttemptState{run.AttemptSucceeded}, started: 1},
		"a failing command": {
			spoil: func(a *agents, _ *job.Job) {
				a.command = func(guard.Order) (time.Duration, int) { return time.Second, 7 }
			},
			sweeps: 1, state: run.Failed, attempts: []run.AttemptState{run.AttemptFailed}, started: 1},
		"the order is lost": {
			spoil: func(a *agents, _ *job.Job) {
				first := true
				a.travel = func() []time.Duration {
					if first {
						first = false
						return nil
					}
					return []time.Duration{0}
				}
			},
			sweeps: 4, state: run.Succeeded, reason: "", started: 1,
			attempts: []run.AttemptState{run.AttemptNotStarted, run.AttemptSucceeded}},
		"the order comes after it was taken back": {
			spoil: func(a *agents, _ *job.Job) {
				first := true
				a.travel = func() []time.Duration {
					if first {
						first = false
						return []time.Duration{150 * time.Second}
					}
					return []time.Duration{0}
				}
			},
			sweeps: 5, state: run.Succeeded, started: 1,
			attempts: []run.AttemptState{run.AttemptNotStarted, run.AttemptSucceeded}},
		"the order arrives twice": {
			spoil: func(a *agents, _ *job.Job) {
				a.travel = func() []time.Duration { return []time.Duration{0, 0, time.Second, time.Minute} }
			},
			sweeps: 1, state: run.Succeeded, attempts: []run.AttemptState{run.AttemptSucceeded}, started: 1},
		"sent, and nobody knows": {
			spoil: func(a *agents, _ *job.Job) {
				a.sending = func() error { return errors.New("connection reset") }
			},
			sweeps: 1, state: run.Succeeded, attempts: []run.AttemptState{run.AttemptSucceeded}, started: 1},
		"rejected on one host": {
			spoil: func(a *agents, _ *job.Job) {
				a.reject = func(host string) error {
					if host == "a" {
						return &executor.NotStarted{Proof: "SSM: InvalidInstanceId"}
					}
					return nil
				}
			},
			sweeps: 1, state: run.Succeeded, started: 1,
			attempts: []run.AttemptState{run.AttemptNotStarted, run.AttemptSucceeded}},
		"terminated before delivery": {
			spoil: func(a *agents, _ *job.Job) {
				a.travel = func() []time.Duration { return []time.Duration{2 * time.Second} }
			},
			then:   func(c *cloud) { c.agents.set(func() { c.agents.dead["a"] = true }) },
			sweeps: 2, state: run.Succeeded, started: 1,
			attempts: []run.AttemptState{run.AttemptNotStarted, run.AttemptSucceeded}},
		"terminated in mid-run": {
			spoil: func(a *agents, _ *job.Job) {
				a.command = func(guard.Order) (time.Duration, int) { return time.Hour, 0 }
			},
			then:   func(c *cloud) { c.agents.set(func() { c.agents.dead["a"] = true }) },
			sweeps: 1, state: run.Lost, reason: "terminated", attempts: []run.AttemptState{run.AttemptLost}, started: 1},
		"never delivered, and nobody can take it back": {
			spoil:  func(a *agents, j *job.Job) { j.Unclaimed, j.Timeout, a.travel = true, 2*time.Minute, none },
			sweeps: 6, state: run.Lost, reason: "did not tell", attempts: []run.AttemptState{run.AttemptLost}, started: 0},
		"lost everywhere": {
			spoil:  func(a *agents, j *job.Job) { a.travel, j.StartWithin = none, time.Hour },
			sweeps: 20, state: run.Failed, reason: "could not start", started: 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inCloud(t, []string{"a", "b"}, nil, func(t *testing.T, c *cloud) {
				j := aJob("j", "@hourly")
				if test.spoil != nil {
					test.spoil(c.agents, &j)
				}
				c.put(j)
				pass(time.Hour)
				c.due("j", at)
				pass(time.Second)
				if test.then != nil {
					test.then(c)
				}
				for range test.sweeps {
					c.sweep()
				}
				c.once(test.started)
				r := c.only("j")
				var states []run.AttemptState
				reasons := r.Reason
				for _, a := range r.Attempts {
					states = append(states, a.State)
					reasons += " | " + a.Reason
				}
				if r.State != test.state || test.attempts != nil && !slices.Equal(states, test.attempts) {
					t.Errorf("%s %v: %s", r.State, states, reasons)
				}
				if !strings.Contains(reasons, test.reason) {
					t.Errorf("no %q in %q", test.reason, reasons)
				}
			})
		})
	}
}

// Requests that are refused as too many are made again until it is too late;
// then the run is skipped, and somebody is told why.
func TestFault60Throttled(t *testing.T) {
	inCloud(t, []string{"a", "b"}, nil, func(t *testing.T, c *cloud) {
		ops := &inbox{}
		c.mail = map[string]notifier.Notifier{"ops": ops}
		c.agents.reject = func(string) error { return &executor.NotStarted{Proof: "SSM", Err: executor.ErrThrottled} }
		j := told(aJob("j", "@hourly"), "ops")
		j.StartWithin = 2 * time.Minute
		c.put(j)
		pass(time.Hour)
		c.due("j", midnight.Add(time.Hour))
		c.sweep()
		if r := c.only("j"); r.State != run.Planned || c.agents.sends < 2 {
			t.Errorf("in time it is %s after %d tries", r.State, c.agents.sends)
		}
		c.sweep()
		c.sweep()
		if r := c.only("j"); r.State != run.Skipped || !strings.Contains(r.Reason, "too many requests") {
			t.Errorf("%s %s", r.State, r.Reason)
		}
		c.once(0)
		if got := ops.events(); !slices.Equal(got, []notifier.Event{notifier.Skipped}) {
			t.Errorf("told %v", got)
		}
	})
}

func TestStepsWaitForTheSlot(t *testing.T) {
	j := aJob("queue", "* * * * *")
	j.Overlap = job.BufferAll
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		c.agents.command = func(guard.Order) (time.Duration, int) { return 90 * time.Second, 0 }
		for minute := 1; minute <= 3; minute++ {
			pass(time.Until(midnight.Add(time.Duration(minute) * time.Minute)))
			c.due("queue", midnight.Add(time.Duration(minute)*time.Minute))
		}
		if got := c.states("queue"); !slices.Equal(got, []run.State{run.Running, run.Planned, run.Planned}) {
			t.Fatalf("%v", got)
		}
		c.news() // the first is over: the second starts at once, not with the next sweep
		if got := c.states("queue"); !slices.Equal(got, []run.State{run.Succeeded, run.Running, run.Planned}) {
			t.Fatalf("%v", got)
		}
		pass(91 * time.Second)
		c.news()
		pass(91 * time.Second)
		c.news()
		if got := c.states("queue")[:3]; !slices.Equal(got, []run.State{run.Succeeded, run.Succeeded, run.Succeeded}) {
			t.Errorf("%v", got)
		}
	})
}

func TestStepsWithoutAHost(t *testing.T) {
	mail := &inbox{}
	j := aJob("lonely", "@hourly")
	j.Notify.To = []string{"mail"}
	inCloud(t, nil, nil, func(t *testing.T, c *cloud) {
		c.mail = map[string]notifier.Notifier{"mail": mail}
		c.put(j)
		pass(time.Hour)
		c.due("lonely", midnight.Add(time.Hour))
		c.sweep()
		r := c.only("lonely")
		if r.State != run.Skipped || r.Reason != "no host: the fleet is empty" {
			t.Errorf("%s %s", r.State, r.Reason)
		}
		if len(mail.events()) != 1 {
			t.Errorf("mail: %v", mail.events())
		}
	})
}
