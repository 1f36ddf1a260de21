package dispatch

import (
	"slices"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
)

// Two runs on one host share its protection; it goes with the last of them,
// and stays if somebody else had switched it on.
func TestProtection(t *testing.T) {
	long, short, plain := aJob("long", "@hourly"), aJob("short", "@hourly"), aJob("plain", "@hourly")
	long.Protect, short.Protect = true, true
	jobs := []job.Job{long, short, plain}
	inCloud(t, []string{"a"}, jobs, func(t *testing.T, c *cloud) {
		c.agents.command = func(o guard.Order) (time.Duration, int) {
			if o.Job == "long" {
				return 10 * time.Minute, 0
			}
			return time.Second, 0
		}
		toggles := func(what string, want ...string) {
			t.Helper()
			c.agents.set(func() {
				if got := slices.Compact(c.agents.toggles); !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", what, got, want)
				}
				c.agents.toggles = nil
			})
		}
		pass(time.Hour)
		at := midnight.Add(time.Hour)
		c.due("plain", at)
		toggles("a job that doesn't ask for it")
		c.due("long", at)
		c.due("short", at)
		toggles("both start", "a true")
		pass(2 * time.Second)
		c.news()
		toggles("the short one is over", "a true")
		for range 11 {
			c.sweep()
		}
		toggles("the long one is over", "a false")

		c.agents.set(func() { c.agents.protects["a"] = true })
		pass(time.Until(midnight.Add(2 * time.Hour)))
		c.due("short", midnight.Add(2*time.Hour))
		c.sweep()
		toggles("somebody else's protection")

		c.agents.set(func() { c.agents.protects["a"] = false })
		pass(time.Until(midnight.Add(3 * time.Hour)))
		c.due("long", midnight.Add(3*time.Hour))
		pass(time.Second)
		c.agents.set(func() { c.agents.dead["a"] = true })
		c.sweep()
		toggles("a lost run", "a true", "a false")
	})
}
