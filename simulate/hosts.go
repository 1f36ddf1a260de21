package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// hosts are the servers: an executor and a fleet without a network. What they
// say follows from the clock, what was sent to them, and when they were down.
// As on real hosts, an attempt's run directory and its register decide whether
// its command starts, and they outlive a restart.
type hosts struct {
	world *World
	now   func() time.Time
	ends  func(runID string, at time.Time) // an attempt is going to end
	downs map[string]downs

	mu      sync.Mutex
	orders  map[string]*order // by run directory
	sent    []*order
	last    map[string]*order // by host and job: the last to hold the lock
	doubted map[string]time.Time
}

// order is an order that was sent to a host, with what the host makes of it.
type order struct {
	guard.Order
	oneWay  bool
	sent    time.Time
	arrives time.Time // the host has it, and may start; zero for never
	refused string    // why it never starts; empty if it does
	takes   time.Duration
	code    int
	stopped time.Time // told to end
}

func newHosts(w *World, now func() time.Time, ends func(string, time.Time)) *hosts {
	h := &hosts{
		world: w, now: now, ends: ends, downs: map[string]downs{},
		orders: map[string]*order{}, last: map[string]*order{}, doubted: map[string]time.Time{},
	}
	for _, host := range w.Hosts {
		h.downs[host.ID] = hostDowns(w.Faults, host.ID)
	}
	return h
}

var (
	_ executor.OneWay = (*hosts)(nil)
	_ fleet.View      = (*hosts)(nil)
)

// Hosts implements [fleet.Fleet].
func (h *hosts) Hosts(context.Context) ([]fleet.Host, error) {
	list := fleet.Clone(h.world.Hosts)
	slices.SortFunc(list, func(a, b fleet.Host) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// Find implements [fleet.Finder].
func (h *hosts) Find(ctx context.Context, _ fleet.Selector) ([]fleet.Host, error) {
	return h.Hosts(ctx)
}

// How long after one look at a host the next one comes, as config sets it.
const (
	lookEvery     = 20 * time.Second
	lookAWSEvery  = time.Minute
	waitsForGo    = time.Minute // what a guard that stands ready does
	exitOfTimeout = 143         // 128 + SIGTERM
)

func every(host fleet.Host) time.Duration {
	if host.Address == fleet.ByAgent {
		return lookAWSEvery
	}
	return lookEvery
}

// Health is what the last look at the host found.
func (h *hosts) Health(host fleet.Host) fleet.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	looked := h.now().Truncate(every(host))
	health := fleet.Health{CheckedAt: looked}
	if _, down := h.downs[host.ID].at(looked); down || h.now().Before(h.doubted[host.ID]) {
		health.Refused = "unreachable"
	}
	return health
}

// Down refuses the host until the next look at it.
func (h *hosts) Down(hostID, _ string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, host := range h.world.Hosts {
		if host.ID == hostID {
			h.doubted[hostID] = h.now().Truncate(every(host)).Add(every(host))
		}
	}
}

// Probe is not asked in steps.
func (h *hosts) Probe(_ context.Context, host fleet.Host) fleet.Health { return h.Health(host) }

// Start implements [executor.Executor].
func (h *hosts) Start(ctx context.Context, host fleet.Host, o guard.Order, grant func(context.Context) error) error {
	if host.Address == fleet.ByAgent {
		if err := grant(ctx); err != nil {
			return &executor.NotStarted{Proof: "no go was given", Err: err}
		}
		h.post(o)
		return nil
	}
	ready, err := h.stand(o)
	if err != nil {
		return err
	}
	if err := grant(ctx); err != nil {
		return &executor.NotStarted{Proof: "no go was given", Err: err}
	}
	h.begin(ready)
	return nil
}

// post sends an order to an agent. It waits for a host that is down.
func (h *hosts) post(o guard.Order) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.orders[o.Attempt.Dir()] != nil {
		return // a second delivery starts nothing
	}
	sent := &order{Order: o, oneWay: true, sent: h.now()}
	sent.arrives = sent.sent.Add(h.travel(o.Host, sent.sent))
	for d, ok := h.downs[o.Host].at(sent.arrives); ok; d, ok = h.downs[o.Host].at(sent.arrives) {
		if sent.arrives = d.until; d.until.IsZero() {
			break
		}
	}
	if !sent.arrives.IsZero() && sent.arrives.After(o.StartBy) {
		sent.refused = "it arrived after its time to start"
	}
	h.keep(sent)
	h.foretell(sent)
}

// stand makes the run directory of an order on a host that can be talked to.
func (h *hosts) stand(o guard.Order) (*order, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if _, down := h.downs[o.Host].at(now); down {
		return nil, &executor.NotStarted{Proof: "the host refused the connection", Err: executor.ErrUnreachable}
	}
	if h.orders[o.Attempt.Dir()] != nil {
		return nil, executor.ErrDelivered
	}
	if other := h.last[o.Host+"/"+o.Job]; o.Exclusive && other != nil && h.phase(other) == guard.PhaseRunning {
		return nil, &executor.NotStarted{Proof: "guard: " + other.Attempt.Dir() + " is running here", Busy: true}
	}
	ready := &order{Order: o, sent: now, refused: "its connection ended before go"}
	h.keep(ready)
	return ready, nil
}

// begin sends the go to a guard that stands ready.
func (h *hosts) begin(o *order) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o.refused = ""
	travel := h.travel(o.Host, o.sent)
	o.arrives = o.sent.Add(travel)
	_, died := h.downs[o.Host].first(o.sent, o.arrives.Add(1))
	switch {
	case died:
		o.refused = "its host was restarted before go arrived"
	case travel > waitsForGo:
		o.arrives = o.sent.Add(waitsForGo)
		o.refused = fmt.Sprintf("no go came within %s", waitsForGo)
	}
	h.foretell(o)
}

func (h *hosts) keep(o *order) {
	h.orders[o.Attempt.Dir()] = o
	h.sent = append(h.sent, o)
	if o.Exclusive {
		h.last[o.Host+"/"+o.Job] = o
	}
}

// foretell decides what the command will come to, and says when it ends.
func (h *hosts) foretell(o *order) {
	o.takes, o.code = h.command(o.Job, o.arrives)
	if begin, end, _ := h.life(o); !begin.IsZero() {
		h.ends(o.Run, end)
	} else if !o.arrives.IsZero() {
		h.ends(o.Run, o.arrives)
	}
}

// travel is how long an order that is sent now takes.
func (h *hosts) travel(host string, now time.Time) time.Duration {
	var took time.Duration
	if h.world.chance.travel != nil {
		took = h.world.chance.travel()
	}
	for _, f := range h.world.Faults {
		if f.Kind == SlowDelivery && f.Name == host && f.covers(now) {
			took = f.For
		}
	}
	return took
}

// command is what a job's command comes to that starts at the given time.
func (h *hosts) command(name string, at time.Time) (takes time.Duration, code int) {
	takes = h.world.Takes
	if h.world.chance.command != nil {
		takes, code = h.world.chance.command(name)
	}
	for _, f := range h.world.Faults {
		switch {
		case f.Name != name || !f.covers(at):
		case f.Kind == CommandTakes:
			takes = f.For
		case f.Kind == CommandFails:
			code = 1
		}
	}
	return takes, code
}

// life is when the order's command starts and ends as things stand; zero if it
// never starts. died says that it ends with its host.
func (h *hosts) life(o *order) (begin, end time.Time, died bool) {
	if o.refused != "" || o.arrives.IsZero() {
		return begin, end, false
	}
	begin, end = o.arrives, o.arrives.Add(min(o.takes, o.Timeout))
	if !o.stopped.IsZero() && o.stopped.Before(end) {
		end = o.stopped
	}
	if d, ok := h.downs[o.Host].first(begin, end); ok {
		return begin, d.from, true
	}
	return begin, end, false
}

// phase is how far the order has come on its host, whether or not that can be
// asked. One that was refused has ended.
func (h *hosts) phase(o *order) guard.Phase {
	begin, end, _ := h.life(o)
	now := h.now()
	switch {
	case o.refused != "" && (o.arrives.IsZero() || !now.Before(o.arrives)):
		return guard.PhaseEnded
	case begin.IsZero() || now.Before(begin):
		return guard.PhaseAbsent
	case now.Before(end):
		return guard.PhaseRunning
	}
	return guard.PhaseEnded
}

var errDown = errors.New("no answer")

// Status implements [executor.Executor].
func (h *hosts) Status(_ context.Context, host fleet.Host, at guard.Attempt) (guard.Status, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, down := h.downs[host.ID].at(h.now())
	o := h.orders[at.Dir()]
	if o == nil {
		if down && host.Address != fleet.ByAgent {
			return guard.Status{}, errDown
		}
		return guard.Status{Phase: guard.PhaseAbsent}, nil
	}
	phase := h.phase(o)
	_, _, died := h.life(o)
	// What an agent told, and the register, don't need the host any more.
	if down && (!o.oneWay || phase == guard.PhaseRunning || died) {
		return guard.Status{}, errDown
	}
	if phase == guard.PhaseAbsent && !o.oneWay {
		phase = guard.PhaseReady // its go is on its way
	}
	status := guard.Status{Phase: phase}
	if phase == guard.PhaseEnded {
		status.Result = h.result(o)
	}
	return status, nil
}

// result is the word of an ended order's run directory.
func (h *hosts) result(o *order) guard.Result {
	begin, end, died := h.life(o)
	r := guard.Result{End: guard.Exited, Code: o.code, StartedAt: begin, EndedAt: end}
	switch {
	case o.refused != "":
		return guard.Result{End: guard.Refused, Reason: o.refused}
	case died:
		return guard.Result{End: guard.Gone, Reason: "the host was restarted during the run"}
	case end.Equal(o.stopped):
		r.End, r.Code = guard.Cancelled, exitOfTimeout
	case o.takes > o.Timeout:
		r.End, r.Code = guard.TimedOut, exitOfTimeout
	}
	return r
}

// Stop implements [executor.Executor].
func (h *hosts) Stop(_ context.Context, host fleet.Host, at guard.Attempt, _ bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.takeBack(at, "it was cancelled")
	o := h.orders[at.Dir()]
	if _, down := h.downs[host.ID].at(h.now()); down && (o == nil || o.refused == "") {
		return errDown
	}
	if o != nil && o.stopped.IsZero() && h.phase(o) == guard.PhaseRunning {
		o.stopped = h.now()
		h.ends(o.Run, o.stopped)
	}
	return nil
}

// TakeBack implements [executor.OneWay].
func (h *hosts) TakeBack(ctx context.Context, host fleet.Host, at guard.Attempt, why string) (guard.Status, error) {
	h.mu.Lock()
	h.takeBack(at, why)
	h.mu.Unlock()
	return h.Status(ctx, host, at)
}

// takeBack writes the register of an attempt, unless its guard was first.
func (h *hosts) takeBack(at guard.Attempt, why string) {
	o := h.orders[at.Dir()]
	switch {
	case at.Unclaimed:
	case o == nil: // its sender died before it was sent
		h.orders[at.Dir()] = &order{Order: guard.Order{Attempt: at}, oneWay: true, refused: "taken back: " + why}
	case o.oneWay && h.phase(o) == guard.PhaseAbsent:
		o.refused, o.arrives = "taken back: "+why, time.Time{}
	}
}

// starts are the commands that were started, whatever the ledger says.
func (h *hosts) starts() []Start {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []Start
	for _, o := range h.sent {
		begin, end, died := h.life(o)
		if begin.IsZero() || o.Due.After(h.world.To) {
			continue
		}
		all = append(all, Start{
			Run: o.Run, Job: o.Job, Attempt: o.N, Host: o.Host, At: begin, End: end, Died: died, Code: h.result(o).Code,
		})
	}
	return all
}

// Wait is for dispatchers that don't go in steps.
func (h *hosts) Wait(context.Context, fleet.Host, guard.Attempt) (guard.Result, error) {
	return guard.Result{}, errors.New("nobody waits in a simulation")
}

// Output implements [executor.Executor]: simulated commands say nothing.
func (h *hosts) Output(context.Context, fleet.Host, guard.Attempt, int64, int) ([]byte, error) {
	return nil, nil
}

// Close implements [executor.Executor].
func (h *hosts) Close() error { return nil }
