package cost

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/schedule"
)

const month = 30 * 24 * time.Hour

// counter counts what comes in the month from an instant on, once for jobs that
// are due at the same times: those which are due often are alike.
type counter struct {
	from time.Time
	seen map[string]float64
}

// dues is how often a schedule is due.
func (c counter) dues(spec schedule.Spec) float64 {
	if !strings.Contains(spec.Expr, "~") {
		spec.Seed = "" // is for ~ alone
	}
	text := fmt.Sprintf("%q", spec)
	n, ok := c.seen[text]
	if !ok {
		n = c.count(spec)
		c.seen[text] = n
	}
	return n
}

// rings is how often a timer rings. By elapsed time, an hour that the clock
// shows twice counts twice.
func (c counter) rings(t schedule.Timer) float64 {
	return c.dues(schedule.Spec{Expr: t.Expr, Zone: t.Zone, Gap: schedule.GapSkip})
}

func (c counter) count(spec schedule.Spec) float64 {
	s, err := schedule.Parse(spec)
	if err != nil {
		return 0 // stack.Timers has parsed it before
	}
	n := 0
	for range s.Between(c.from, c.from.Add(month)) {
		n++
	}
	return float64(n)
}

// told is how many messages a run makes that goes well.
func told(j job.Job) float64 {
	if !slices.Contains(j.Notify.On, notifier.Succeeded) {
		return 0
	}
	return float64(len(j.Notify.To))
}
