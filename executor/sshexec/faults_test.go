package sshexec_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/executor/sshdtest"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
)

// begin starts an order whose command first writes, and waits until it did.
func begin(t *testing.T, x executor.Executor, h fleet.Host, o guard.Order) {
	t.Helper()
	if err := x.Start(t.Context(), h, o, granted); err != nil {
		t.Fatal(err)
	}
	guardtest.Eventually(t, "the command writes", func() bool {
		out, _ := os.ReadFile(filepath.Join(guard.RunDir(h.RunDir, o.Attempt), "out"))
		return len(out) > 0
	})
}

// A host that shows another key than the one that is known gets no order, and
// its health says what to do.
func TestFault69HostKeyChanged(t *testing.T) {
	s := sshdtest.Start(t)
	h := hostOf(t, s)
	run(t, open(t, quick), h, 9, "true")
	s.Stop()
	s.RenewKey()
	s.Restart()
	unreachable(t, h, quick, "has changed", "remove "+s.KnownHosts+":1")
}

// A host that accepts and never speaks costs the deadline, not the run.
func TestFault70SilentHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var kept []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			kept = append(kept, c)
			mu.Unlock()
		}
	})
	defer func() {
		l.Close()
		wg.Wait()
		for _, c := range kept {
			c.Close()
		}
	}()
	s := sshdtest.Start(t)
	h := hostOf(t, s)
	h.Address = "ssh://" + l.Addr().String()
	opts := quick
	opts.HandshakeWithin = 200 * time.Millisecond
	unreachable(t, h, opts, "said nothing")
}

// A connection that is open and silent in the middle of a run is found out, and
// the run is not lost.
func TestFault70HalfOpenConnection(t *testing.T) {
	s := sshdtest.Start(t)
	h := hostOf(t, s)
	x := open(t, quick)
	leave := filepath.Join(t.TempDir(), "leave")
	o := order(h, 1, "echo up; while [ ! -e "+leave+" ]; do sleep 0.05; done; echo bye; exit 7")
	begin(t, x, h, o)
	s.Freeze()
	os.WriteFile(leave, nil, 0o600)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if res, err := x.Wait(ctx, h, o.Attempt); err == nil {
		t.Errorf("heard from a frozen host: %+v", res)
	}
	s.Thaw()
	if res, err := x.Wait(t.Context(), h, o.Attempt); err != nil || res.Code != 7 || string(res.Output.Head) != "up\nbye\n" {
		t.Errorf("%+v, %v", res, err)
	}
}

// The network between is gone while a command runs, and nobody is told. The end
// is not known then, and is heard when the network is back.
func TestFault67Partition(t *testing.T) {
	s, cable := sshdtest.Behind(t)
	h := hostOf(t, s)
	opts := quick
	opts.DialWithin = time.Second
	x := open(t, opts)
	leave := filepath.Join(t.TempDir(), "leave")
	o := order(h, 1, "echo up; while [ ! -e "+leave+" ]; do sleep 0.05; done; echo bye; exit 7")
	begin(t, x, h, o)
	cable.Pull()
	os.WriteFile(leave, nil, 0o600)
	guardtest.Eventually(t, "the command has ended", func() bool { return guard.Settled(guard.RunDir(h.RunDir, o.Attempt)) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if res, err := x.Wait(ctx, h, o.Attempt); err == nil {
		t.Errorf("heard from a host without a network: %+v", res)
	}
	if health := x.Probe(t.Context(), h); health.Refused == "" {
		t.Errorf("%+v", health)
	}
	cable.Plug()
	if res, err := x.Wait(t.Context(), h, o.Attempt); err != nil || res.End != guard.Exited || res.Code != 7 || string(res.Output.Head) != "up\nbye\n" {
		t.Errorf("%+v, %v", res, err)
	}
}

// The connections of a running command break while their server goes on: the
// run is followed over a new one, by its run directory.
func TestFault71DroppedAfterGo(t *testing.T) {
	s := sshdtest.Start(t)
	h := hostOf(t, s)
	x := open(t, quick)
	leave := filepath.Join(t.TempDir(), "leave")
	o := order(h, 1, "echo up; while [ ! -e "+leave+" ]; do sleep 0.05; done; echo bye; exit 7")
	begin(t, x, h, o)
	s.KillSessions()
	if status, err := x.Status(t.Context(), h, o.Attempt); err != nil || status.Phase != guard.PhaseRunning {
		t.Errorf("%+v, %v", status, err)
	}
	os.WriteFile(leave, nil, 0o600)
	if res, err := x.Wait(t.Context(), h, o.Attempt); err != nil || res.Code != 7 || string(res.Output.Head) != "up\nbye\n" {
		t.Errorf("%+v, %v", res, err)
	}
}

// The host goes down when the command has ended and nobody knows that yet.
func TestFault66RebootBeforeTheReport(t *testing.T) {
	s := sshdtest.Start(t)
	h := hostOf(t, s)
	x := open(t, quick)
	leave := filepath.Join(t.TempDir(), "leave")
	o := order(h, 1, "echo up; while [ ! -e "+leave+" ]; do sleep 0.05; done; echo bye; exit 7")
	begin(t, x, h, o)
	s.Stop()
	os.WriteFile(leave, nil, 0o600)
	dir := guard.RunDir(h.RunDir, o.Attempt)
	guardtest.Eventually(t, "the command has ended", func() bool {
		size, _ := os.ReadFile(filepath.Join(dir, "total"))
		return guard.Settled(dir) && len(size) > 0
	})
	guardtest.Reboot(t, dir)
	s.Restart()
	if res, err := x.Wait(t.Context(), h, o.Attempt); err != nil || res.End != guard.Exited || res.Code != 7 || string(res.Output.Head) != "up\nbye\n" {
		t.Errorf("%+v, %v", res, err)
	}
}
