package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// Crashes in the middle of an event, duplicates, reordered and lost news, lost
// and late orders, hosts that die: nothing starts twice, nothing vanishes.
func TestStepsAtRandom(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			jobs := []job.Job{aJob("one", "* * * * *"), aJob("two", "*/2 * * * *"), aJob("three", "* * * * *")}
			jobs[1].Overlap, jobs[2].Overlap = job.BufferAll, job.CancelOther
			jobs[0].Protect = true
			inCloud(t, []string{"a", "b", "c"}, jobs, func(t *testing.T, c *cloud) { steps(t, c, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func steps(t *testing.T, c *cloud, r *rand.Rand) {
	var mu sync.Mutex
	roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return r.IntN(n) }
	seconds := func(n int) time.Duration { return time.Duration(roll(n*1000)) * time.Millisecond }
	c.agents.travel = func() []time.Duration {
		switch roll(8) {
		case 0:
			return nil
		case 1:
			return []time.Duration{seconds(300)}
		case 2:
			return []time.Duration{seconds(2), seconds(100)}
		}
		return []time.Duration{seconds(2)}
	}
	c.agents.command = func(guard.Order) (time.Duration, int) { return seconds(90), roll(2) }
	c.agents.sending = func() error {
		if roll(10) == 0 {
			return errors.New("connection reset")
		}
		return nil
	}
	c.agents.reject = func(string) error {
		switch roll(20) {
		case 0:
			return &executor.NotStarted{Proof: "rejected"}
		case 1:
			return &executor.NotStarted{Proof: "SSM", Err: executor.ErrThrottled}
		}
		return nil
	}
	event := func(f func(context.Context, *Dispatcher) error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d := c.fresh()
		d.Ledger = &breaking{Ledger: c.ledger, roll: func() bool { return roll(40) == 0 }, cut: cancel}
		if err := f(ctx, d); err == nil {
			_ = d.Settle(ctx)
		}
	}
	minutes := 120
	for minute := 1; minute <= minutes; minute++ {
		at := midnight.Add(time.Duration(minute) * time.Minute)
		pass(time.Until(at))
		c.agents.set(func() { clear(c.agents.dead); c.agents.dead[string(rune('a'+r.IntN(6)))] = true })
		for _, name := range []string{"one", "two", "three"} {
			for range roll(3) { // none: dropped
				wait := seconds(70)
				time.AfterFunc(wait, func() {
					event(func(ctx context.Context, d *Dispatcher) error { return d.Due(ctx, name, "", at) })
				})
			}
		}
		time.AfterFunc(seconds(60), func() {
			event(func(ctx context.Context, d *Dispatcher) error { return d.Sweep(ctx) })
		})
		for _, open := range c.all() {
			if open.State.Open() && roll(3) == 0 {
				time.AfterFunc(seconds(60), func() {
					event(func(ctx context.Context, d *Dispatcher) error { return d.News(ctx, open.ID) })
				})
			}
		}
	}
	pass(2 * time.Minute)
	c.agents.set(func() { clear(c.agents.dead) })
	for range 150 {
		c.sweep()
	}
	seen := map[string]int{}
	for _, id := range c.agents.witness {
		seen[id]++
	}
	states := map[run.State]int{}
	records := map[string]run.State{}
	for _, x := range c.all() {
		states[x.State]++
		records[x.ID] = x.State
		// A retried run may start again; these jobs have no retries.
		if seen[x.ID] > 1 {
			t.Errorf("run %s was started %d times: %+v", x.ID, seen[x.ID], x)
		}
		if seen[x.ID] == 0 && (x.State == run.Succeeded || x.State == run.Failed && x.ExitCode != nil) {
			t.Errorf("run %s is %s, but never started", x.ID, x.State)
		}
		if seen[x.ID] == 1 && (x.State == run.Skipped || x.State == run.Failed && x.ExitCode == nil) {
			t.Errorf("run %s is %s (%s), but was started", x.ID, x.State, x.Reason)
		}
	}
	for minute := 1; minute <= minutes; minute++ {
		for name, every := range map[string]int{"one": 1, "two": 2, "three": 1} {
			id := run.ID(name, midnight.Add(time.Duration(minute)*time.Minute))
			if state, ok := records[id]; minute%every == 0 && (!ok || state.Open()) {
				t.Errorf("run %s: %q", id, state)
			}
		}
	}
	for host, on := range c.agents.protects {
		needed := slices.ContainsFunc(c.all(), func(x run.Run) bool { return x.State.Open() && x.Host() == host && x.Attempt().Protects })
		if on && !needed {
			t.Errorf("%s is still protected", host)
		}
	}
	t.Log(states)
}

// breaking is a ledger that sometimes ends the process that writes to it,
// before or after the write has happened.
type breaking struct {
	ledger.Ledger
	roll func() bool
	cut  context.CancelFunc
}

var errKilled = errors.New("killed")

func (b *breaking) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	if ctx.Err() != nil {
		return nil, errKilled
	}
	if b.roll() {
		b.cut()
		return nil, errKilled
	}
	out, err := b.Ledger.Write(ctx, changes...)
	if b.roll() {
		b.cut()
		return nil, errKilled
	}
	return out, err
}
