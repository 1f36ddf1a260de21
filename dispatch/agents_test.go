package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/memledger"
	"github.com/solocron/solocron/run"
)

// agents are hosts that nobody can talk to while a command starts: orders
// travel by themselves, and the host and the scheduler decide by a claim who of
// them is first.
type agents struct {
	mu      sync.Mutex
	list    []fleet.Host
	dead    map[string]bool
	claims  map[string]string        // by attempt: "host" or "scheduler"
	dirs    map[string]bool          // run directories, by host and attempt
	results map[string]*guard.Result // by attempt, nil while it runs
	witness []string                 // run IDs, as their commands started
	on      []string                 // and where
	sends   int

	command  func(o guard.Order) (time.Duration, int)
	travel   func() []time.Duration // when an order arrives; none if it is lost
	sending  func() error           // instead of nil, what Start returns once sent
	reject   func(host string) error
	protects map[string]bool
	toggles  []string
}

func newAgents(names ...string) *agents {
	a := &agents{
		dead: map[string]bool{}, claims: map[string]string{}, dirs: map[string]bool{}, results: map[string]*guard.Result{},
		command:  func(guard.Order) (time.Duration, int) { return time.Second, 0 },
		travel:   func() []time.Duration { return []time.Duration{300 * time.Millisecond} },
		protects: map[string]bool{},
	}
	for _, name := range names {
		a.list = append(a.list, fleet.Host{ID: name, Address: fleet.ByAgent, Group: "group"})
	}
	return a
}

func (a *agents) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func (a *agents) Hosts(ctx context.Context) ([]fleet.Host, error) { return a.Find(ctx, nil) }

func (a *agents) Find(context.Context, fleet.Selector) ([]fleet.Host, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(a.list), func(h fleet.Host) bool { return a.dead[h.ID] })
	for i := range list {
		list[i].Protected = a.protects[list[i].ID]
	}
	return list, nil
}

func (a *agents) Protect(_ context.Context, h fleet.Host, on bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.protects[h.ID] = on
	a.toggles = append(a.toggles, fmt.Sprint(h.ID, " ", on))
	return nil
}

func (a *agents) Start(ctx context.Context, h fleet.Host, o guard.Order, grant func(context.Context) error) error {
	if err := grant(ctx); err != nil {
		return &executor.NotStarted{Proof: "no go was given", Err: err}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sends++
	if a.reject != nil {
		if err := a.reject(h.ID); err != nil {
			return err
		}
	}
	for _, after := range a.travel() {
		time.AfterFunc(after, func() { a.arrive(h, o) })
	}
	if a.sending != nil {
		return a.sending()
	}
	return nil
}

// arrive is the guard on the host.
func (a *agents) arrive(h fleet.Host, o guard.Order) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := o.Attempt.Dir()
	if a.dead[h.ID] || a.dirs[h.ID+at] {
		return
	}
	a.dirs[h.ID+at] = true
	if !o.Unclaimed {
		if a.claims[at] != "" {
			return
		}
		a.claims[at] = "host"
	}
	a.witness = append(a.witness, o.Run)
	a.on = append(a.on, h.ID)
	a.results[at] = nil
	took, code := a.command(o)
	begun := time.Now().UTC()
	time.AfterFunc(took, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.dead[h.ID] && a.results[at] == nil {
			a.results[at] = &guard.Result{End: guard.Exited, Code: code, StartedAt: begun, EndedAt: time.Now().UTC()}
		}
	})
}

func (a *agents) Status(_ context.Context, h fleet.Host, at guard.Attempt) (guard.Status, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	result, begun := a.results[at.Dir()]
	switch {
	case a.claims[at.Dir()] == "scheduler":
		return guard.Status{Phase: guard.PhaseEnded, Result: guard.Result{End: guard.Refused, Reason: "taken back before the host claimed it"}}, nil
	case result != nil:
		return guard.Status{Phase: guard.PhaseEnded, Result: *result}, nil
	case begun && a.dead[h.ID]:
		return guard.Status{Phase: guard.PhaseEnded, Result: guard.Result{End: guard.Gone, Reason: "the instance was terminated"}}, nil
	case begun:
		return guard.Status{Phase: guard.PhaseRunning}, nil
	case a.dead[h.ID] && !at.Unclaimed:
		return guard.Status{Phase: guard.PhaseAbsent, Hopeless: "the instance is terminated"}, nil
	}
	return guard.Status{Phase: guard.PhaseAbsent}, nil
}

func (a *agents) Stop(_ context.Context, h fleet.Host, at guard.Attempt, _ bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.claims[at.Dir()] == "" && !at.Unclaimed {
		a.claims[at.Dir()] = "scheduler"
	}
	if result, begun := a.results[at.Dir()]; begun && result == nil {
		a.results[at.Dir()] = &guard.Result{End: guard.Cancelled, Code: 143, EndedAt: time.Now().UTC()}
	}
	if a.dead[h.ID] && a.claims[at.Dir()] != "scheduler" {
		return errDown
	}
	return nil
}

func (a *agents) TakeBack(ctx context.Context, h fleet.Host, at guard.Attempt, why string) (guard.Status, error) {
	a.mu.Lock()
	if a.claims[at.Dir()] == "" && !at.Unclaimed {
		a.claims[at.Dir()] = "scheduler"
	}
	a.mu.Unlock()
	s, err := a.Status(ctx, h, at)
	if s.Result.End == guard.Refused {
		s.Result.Reason += ": " + why
	}
	return s, err
}

func (a *agents) Wait(context.Context, fleet.Host, guard.Attempt) (guard.Result, error) {
	return guard.Result{}, errors.New("nobody waits in steps")
}

func (a *agents) Output(context.Context, fleet.Host, guard.Attempt, int64, int) ([]byte, error) {
	return nil, nil
}

func (a *agents) Probe(context.Context, fleet.Host) fleet.Health {
	return fleet.Health{CheckedAt: time.Now()}
}

func (a *agents) Close() error { return nil }

// cloud is a ledger, agents and a timer, inside a bubble that begins at
// midnight UTC, 2000-01-01.
type cloud struct {
	*world
	agents *agents
}

// inCloud runs f in a bubble with the jobs known since midnight.
func inCloud(t *testing.T, names []string, jobs []job.Job, f func(t *testing.T, c *cloud)) {
	t.Helper()
	bubbletest.Test(t, func(t *testing.T) {
		c := &cloud{newWorld(t, memledger.New()), newAgents(names...)}
		c.put(jobs...)
		f(t, c)
	})
}

func (c *cloud) put(jobs ...job.Job) {
	c.t.Helper()
	for _, j := range jobs {
		spec := ledger.JobSpec{Name: j.Name, Hash: j.Hash(), When: j.WhenHash(), Body: j.Body()}
		if err := c.ledger.PutJobs(c.t.Context(), now(), spec); err != nil {
			c.t.Fatal(err)
		}
	}
}

// fresh is a dispatcher that knows nothing but the ledger, as every event may
// meet one.
func (c *cloud) fresh() *Dispatcher {
	return New(Options{
		Ledger: c.ledger, Executor: c.agents, Fleet: fleet.NewListing(c.agents, 0), Log: c.log, Stepwise: true,
		Secret:    func(ref string) (string, error) { return "", fmt.Errorf("no secret %s", ref) },
		Protector: c.agents, Receivers: c.mail, ClaimWithin: 2 * time.Minute,
	})
}

// due delivers the job's due time at once.
func (c *cloud) due(name string, at time.Time) {
	c.t.Helper()
	d := c.fresh()
	if err := errors.Join(d.Due(c.t.Context(), name, "", at), d.Settle(c.t.Context())); err != nil {
		c.t.Error(err)
	}
}

// news tells of every open run.
func (c *cloud) news() {
	c.t.Helper()
	d := c.fresh()
	for _, r := range c.all() {
		if err := d.News(c.t.Context(), r.ID); err != nil {
			c.t.Error(err)
		}
	}
	if err := d.Settle(c.t.Context()); err != nil {
		c.t.Error(err)
	}
}

// sweep passes a minute and sweeps.
func (c *cloud) sweep() {
	c.t.Helper()
	pass(time.Minute)
	if err := c.fresh().Sweep(c.t.Context()); err != nil {
		c.t.Error(err)
	}
}

func (c *cloud) all() []run.Run {
	c.t.Helper()
	list, err := c.ledger.Runs(c.t.Context(), ledger.Query{})
	if err != nil {
		c.t.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

// once fails unless every run of the witness is there once.
func (c *cloud) once(want int) {
	c.t.Helper()
	c.agents.mu.Lock()
	defer c.agents.mu.Unlock()
	seen := map[string]int{}
	for _, id := range c.agents.witness {
		if seen[id]++; seen[id] > 1 {
			c.t.Errorf("run %s was started %d times", id, seen[id])
		}
	}
	if len(seen) != want {
		c.t.Errorf("%d runs were started, want %d: %v", len(seen), want, c.agents.witness)
	}
}

var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
