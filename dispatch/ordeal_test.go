package dispatch

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

// ordeal is a fleet, a ledger and the real schedulers on them, and all that can
// happen to them, inside a bubble of fake time. Whoever drives it draws what
// happens; the witness (witness_test.go) holds what happened against the promise.
type ordeal struct {
	*witness
	draw   func(label string, n int) int // a number in [0, n)
	log    *slog.Logger
	ctx    context.Context
	sole   bool // one scheduler at a time
	clocks bool // are set
	hosts  *hosts
	file   []job.Job       // every job there ever was, as it stands
	off    map[string]bool // those that are not in the file at the moment
	up     []*member

	mu    sync.Mutex
	salt  int           // of what commands come to
	slow  time.Duration // for the next go, to be given
	wrong int           // with the next go: 1 it gets lost, 2 its answer does
	deaf  atomic.Bool   // the receiver of notices is
}

// member is one scheduler of the ordeal, with a ledger and a clock of its own.
type member struct {
	*daemon
	ledger *frail
	ahead  *atomic.Int64 // of the true time, in nanoseconds
}

func newOrdeal(ctx context.Context, draw func(string, int) int) *ordeal {
	o := &ordeal{
		witness: newWitness(), draw: draw, log: slog.New(slog.DiscardHandler), ctx: ctx,
		hosts: newHosts("a", "b", "c"), off: map[string]bool{},
	}
	o.sole, o.clocks = draw("sole", 2) == 0, draw("clocks", 3) == 1
	o.hosts.command = o.command
	o.hosts.beforeGo, o.hosts.afterGo = o.stall, o.mislay
	o.mail.fail = func(int) error {
		if o.deaf.Load() {
			return errors.New("no answer")
		}
		return nil
	}
	for i := range 1 + draw("jobs", 3) {
		o.file = append(o.file, o.drawJob(fmt.Sprintf("j%d", i)))
	}
	o.join()
	return o
}

func among[T any](o *ordeal, label string, of ...T) T { return of[o.draw(label, len(of))] }

func (o *ordeal) drawJob(name string) job.Job {
	j := told(aJob(name, o.drawWhen()), "ops")
	j.Pick = among(o, "pick", fleet.First, fleet.Random, fleet.RoundRobin, fleet.LeastBusy, fleet.Sticky)
	j.Overlap = job.Overlaps[o.draw("overlap", len(job.Overlaps))]
	j.Idempotent = o.draw("idempotent", 3) == 1
	j.Retry.Attempts = o.draw("retries", 3)
	j.Retry.Host = among(o, "retry on", job.AnyHost, job.SameHost, job.OtherHost)
	j.Catchup.Within = time.Hour
	j.When.Zone = among(o, "zone", "", "Europe/Berlin")
	j.Catchup.Mode = among(o, "catchup", job.CatchupNone, job.CatchupLatest, job.CatchupAll)
	j.Timeout = among(o, "timeout", 2*time.Minute, 30*time.Second)
	j.StartWithin = among(o, "start within", 5*time.Minute, time.Minute)
	j.Jitter = among(o, "jitter", 0, 10*time.Second)
	return j
}

func (o *ordeal) drawWhen() string {
	return among(o, "when", "* * * * *", "every 40s", "*/5 * * * *", "@hourly")
}

// command is what an attempt's command comes to, by its name alone.
func (o *ordeal) command(order guard.Order) (time.Duration, int) {
	h := fnv.New32a()
	o.mu.Lock()
	fmt.Fprint(h, order.Run, order.N, o.salt)
	o.mu.Unlock()
	o.began(order)
	n := int(h.Sum32() >> 4)
	return time.Duration(n%100) * time.Second, n / 100 % 3 % 2
}

// stall holds a go up, once, if the ordeal says so.
func (o *ordeal) stall(ctx context.Context) error {
	o.mu.Lock()
	pause := o.slow
	o.slow = 0
	o.mu.Unlock()
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// mislay loses a committed go or its answer, once, if the ordeal says so. A
// guard that sees the end of its input refuses.
func (o *ordeal) mislay(order guard.Order) error {
	o.mu.Lock()
	wrong := o.wrong
	o.wrong = 0
	o.mu.Unlock()
	switch wrong {
	case 1:
		a := &attempt{order: order, ended: make(chan struct{})}
		o.hosts.set(func() { o.hosts.attempts[order.Attempt.Dir()] = a })
		o.hosts.finish(a, guard.Result{End: guard.Refused, Reason: "end of input"})
		return errDown
	case 2:
		o.hosts.exec(fleet.Host{ID: order.Host}, order)
		return errDown
	}
	return nil
}

// current is the file as it stands.
func (o *ordeal) current() *job.File {
	f := &job.File{Path: "test.yaml", Retention: 30 * 24 * time.Hour}
	for _, j := range o.file {
		if !o.off[j.Name] {
			f.Jobs = append(f.Jobs, j)
		}
	}
	return f
}

// join starts one more scheduler. One that can't load its file gives up.
func (o *ordeal) join() {
	ctx, cancel := context.WithCancel(o.ctx)
	m := &member{ledger: &frail{Ledger: o.witness, kill: cancel}, ahead: &atomic.Int64{}}
	watch := fleet.NewWatch(o.hosts, o.hosts.Probe, fleet.WatchOptions{})
	m.daemon = &daemon{New(Options{
		Ledger: m.ledger, Fleet: watch, Executor: o.hosts, Log: o.log, Sole: o.sole,
		Secret: func(string) (string, error) { return "", nil },
		Now:    func() time.Time { return time.Now().Add(time.Duration(m.ahead.Load())) },
	}), cancel, make(chan struct{})}
	if err := errors.Join(o.load(ctx, m), watch.Probe(ctx)); err != nil {
		cancel()
		return
	}
	var all sync.WaitGroup
	all.Go(func() { _ = watch.Run(ctx) })
	all.Go(func() { _ = m.Run(ctx) })
	go func() { all.Wait(); close(m.ended) }()
	o.up = append(o.up, m)
}

func (o *ordeal) load(ctx context.Context, m *member) error {
	err := m.Load(ctx, o.current(), map[string]notifier.Notifier{"ops": o.mail})
	o.owe(ctx, o.file)
	return err
}

// reload gives the file as it stands to every scheduler. One that can't load it
// is started again.
func (o *ordeal) reload() {
	for _, m := range o.up {
		if o.load(o.ctx, m) != nil {
			m.ledger.die()
		}
	}
}

// reap buries the schedulers that were killed.
func (o *ordeal) reap() {
	o.up = slices.DeleteFunc(o.up, func(m *member) bool {
		dead := errors.Is(m.ledger.gone(), errKilled)
		if dead {
			m.end()
		}
		return dead
	})
}

// one is any of the schedulers; nil if there is none.
func (o *ordeal) one() *member {
	if len(o.up) == 0 {
		return nil
	}
	return o.up[o.draw("scheduler", len(o.up))]
}

// some is a run in one of the states; its ID is empty if there is none.
func (o *ordeal) some(states ...run.State) run.Run {
	list, err := o.Ledger.Runs(o.ctx, ledger.Query{States: states})
	if err != nil || len(list) == 0 {
		return run.Run{}
	}
	return list[o.draw("run", len(list))]
}

// asks bounds how long a person waits for an answer.
func (o *ordeal) asks() (context.Context, context.CancelFunc) {
	return context.WithTimeout(o.ctx, 10*time.Second)
}

// mend puts in order whatever is not.
func (o *ordeal) mend() {
	o.deaf.Store(false)
	o.hosts.set(func() { clear(o.hosts.down) })
	for _, m := range o.up {
		m.ahead.Store(0)
		m.ledger.set(func() { m.ledger.away, m.ledger.in = false, 0 })
	}
}

// calm mends everything and waits until all is over.
func (o *ordeal) calm() {
	o.mend()
	clear(o.off)
	o.reload()
	o.reap()
	for _, j := range o.file {
		_ = o.Pause(o.ctx, j.Name, ledger.Pause{})
	}
	if len(o.up) == 0 {
		o.join()
	}
	pass(time.Hour)
	for _, m := range o.up {
		m.end()
	}
	o.up = nil
}

// acts are all that can happen, by name.
func (o *ordeal) acts() map[string]func() {
	acts := map[string]func(){
		"time": func() {}, "join": o.joins, "kill": o.kills, "ledger": o.harms, "host": o.strikesHost,
		"edit": o.edits, "clock": o.setsClock, "go": o.disturbsGo, "person": o.person, "run": o.asksForRun, "pause": o.pauses,
		"receiver": func() { o.deaf.Store(!o.deaf.Load()) },
	}
	for name, act := range maps.Clone(acts) {
		acts[name] = func() {
			act()
			pass(time.Duration(o.draw("seconds", 120)) * time.Second)
			o.reap()
		}
	}
	return acts
}
