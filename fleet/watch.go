package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// WatchOptions say how a [Watch] probes. Zero values mean the defaults.
type WatchOptions struct {
	Every    time.Duration // between the starts of two rounds; default 20s
	Parallel int           // probes at a time, in each of the two lanes; default 16
	Timeout  time.Duration // of one probe; default 15s
	// MaxAge is how old a probe's word may be before its host is refused;
	// default three times Every.
	MaxAge time.Duration
}

// Watch keeps the health of every host of a fleet fresh, so that a pick need
// not wait for a probe. It is itself a [Fleet]: the list as of the last round.
//
// A host that hangs keeps only its own probe waiting. Hosts that were refused
// last time queue in a lane of their own, so that any number of dead hosts
// can't make the living ones look stale.
type Watch struct {
	fleet   Fleet
	probe   func(context.Context, Host) Health
	options WatchOptions
	living  chan struct{} // one element per probe under way
	doubted chan struct{}

	mu       sync.Mutex
	hosts    []Host
	listedAt time.Time // zero until a round listed the fleet
	seen     map[string]*sight
}

// sight is what the watch knows of one host.
type sight struct {
	address string
	health  Health
	probing bool
	downs   int // calls of Down, to tell a probe that one came in between
}

// NewWatch returns a watch over f that looks at hosts with probe. probe is
// called concurrently and must end soon after its context does. Nothing is
// probed before [Watch.Run] or [Watch.Probe].
func NewWatch(f Fleet, probe func(context.Context, Host) Health, o WatchOptions) *Watch {
	if o.Every <= 0 {
		o.Every = 20 * time.Second
	}
	if o.Parallel <= 0 {
		o.Parallel = 16
	}
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	if o.MaxAge <= 0 {
		o.MaxAge = 3 * o.Every
	}
	return &Watch{
		fleet: f, probe: probe, options: o,
		living:  make(chan struct{}, o.Parallel),
		doubted: make(chan struct{}, o.Parallel),
		seen:    map[string]*sight{},
	}
}

// Run probes round after round until ctx is done, waits for the probes under
// way and returns ctx's cause. A round doesn't wait for the one before it, it
// leaves out the hosts whose probe still runs. While the fleet can't be
// listed, the hosts of the last list are probed; [Watch.Hosts] tells whoever
// asks.
func (w *Watch) Run(ctx context.Context) error {
	var probes sync.WaitGroup
	defer probes.Wait()
	tick := time.NewTicker(w.options.Every)
	defer tick.Stop()
	for {
		_ = w.list(ctx)
		w.round(ctx, &probes)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Probe lists the fleet and probes every host once. It returns when all have
// answered, or ctx is done and the probes under way have given up. The error
// is that of the list, or ctx's cause. Repeating is safe; hosts that another
// round is probing already are not waited for.
func (w *Watch) Probe(ctx context.Context) error {
	if err := w.list(ctx); err != nil {
		return err
	}
	var probes sync.WaitGroup
	w.round(ctx, &probes)
	probes.Wait()
	return context.Cause(ctx)
}

// Hosts returns the fleet as the last round listed it, and asks anew if that
// is longer ago than MaxAge.
func (w *Watch) Hosts(ctx context.Context) ([]Host, error) {
	if hosts, ok := w.listed(); ok {
		return hosts, nil
	}
	if err := w.list(ctx); err != nil {
		return nil, err
	}
	hosts, _ := w.listed()
	return hosts, nil
}

// Find is Hosts: the list has everybody.
func (w *Watch) Find(ctx context.Context, _ Selector) ([]Host, error) { return w.Hosts(ctx) }

// Health is what the last probe of the host found. A host is refused that the
// inventory refuses, that was never probed, or whose last probe is older than
// MaxAge.
func (w *Watch) Health(h Host) Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seen[h.ID]
	if s == nil || s.health.CheckedAt.IsZero() {
		return Health{Refused: NotProbed}
	}
	health := s.health
	if h.Refused != "" {
		health.Refused = h.Refused
	}
	if health.Refused == "" && time.Since(health.CheckedAt) > w.options.MaxAge {
		health.Refused = fmt.Sprintf("not seen healthy for %v", w.options.MaxAge)
	}
	return health
}

// Down refuses a host at once, until a probe that began later finds it
// healthy: a command just failed to start there. Repeating is safe.
func (w *Watch) Down(hostID, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.seen[hostID]; s != nil {
		s.downs++
		s.health = Health{CheckedAt: time.Now(), Refused: reason}
	}
}

// list asks the fleet for its hosts, forgets those that left and leaves the
// last list alone if there is no new one.
func (w *Watch) list(ctx context.Context) error {
	hosts, err := w.fleet.Hosts(ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make(map[string]*sight, len(hosts))
	for _, h := range hosts {
		s := w.seen[h.ID]
		if s == nil || s.address != h.Address { // new, or another machine of that name
			s = &sight{address: h.Address}
		}
		seen[h.ID] = s
	}
	w.hosts, w.listedAt, w.seen = hosts, time.Now(), seen
	return nil
}

// listed returns a copy of the last list, if it is young enough.
func (w *Watch) listed() ([]Host, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listedAt.IsZero() || time.Since(w.listedAt) > w.options.MaxAge {
		return nil, false
	}
	return Clone(w.hosts), true
}

// round starts a probe of every listed host that none is under way for.
func (w *Watch) round(ctx context.Context, probes *sync.WaitGroup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		s := w.seen[h.ID]
		if s.probing {
			continue
		}
		s.probing = true
		lane := w.living
		if s.health.Refused != "" {
			lane = w.doubted
		}
		probes.Go(func() { w.look(ctx, h, s, lane) })
	}
}

// look probes one host as soon as its lane has room, and keeps what it found.
func (w *Watch) look(ctx context.Context, h Host, s *sight, lane chan struct{}) {
	lane <- struct{}{} // soon free once ctx is done: every probe then ends
	defer func() { <-lane }()
	downs := w.begin(s)
	timeout := fmt.Errorf("no answer within %v", w.options.Timeout)
	probing, cancel := context.WithTimeoutCause(ctx, w.options.Timeout, timeout)
	defer cancel()
	health := w.probe(probing, h)
	if health.Refused != "" && errors.Is(context.Cause(probing), timeout) {
		health.Refused = timeout.Error()
	}
	w.end(ctx, s, health, downs)
}

// begin returns how often the host was said to be down before the probe.
func (w *Watch) begin(s *sight) (downs int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return s.downs
}

// end keeps what a probe found, unless the probe was cut short or its good
// news is older than the bad.
func (w *Watch) end(ctx context.Context, s *sight, health Health, downs int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.probing = false
	if ctx.Err() != nil || health.Refused == "" && s.downs != downs {
		return
	}
	health.CheckedAt = time.Now()
	s.health = health
}
