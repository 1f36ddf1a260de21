package sshexec_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/executor/executortest"
	"github.com/solocron/solocron/executor/sshdtest"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
)

// A host whose network is gone does not hear a go, which shows before one is given.
func TestFault67HeldStart(t *testing.T) {
	server, cable := sshdtest.Behind(t)
	h := hostOf(t, server)
	opts := quick
	opts.KeepAlive = time.Hour
	opts.AnswerWithin = 200 * time.Millisecond
	x := open(t, opts)
	witness := filepath.Join(t.TempDir(), "witness")
	o := order(h, 1, "touch "+witness)
	held := executortest.Hold(t, x, h, o)
	cable.Pull()
	guardtest.Eventually(t, "its silence is noticed", func() bool { return x.(executor.Patient).Listens(t.Context(), h, o.Attempt) != nil })
	if err := <-held.Ended; executor.Proven(err) == nil {
		t.Errorf("the start that was held: %v", err)
	}
	cable.Plug()
	run(t, x, h, 2, "true")
	guardtest.Eventually(t, "its guard has left", func() bool { return guard.Settled(guard.RunDir(h.RunDir, o.Attempt)) })
	if _, err := os.Stat(witness); err == nil {
		t.Error("its command started")
	}
}

func TestHoldsSoMany(t *testing.T) {
	h := hostOf(t, sshdtest.Start(t))
	opts := quick
	opts.Sessions, opts.Held = 2, 3
	x := open(t, opts).(executor.Patient)
	var held []executortest.HeldStart
	for n := 1; n <= opts.Held; n++ {
		if !x.Holds(h) {
			t.Errorf("holds no start beside %d", len(held))
		}
		held = append(held, executortest.Hold(t, x, h, order(h, n, "true")))
	}
	if x.Holds(h) {
		t.Errorf("holds one more than %d", opts.Held)
	}
	no := errors.New("no")
	for _, s := range held {
		s.Grant <- no
		if err := <-s.Ended; !errors.Is(err, no) {
			t.Error(err)
		}
	}
	guardtest.Eventually(t, "there is room again", func() bool { return x.Holds(h) })
}
