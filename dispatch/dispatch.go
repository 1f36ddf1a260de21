// Package dispatch turns due times into finished runs.
//
// A [Dispatcher] plans the jobs of a file, drives every run that it owns from
// its due time to its end, takes over the runs of dispatchers that died, and
// delivers the notices. Any number of them may work on one ledger: a run is
// created once, the slot of its job is held once, and go is committed once, by
// conditional writes. Ownership, beats and clocks only decide who does the work.
//
// Every change of a run goes through run.Step and is in the ledger before
// anything follows from it. What a dispatcher keeps in memory can be lost at
// any moment: another one, or the same after a restart, goes on from the
// ledger and from what the hosts' run directories say.
//
// Read drive.go first: it is the story of one run.
package dispatch

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

// Options are what a dispatcher works with. The first five fields are
// required; the caller owns and closes them after Run has returned.
type Options struct {
	Ledger   ledger.Ledger
	Fleet    fleet.View
	Executor executor.Executor
	Secret   func(ref string) (string, error) // resolves "env:NAME" and "file:PATH"
	Log      *slog.Logger

	// Protector switches scale-in protection for the jobs that ask for it. Nil
	// for fleets that have none.
	Protector fleet.Protector
	// Stepwise makes a dispatcher that never waits: what would wait is left to a
	// later Due, News or Sweep, of this dispatcher or another one. It is not
	// given a file, and Run is not called; see stepwise.go.
	Stepwise bool
	// Receivers are a stepwise dispatcher's notice targets, by name.
	Receivers map[string]notifier.Notifier
	// Abreast is how many jobs or runs a stepwise dispatcher deals with at a
	// time; with 1, in the order in which the ledger lists them. Default 16.
	Abreast int
	// Now is the clock of a stepwise dispatcher; a simulation has its own.
	// Default time.Now.
	Now func() time.Time

	// Sole says that the ledger admits one dispatcher at a time, so that any
	// run owned by another is an orphan at once.
	Sole bool
	// Drain is how long Run waits for commands under way after it was told to
	// stop; those that take longer go on on their hosts and are picked up by the
	// next dispatcher.
	Drain time.Duration
	// Ahead is how long before its due time a run may be prepared. It must do for
	// all that come due together. Default 10s; negative for none.
	Ahead time.Duration
	// Patience is how long a due run looks for a host before it is skipped.
	// Default 45s.
	Patience time.Duration
	// Unreachable is how long past its timeout a running attempt may stay
	// unheard of before it is lost. Default 1m.
	Unreachable time.Duration
	// ClaimWithin is how long an order may take to reach a host that nobody can
	// talk to while it starts, before it is taken back. Zero if the fleet has no
	// such hosts.
	ClaimWithin time.Duration
	// Settled is how long a stepwise dispatcher's timer may take to deliver a due
	// time: EventBridge Scheduler's precision is a minute. The sweep starts what
	// was not delivered then; a delivery that comes later still finds the run
	// there and changes nothing. Default 75s.
	Settled time.Duration
	// Seen is the furthest that this machine has seen of the ledger, zero if it
	// remembers nothing. Remember, if set, keeps what is seen for the next start;
	// it is not called twice at a time.
	Seen     ledger.Mark
	Remember func(ledger.Mark) error
	// Observe, if set, is called after every change of a run has been stored.
	// It must not block.
	Observe func(run.Run)
}

// The rhythm of a dispatcher.
const (
	beatEvery  = 5 * time.Second
	beatAtRest = 15 * time.Second // where nobody else looks, and nothing has happened
	beatTTL    = 20 * time.Second
	sweepEvery = 5 * time.Second
	pruneEvery = time.Hour
	maxSleep   = 30 * time.Second // a suspended machine notices within this
)

// Dispatcher plans, drives and reports runs. Make one with [New], give it a
// file with [Dispatcher.Load], then call [Dispatcher.Run].
type Dispatcher struct {
	Options
	owner string

	mu        sync.Mutex
	gen       *generation
	active    map[string]*driving                // runs driven here, by ID
	ended     map[string]bool                    // runs whose drives ended during the sweep under way; nil without one
	waiting   map[string]map[chan struct{}]place // by job: drivers that wait for its slot
	paused    map[string]bool
	retired   map[string]bool              // jobs that are not in force any more
	heard     map[string]time.Time         // lost runs: when their host is asked next
	picked    map[string]int               // picks by host that are not in the ledger yet
	receivers map[string]notifier.Notifier // by target
	freed     []string                     // jobs whose slot came free in a step
	halted    error                        // why nothing is started any more; see epoch.go
	picking   sync.Mutex                   // one least-busy pick at a time
	starts    starts                       // those that results wait for
	standing  atomic.Int64                 // runs whose guards stand ready before their due time
	preparers room                         // for what is intended before it is due
	grants    room                         // for gos that are being committed
	ends      room                         // for what has ended
	beaten    time.Time                    // the last beat
	stirred   bool                         // a run was written since then
	keeping   sync.Mutex                   // one Remember at a time
	unkept    bool                         // the last one failed

	replan chan struct{} // the generation changed
	outbox chan struct{} // a notice was written
	alarm  chan struct{} // closed when this dispatcher halts

	work    context.Context // for drivers; outlives the stop by Drain
	stop    <-chan struct{} // closed when Run was told to stop
	drivers sync.WaitGroup
}

// New returns a dispatcher with an identity of its own, so that a restarted
// process is never taken for the one before.
func New(o Options) *Dispatcher {
	if o.Ahead == 0 {
		o.Ahead = 10 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 45 * time.Second
	}
	if o.Unreachable == 0 {
		o.Unreachable = time.Minute
	}
	if o.Settled == 0 {
		o.Settled = 75 * time.Second
	}
	if o.Abreast == 0 {
		o.Abreast = 16
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	name, _ := os.Hostname() // for people only
	return &Dispatcher{
		Options:   o,
		owner:     name + "-" + strings.ToLower(rand.Text()[:10]),
		gen:       &generation{specs: map[string]*job.Job{}},
		active:    map[string]*driving{},
		waiting:   map[string]map[chan struct{}]place{},
		paused:    map[string]bool{},
		retired:   map[string]bool{},
		heard:     map[string]time.Time{},
		picked:    map[string]int{},
		preparers: make(room, roomy),
		grants:    make(room, grantsAtOnce),
		ends:      make(room, roomy),
		replan:    make(chan struct{}, 1),
		outbox:    make(chan struct{}, 1),
		alarm:     make(chan struct{}),

		receivers: o.Receivers,
	}
}

// Owner is this dispatcher's identity in the ledger.
func (d *Dispatcher) Owner() string { return d.owner }

// Run works until ctx is done, then drains: no run is planned or started any
// more, commands under way get Options.Drain to end, and what goes on after
// that is left to the next dispatcher. It returns nil after a drain.
func (d *Dispatcher) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d.mu.Lock()
	d.work, d.stop = work, ctx.Done()
	d.drivers.Add(1) // for Run itself, so that Wait never races with a first Add
	d.mu.Unlock()
	var upkeep sync.WaitGroup // goes on while draining
	upkeep.Go(func() { d.every(work, beatEvery, d.pulse) })
	upkeep.Go(func() { d.deliver(work) })
	upkeep.Go(func() { d.raise(work) })
	var planning sync.WaitGroup
	planning.Go(func() { d.plan(ctx) })
	planning.Go(func() { d.every(ctx, sweepEvery, d.sweep) })
	planning.Go(func() { d.every(ctx, pruneEvery, d.prune) })
	planning.Wait()
	d.mu.Lock()
	d.drivers.Done() // start refuses from here on
	d.mu.Unlock()

	drained := make(chan struct{})
	go func() { d.drivers.Wait(); close(drained) }()
	select {
	case <-drained:
	case <-time.After(d.Drain):
		d.Log.Info("leaving commands that still run; they go on and are picked up at the next start", "runs", d.open())
	}
	cancel()
	<-drained
	upkeep.Wait()
	return d.leave()
}

// leave gives what this dispatcher still owns to the others at once. A last beat
// makes a copy of the ledger from before the end an old one.
func (d *Dispatcher) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if d.Halted() == nil {
		d.beat(ctx)
	}
	if d.Halted() != nil { // by that beat, maybe: nobody else is left to record it
		d.recordHalt(ctx)
	}
	return d.Ledger.Leave(ctx, d.owner)
}

// every calls f at once and then at the given interval until ctx is done.
func (d *Dispatcher) every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		f(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// stopping reports whether Run was told to stop.
func (d *Dispatcher) stopping() bool {
	select {
	case <-d.stop:
		return true
	default:
		return false
	}
}

// now is the wall clock at the ledger's precision. It carries no monotonic
// reading: what is compared with stored times must be a wall time itself.
func (d *Dispatcher) now() time.Time { return d.Now().UTC().Truncate(time.Millisecond) }
