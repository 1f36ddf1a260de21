package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/fleet/fleettest"
	"github.com/solocron/solocron/fleet/listfleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// changing is a fleet whose list and failure a test may change.
type changing struct {
	mu    sync.Mutex
	hosts []fleet.Host
	err   error
}

func newChanging(ids ...string) *changing {
	f := &changing{}
	f.set(nil, ids...)
	return f
}

func (f *changing) set(err error, ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts, f.err = nil, err
	for _, id := range ids {
		f.hosts = append(f.hosts, fleet.Host{ID: id, Address: "ssh://" + id})
	}
}

func (f *changing) Hosts(context.Context) ([]fleet.Host, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fleet.Clone(f.hosts), f.err
}

// probes plays the hosts: what each says, and how often it was asked.
type probes struct {
	mu    sync.Mutex
	count map[string]int
	say   func(ctx context.Context, h fleet.Host) fleet.Health
}

func answer(say func(ctx context.Context, h fleet.Host) fleet.Health) *probes {
	return &probes{count: map[string]int{}, say: say}
}

func healthy(context.Context, fleet.Host) fleet.Health { return fleet.Health{FreeBytes: 1} }

// hang gives up only when it must.
func hang(ctx context.Context, _ fleet.Host) fleet.Health {
	<-ctx.Done()
	return fleet.Health{Refused: "unreachable: " + ctx.Err().Error()}
}

func (p *probes) probe(ctx context.Context, h fleet.Host) fleet.Health {
	p.mu.Lock()
	p.count[h.ID]++
	p.mu.Unlock()
	return p.say(ctx, h)
}

func (p *probes) of(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count[id]
}

func host(id string) fleet.Host { return fleet.Host{ID: id, Address: "ssh://" + id} }

// start runs the watch for the time of the test.
func start(t *testing.T, w *fleet.Watch) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	stopped := errors.New("the daemon stops")
	go func() { ended <- w.Run(ctx) }()
	return func() {
		cancel(stopped)
		if err := <-ended; !errors.Is(err, stopped) {
			t.Errorf("Run = %v, want the cause", err)
		}
	}
}

func wantRefused(t *testing.T, w *fleet.Watch, id, want string) {
	t.Helper()
	if got := w.Health(host(id)).Refused; got != want {
		t.Errorf("host %s: refused %q, want %q", id, got, want)
	}
}

func TestWatchIsAFleet(t *testing.T) {
	fleettest.Run(t, fleettest.Subject{
		Of: func(t *testing.T, hosts []fleet.Host) fleet.Fleet {
			f, err := listfleet.New(hosts)
			if err != nil {
				t.Fatal(err)
			}
			return fleet.NewWatch(f, healthy, fleet.WatchOptions{})
		},
		Broken: func(*testing.T) (fleet.Fleet, error) {
			f := newChanging()
			f.set(fmt.Errorf("%w: asked in vain", fleet.ErrInventory))
			return fleet.NewWatch(f, healthy, fleet.WatchOptions{}), nil
		},
	})
}

func TestWatchProbe(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		sick := answer(func(ctx context.Context, h fleet.Host) fleet.Health {
			if h.ID == "b" {
				return fleet.Health{Refused: "disk full"}
			}
			return healthy(ctx, h)
		})
		w := fleet.NewWatch(newChanging("a", "b"), sick.probe, fleet.WatchOptions{})
		wantRefused(t, w, "a", fleet.NotProbed)
		if err := w.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := w.Health(host("a")), (fleet.Health{CheckedAt: time.Now(), FreeBytes: 1}); got != want {
			t.Errorf("health %+v, want %+v", got, want)
		}
		wantRefused(t, w, "b", "disk full")
		wantRefused(t, w, "c", fleet.NotProbed)
	})
}

func TestWatchBelievesTheInventory(t *testing.T) {
	f := newChanging("a")
	w := fleet.NewWatch(f, healthy, fleet.WatchOptions{})
	if err := w.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.Health(fleet.Host{ID: "a", Refused: "stopped"}).Refused; got != "stopped" {
		t.Errorf("a stopped host is refused for %q", got)
	}
}

func TestWatchProbeIsBounded(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := fleet.NewWatch(newChanging("a", "b", "c"), hang, fleet.WatchOptions{Parallel: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := w.Probe(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("Probe = %v after %v, want the deadline's error after a second", err, time.Since(began))
		}
		wantRefused(t, w, "a", fleet.NotProbed) // a probe cut short says nothing
	})
}

func TestWatchHungHostDelaysNobody(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		hosts := answer(func(ctx context.Context, h fleet.Host) fleet.Health {
			if h.ID == "hung" {
				return hang(ctx, h)
			}
			return healthy(ctx, h)
		})
		w := fleet.NewWatch(newChanging("a", "hung"), hosts.probe, fleet.WatchOptions{Timeout: 50 * time.Second})
		stop := start(t, w)
		defer stop()
		time.Sleep(41 * time.Second)
		if n := hosts.of("a"); n != 3 {
			t.Errorf("a was probed %d times in 41s, want 3", n)
		}
		if n := hosts.of("hung"); n != 1 {
			t.Errorf("the hung host has %d probes under way, want 1", n)
		}
		time.Sleep(10 * time.Second)
		wantRefused(t, w, "hung", "no answer within 50s")
		time.Sleep(20 * time.Second)
		if n := hosts.of("hung"); n != 2 {
			t.Errorf("the hung host was probed %d times, want again after its timeout", n)
		}
	})
}

// A probe takes its whole timeout on a dead host: 300 of them, 4 at a time,
// take 19 minutes a round. The living must not wait for that.
func TestWatchDeadHostsDontAgeTheLiving(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		hosts := answer(func(ctx context.Context, h fleet.Host) fleet.Health {
			if h.ID[0] == 'd' {
				return hang(ctx, h)
			}
			return healthy(ctx, h)
		})
		ids := []string{"a", "b", "c"}
		for i := range 300 {
			ids = append(ids, fmt.Sprintf("d%d", i))
		}
		w := fleet.NewWatch(newChanging(ids...), hosts.probe, fleet.WatchOptions{Parallel: 4})
		if err := w.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		stop := start(t, w)
		defer stop()
		for range 60 {
			time.Sleep(time.Minute)
			for _, id := range []string{"a", "b", "c"} {
				wantRefused(t, w, id, "")
			}
			wantRefused(t, w, "d7", "no answer within 15s")
		}
	})
}

func TestWatchForgetsOldHealth(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := fleet.NewWatch(newChanging("a", "b"), healthy, fleet.WatchOptions{})
		if err := w.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Down("b", "refused the connection")
		time.Sleep(time.Minute)
		wantRefused(t, w, "a", "")
		time.Sleep(time.Second)
		wantRefused(t, w, "a", "not seen healthy for 1m0s")
		wantRefused(t, w, "b", "refused the connection")
	})
}

func TestWatchDown(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		slow := answer(func(ctx context.Context, h fleet.Host) fleet.Health {
			time.Sleep(10 * time.Second)
			return healthy(ctx, h)
		})
		w := fleet.NewWatch(newChanging("a"), slow.probe, fleet.WatchOptions{})
		w.Down("a", "nobody knows it yet")
		stop := start(t, w)
		defer stop()
		time.Sleep(11 * time.Second)
		wantRefused(t, w, "a", "")

		time.Sleep(11 * time.Second) // 22s: the second probe is under way
		w.Down("a", "refused the connection")
		wantRefused(t, w, "a", "refused the connection")
		time.Sleep(10 * time.Second) // 32s: it ended well, but began before
		wantRefused(t, w, "a", "refused the connection")
		time.Sleep(20 * time.Second) // 52s: so did the third, which began after
		wantRefused(t, w, "a", "")
	})
}

func TestWatchWhileTheFleetCantBeListed(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		f, hosts := newChanging("a"), answer(healthy)
		w := fleet.NewWatch(f, hosts.probe, fleet.WatchOptions{})
		stop := start(t, w)
		defer stop()
		time.Sleep(time.Second)
		f.set(fleet.ErrInventory)
		time.Sleep(50 * time.Second)
		if list, err := w.Hosts(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("after 51s: Hosts = %v, %v; want the last list", list, err)
		}
		time.Sleep(30 * time.Second)
		if list, err := w.Hosts(t.Context()); !errors.Is(err, fleet.ErrInventory) || list != nil {
			t.Errorf("after 81s: Hosts = %v, %v; want ErrInventory", list, err)
		}
		if err := w.Probe(t.Context()); !errors.Is(err, fleet.ErrInventory) {
			t.Errorf("Probe = %v, want ErrInventory", err)
		}
		if n := hosts.of("a"); n != 5 {
			t.Errorf("a was probed %d times in 81s, want 5: its health goes on being watched", n)
		}
		f.set(nil, "a", "b")
		time.Sleep(20 * time.Second)
		if list, err := w.Hosts(t.Context()); err != nil || len(list) != 2 {
			t.Errorf("after the outage: Hosts = %v, %v", list, err)
		}
		wantRefused(t, w, "b", "")
	})
}

func TestWatchHostsThatComeAndGo(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		f := newChanging("a", "b")
		w := fleet.NewWatch(f, healthy, fleet.WatchOptions{})
		probe := func() {
			t.Helper()
			if err := w.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		probe()
		f.set(nil, "b")
		probe()
		wantRefused(t, w, "a", fleet.NotProbed)
		wantRefused(t, w, "b", "")

		f.mu.Lock()
		f.hosts[0].Address = "ssh://another-machine"
		f.mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = w.Probe(ctx) // lists, but its probes are cut short
		wantRefused(t, w, "b", fleet.NotProbed)
	})
}
