// Package simulate shows what a jobs file would do, in time of its own.
//
// The dispatcher, the schedules, the life of a run and the pick of a host are
// the real ones, on a ledger in memory. Only three things are not: the clock,
// which jumps from one event to the next, so that years pass in seconds; the
// hosts, whose commands are nothing but durations and exit codes; and whoever
// wakes the dispatcher, which is a queue of events. Nothing is started, no host
// is asked, and no file or variable is read.
//
// The same world gives the same runs, always. What it can't show: how long real
// commands take, unless it is told; what goes wrong that is not scripted; and
// the seconds that a real scheduler takes to notice things, which differ with
// how the hosts are reached.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// World is what is simulated.
type World struct {
	Jobs  []job.Job
	Hosts []fleet.Host // those with the address [fleet.ByAgent] are reached one way
	// Due times after From, up to To, are simulated; and what follows from them,
	// however long that takes.
	From, To time.Time
	Faults   []Fault
	// Takes is how long a command takes that no fault says anything of, to its
	// exit code 0. Default 1s.
	Takes time.Duration
	// ClaimWithin is how long an order may take to reach a host by its agent.
	// Default 2m, or nothing if there is no such host.
	ClaimWithin time.Duration
	// Most is how many due times there may be. Default 100,000.
	Most int
	// Log, if it is set, gets what the dispatcher has to say.
	Log *slog.Logger

	chance chance
}

// chance is what a test adds to the scripted faults. Nil functions add nothing.
type chance struct {
	command func(name string) (time.Duration, int) // what a command comes to
	travel  func() time.Duration                   // of an order
	deliver func() []time.Duration                 // when a due time's timer fires, after it; empty: never
	crash   func() bool                            // before and after each write to the ledger
}

// Outcome is what came of a world.
type Outcome struct {
	// Runs are the records of all due times, the earliest first, and those due
	// together by job.
	Runs []run.Run
	// Due is how many due times there were. A run's record may stand for many.
	Due int
	// Starts are the commands that were started, as the hosts saw it, in the
	// order of the attempts' sending.
	Starts []Start
}

// Start is one start of a command, told by its host and not by the ledger.
type Start struct {
	Run     string
	Job     string
	Attempt int
	Host    string
	At      time.Time
	End     time.Time // when the command ended, or died with its host
	Died    bool
	Code    int
}

// ErrTooMany means that a world has more due times than it may.
var ErrTooMany = errors.New("too many due times")

// Run simulates the world. The errors are those of a world that makes no sense,
// [ErrTooMany] among them, and ctx's. Repeating gives the same outcome.
func Run(ctx context.Context, w World) (Outcome, error) {
	if w.Takes == 0 {
		w.Takes = time.Second
	}
	byAgent := func(h fleet.Host) bool { return h.Address == fleet.ByAgent }
	if w.ClaimWithin == 0 && slices.ContainsFunc(w.Hosts, byAgent) {
		w.ClaimWithin = 2 * time.Minute
	}
	if w.Most == 0 {
		w.Most = 100_000
	}
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	w.From, w.To = w.From.UTC().Truncate(time.Second), w.To.UTC()
	count, err := w.check()
	if err != nil {
		return Outcome{}, err
	}
	e, err := newEngine(ctx, w)
	if err != nil {
		return Outcome{}, err
	}
	if err := e.run(ctx); err != nil {
		return Outcome{}, err
	}
	return Outcome{Runs: e.runs(), Due: count, Starts: e.hosts.starts()}, nil
}

// check refuses what makes no sense and counts the due times.
func (w *World) check() (count int, err error) {
	if !w.From.Before(w.To) {
		return 0, fmt.Errorf("simulate: nothing lies between %s and %s", w.From.Format(time.RFC3339), w.To.Format(time.RFC3339))
	}
	for _, f := range w.Faults {
		if err := w.fits(f); err != nil {
			return 0, fmt.Errorf("simulate: %w", err)
		}
	}
	for _, j := range w.Jobs {
		when, err := schedule.Parse(j.When)
		if err != nil {
			return 0, fmt.Errorf("job %s: %w", j.Name, err)
		}
		for due, ok := when.Next(w.From); ok && !due.After(w.To); due, ok = when.Next(due) {
			if count++; count > w.Most {
				return 0, fmt.Errorf("%w: more than %d between %s and %s", ErrTooMany, w.Most, w.From.Format(time.RFC3339), w.To.Format(time.RFC3339))
			}
		}
	}
	return count, nil
}

// fits reports what keeps a fault from this world.
func (w *World) fits(f Fault) error {
	const remedy = "choose a later end, or another time"
	switch end := w.To.Format(time.RFC3339); {
	case f.From.After(w.To):
		return &FaultError{f.String(), "it begins after the end of the simulation, " + end, remedy}
	case f.Kind == SchedulerDown && (f.Until.IsZero() || f.Until.After(w.To)):
		return &FaultError{f.String(), "it is not over by the end of the simulation, " + end, remedy}
	}
	var known []string
	switch f.Kind.subject() {
	case aHost:
		for _, h := range w.Hosts {
			known = append(known, h.ID)
		}
	case aJob:
		for _, j := range w.Jobs {
			known = append(known, j.Name)
		}
	default:
		return nil
	}
	return f.among(known)
}
