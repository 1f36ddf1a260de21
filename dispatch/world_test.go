package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/memledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// world is a ledger, some hosts and the dispatchers on them, inside a bubble
// of fake time that begins at midnight UTC, 2000-01-01.
type world struct {
	t      *testing.T
	ledger ledger.Ledger
	hosts  *hosts
	file   *job.File
	mail   map[string]notifier.Notifier
	tune   func(*Options)
	log    *slog.Logger
}

// inWorld runs f in a bubble with the given hosts.
func inWorld(t *testing.T, names []string, f func(t *testing.T, w *world)) {
	t.Helper()
	bubbletest.Test(t, func(t *testing.T) { f(t, newWorld(t, memledger.New(), names...)) })
}

func newWorld(t *testing.T, l ledger.Ledger, hosts ...string) *world {
	w := &world{t: t, ledger: l, hosts: newHosts(hosts...), file: &job.File{Path: "test.yaml", Retention: 30 * 24 * time.Hour}}
	w.log = slog.New(slog.DiscardHandler)
	t.Cleanup(func() {
		w.hosts.mu.Lock()
		defer w.hosts.mu.Unlock()
		if len(w.hosts.early) > 0 {
			t.Errorf("%q started before they were due", w.hosts.early)
		}
	})
	if os.Getenv("SOLOCRON_TEST_LOG") != "" {
		w.log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	return w
}

// aJob is a job with the file's defaults.
func aJob(name, when string) job.Job {
	return job.Job{
		Name: name, When: schedule.Spec{Expr: when, Seed: name}, Pick: fleet.First,
		Command: "true", OutputBytes: 1 << 20, Overlap: job.Skip, StartWithin: 10 * time.Minute,
		Catchup: job.Catchup{Mode: job.CatchupNone}, Timeout: time.Hour, Grace: 10 * time.Second,
		Retry:  job.Retry{On: []run.State{run.Failed, run.TimedOut}, Backoff: 10 * time.Second, MaxBackoff: time.Minute, Host: job.AnyHost},
		Notify: job.Notify{On: notifier.Usual},
	}
}

// daemon is a running dispatcher.
type daemon struct {
	*Dispatcher
	stop  context.CancelFunc
	ended chan struct{}
}

// start runs a dispatcher on the world's file. It is ended by stop or crash.
func (w *world) start(jobs ...job.Job) *daemon {
	w.t.Helper()
	if len(jobs) > 0 {
		w.file.Jobs = jobs
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	watch := fleet.NewWatch(w.hosts, w.hosts.Probe, fleet.WatchOptions{})
	o := Options{
		Ledger: w.ledger, Fleet: watch, Executor: w.hosts, Log: w.log, Sole: true, Drain: time.Second,
		Secret: func(ref string) (string, error) { return "", fmt.Errorf("no secret %s", ref) },
	}
	if w.tune != nil {
		w.tune(&o)
	}
	d := &daemon{New(o), cancel, make(chan struct{})}
	if err := d.Load(ctx, w.file, w.mail); err != nil {
		w.t.Fatal(err)
	}
	if err := watch.Probe(ctx); err != nil {
		w.t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() { _ = watch.Run(ctx) })
	all.Go(func() {
		if err := d.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	go func() { all.Wait(); close(d.ended) }()
	w.t.Cleanup(d.end)
	return d
}

// end stops the dispatcher and waits for its drain.
func (d *daemon) end() {
	d.stop()
	<-d.ended
}

// runs returns every run of the job, the earliest due first.
func (w *world) runs(name string) []run.Run {
	w.t.Helper()
	list, err := w.ledger.Runs(w.t.Context(), ledger.Query{Job: name})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

// states is how the job's runs stand, the earliest due first.
func (w *world) states(name string) []run.State {
	w.t.Helper()
	var all []run.State
	for _, r := range w.runs(name) {
		all = append(all, r.State)
	}
	return all
}

// only returns the job's single run.
func (w *world) only(name string) run.Run {
	w.t.Helper()
	list := w.runs(name)
	if len(list) != 1 {
		w.t.Fatalf("job %s has %d runs: %v", name, len(list), w.states(name))
	}
	return list[0]
}

// now is the dispatchers' clock.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// pass lets time go by until everything that it brings is done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// hosts are servers without a network: an executor and a fleet whose commands
// are functions and whose faults are switched by the test. Like the guard, they
// start an attempt at most once.
type hosts struct {
	mu       sync.Mutex
	list     []fleet.Host
	down     map[string]bool   // can't be reached
	refuse   map[string]string // the guard's refusal
	command  func(o guard.Order) (time.Duration, int)
	attempts map[string]*attempt
	early    []string // witness: runs that started before they were due, by clock
	clock    func() time.Time
	ready    map[string][]context.CancelCauseFunc // by host: guards that wait for their go
	started  []string                             // witness: run IDs in the order in which commands started
	on       []string                             // the hosts they started on
	beforeGo func(context.Context) error          // the guard stands ready
	afterGo  func(o guard.Order) error            // go was committed and is on its way
}

type attempt struct {
	order  guard.Order
	result *guard.Result
	ended  chan struct{}
}

func newHosts(names ...string) *hosts {
	h := &hosts{
		down: map[string]bool{}, ready: map[string][]context.CancelCauseFunc{}, clock: time.Now, refuse: map[string]string{}, attempts: map[string]*attempt{},
		command: func(guard.Order) (time.Duration, int) { return 100 * time.Millisecond, 0 },
	}
	for _, name := range names {
		h.list = append(h.list, fleet.Host{ID: name, Address: "local", Tags: map[string]string{"name": name}})
	}
	return h
}

func (h *hosts) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *hosts) Hosts(context.Context) ([]fleet.Host, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list), nil
}

func (h *hosts) Probe(_ context.Context, host fleet.Host) fleet.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	health := fleet.Health{CheckedAt: time.Now()}
	if h.down[host.ID] {
		health.Refused = "unreachable"
	}
	return health
}

var errDown = errors.New("connection refused")

func (h *hosts) reach(host fleet.Host) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down[host.ID] {
		return errDown
	}
	return nil
}

func (h *hosts) Start(ctx context.Context, host fleet.Host, o guard.Order, grant func(context.Context) error) error {
	if h.reach(host) != nil {
		return &executor.NotStarted{Proof: "unreachable", Err: executor.ErrUnreachable}
	}
	h.mu.Lock()
	refusal := h.refuse[host.ID]
	_, twice := h.attempts[o.Attempt.Dir()]
	h.mu.Unlock()
	if twice {
		return executor.ErrDelivered
	}
	if refusal != "" {
		return &executor.NotStarted{Proof: "guard: " + refusal}
	}
	if f := h.beforeGo; f != nil {
		if err := f(ctx); err != nil {
			return &executor.NotStarted{Proof: err.Error(), Err: err}
		}
	}
	ctx, left := context.WithCancelCause(ctx)
	defer left(nil)
	h.set(func() { h.ready[host.ID] = append(h.ready[host.ID], left) })
	if err := grant(ctx); err != nil {
		return &executor.NotStarted{Proof: "no go was given", Err: err}
	}
	if h.afterGo != nil {
		if err := h.afterGo(o); err != nil {
			return err
		}
	}
	h.exec(host, o)
	return nil
}

// leave ends the host's guards that wait for their go.
func (h *hosts) leave(host string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, left := range h.ready[host] {
		left(errDown)
	}
}

// exec is the guard's part: the command runs to its end whatever becomes of
// the dispatcher.
func (h *hosts) exec(host fleet.Host, o guard.Order) {
	h.mu.Lock()
	defer h.mu.Unlock()
	took, code := h.command(o)
	a := &attempt{order: o, ended: make(chan struct{})}
	h.attempts[o.Attempt.Dir()] = a
	h.started = append(h.started, o.Run)
	if h.clock().Before(o.Due) {
		h.early = append(h.early, o.Run)
	}
	h.on = append(h.on, host.ID)
	begun := time.Now().UTC()
	end, timedOut := took, took > o.Timeout
	if timedOut {
		end = o.Timeout
	}
	time.AfterFunc(end, func() {
		r := guard.Result{End: guard.Exited, Code: code, StartedAt: begun, EndedAt: time.Now().UTC()}
		if timedOut {
			r.End, r.Code = guard.TimedOut, 143
		}
		r.Output = guard.Output{Head: []byte("output of " + o.Run + "\n"), Bytes: int64(len("output of " + o.Run + "\n"))}
		h.finish(a, r)
	})
}

func (h *hosts) finish(a *attempt, r guard.Result) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.result == nil {
		a.result = &r
		close(a.ended)
	}
}

func (h *hosts) Wait(ctx context.Context, host fleet.Host, at guard.Attempt) (guard.Result, error) {
	for {
		if err := h.reach(host); err == nil {
			s, _ := h.Status(ctx, host, at)
			if s.Phase != guard.PhaseRunning {
				return s.Result, nil
			}
			h.mu.Lock()
			ended := h.attempts[at.Dir()].ended
			h.mu.Unlock()
			select {
			case <-ended:
				if h.reach(host) == nil {
					continue
				}
			case <-ctx.Done():
				return guard.Result{}, context.Cause(ctx)
			}
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return guard.Result{}, fmt.Errorf("%w: %w", context.Cause(ctx), errDown)
		}
	}
}

func (h *hosts) Status(_ context.Context, host fleet.Host, at guard.Attempt) (guard.Status, error) {
	if err := h.reach(host); err != nil {
		return guard.Status{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.attempts[at.Dir()]
	switch {
	case a == nil:
		return guard.Status{Phase: guard.PhaseAbsent, Result: guard.Result{End: guard.Absent, Reason: "no run directory"}}, nil
	case a.result == nil:
		return guard.Status{Phase: guard.PhaseRunning}, nil
	}
	return guard.Status{Phase: guard.PhaseEnded, Result: *a.result}, nil
}

func (h *hosts) Stop(_ context.Context, host fleet.Host, at guard.Attempt, _ bool) error {
	if err := h.reach(host); err != nil {
		return err
	}
	h.mu.Lock()
	a := h.attempts[at.Dir()]
	h.mu.Unlock()
	if a != nil {
		h.finish(a, guard.Result{End: guard.Cancelled, Code: 143, EndedAt: time.Now().UTC()})
	}
	return nil
}

func (h *hosts) Output(context.Context, fleet.Host, guard.Attempt, int64, int) ([]byte, error) {
	return nil, nil
}

func (h *hosts) Close() error { return nil }

// Holds lets every run be prepared, so that all that is tested here is tested of
// prepared runs too.
func (h *hosts) Holds(fleet.Host) bool { return true }

func (h *hosts) Listens(_ context.Context, host fleet.Host, _ guard.Attempt) error {
	return h.reach(host)
}

// witness is how often each run's command started.
func (h *hosts) witness() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	count := map[string]int{}
	for _, id := range h.started {
		count[id]++
	}
	return count
}
