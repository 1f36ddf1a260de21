package sshexec_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/executor/sshdtest"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
)

// heldStart is one whose guard stands ready.
type heldStart struct {
	x     executor.Patient
	h     fleet.Host
	o     guard.Order
	grant chan error // what its grant returns
	ended chan error
}

// hold starts the order and returns when its guard stands ready.
func hold(t *testing.T, x executor.Executor, h fleet.Host, o guard.Order) *heldStart {
	t.Helper()
	s := &heldStart{x.(executor.Patient), h, o, make(chan error), make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		s.ended <- x.Start(t.Context(), h, o, func(ctx context.Context) error {
			close(ready)
			select {
			case err := <-s.grant:
				return err
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	select {
	case <-ready:
	case err := <-s.ended:
		t.Fatal(err)
	}
	return s
}

func (s *heldStart) listens(t *testing.T) error { return s.x.Listens(t.Context(), s.h, s.o.Attempt) }

func TestHeldStart(t *testing.T) {
	h := hostOf(t, sshdtest.Start(t))
	x := open(t, quick)
	s := hold(t, x, h, order(h, 1, "echo held"))
	if err := s.listens(t); err != nil {
		t.Error(err)
	}
	run(t, x, h, 2, "true") // which it does not keep waiting
	s.grant <- nil
	if err := <-s.ended; err != nil {
		t.Fatal(err)
	}
	if res, err := x.Wait(t.Context(), h, s.o.Attempt); err != nil || string(res.Output.Head) != "held\n" {
		t.Errorf("%+v, %v", res, err)
	}
}

// A host whose network is gone does not hear a go, which shows before one is given.
func TestFault67HeldStart(t *testing.T) {
	server, cable := sshdtest.Behind(t)
	h := hostOf(t, server)
	opts := quick
	opts.KeepAlive = time.Hour
	opts.AnswerWithin = 200 * time.Millisecond
	x := open(t, opts)
	witness := filepath.Join(t.TempDir(), "witness")
	s := hold(t, x, h, order(h, 1, "touch "+witness))
	cable.Pull()
	guardtest.Eventually(t, "its silence is noticed", func() bool { return s.listens(t) != nil })
	if err := <-s.ended; executor.Proven(err) == nil {
		t.Errorf("the start that was held: %v", err)
	}
	cable.Plug()
	run(t, x, h, 2, "true")
	guardtest.Eventually(t, "its guard has left", func() bool { return guard.Settled(guard.RunDir(h.RunDir, s.o.Attempt)) })
	if _, err := os.Stat(witness); err == nil {
		t.Error("its command started")
	}
}

func TestHoldsSoMany(t *testing.T) {
	h := hostOf(t, sshdtest.Start(t))
	opts := quick
	opts.Sessions, opts.Held = 2, 3
	x := open(t, opts)
	var held []*heldStart
	for n := 1; n <= opts.Held; n++ {
		if !x.(executor.Patient).Holds(h) {
			t.Errorf("holds no start beside %d", len(held))
		}
		held = append(held, hold(t, x, h, order(h, n, "true")))
	}
	if x.(executor.Patient).Holds(h) {
		t.Errorf("holds one more than %d", opts.Held)
	}
	no := errors.New("no")
	for _, s := range held {
		s.grant <- no
		if err := <-s.ended; !errors.Is(err, no) {
			t.Error(err)
		}
	}
	guardtest.Eventually(t, "there is room again", func() bool { return x.(executor.Patient).Holds(h) })
}
