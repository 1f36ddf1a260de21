package executortest

import (
	"context"
	"errors"
	"testing"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// HeldStart is a start whose guard stands ready and whose grant waits.
type HeldStart struct {
	Grant chan<- error // what the grant returns
	Ended <-chan error // what the start returned
}

// Hold starts the order and returns once its guard stands ready.
func Hold(t *testing.T, x executor.Executor, h fleet.Host, o guard.Order) HeldStart {
	t.Helper()
	grant, ready, ended := make(chan error, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- x.Start(t.Context(), h, o, func(ctx context.Context) error {
			close(ready)
			select {
			case err := <-grant:
				return err
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("a start to be held: %v", err)
	}
	return HeldStart{grant, ended}
}

// held: a guard that is kept waiting for its go keeps no other waiting, listens, and
// starts nothing without it.
func held(b *bench) {
	patient, ok := b.x.(executor.Patient)
	if !ok {
		return
	}
	if !patient.Holds(b.Host) {
		b.t.Fatal("no start can be held")
	}
	first, second, other := b.order(1, "true"), b.order(2, "true"), b.order(3, "true")
	starts := Hold(b.t, b.x, b.Host, first)
	never := Hold(b.t, b.x, b.Host, second)
	never.Grant <- errGrant
	if err := <-never.Ended; !errors.Is(b.proven(err), errGrant) {
		b.t.Errorf("without a grant: %v", err)
	}
	b.start(other)
	if res := b.wait(other); res.End != guard.Exited {
		b.t.Errorf("beside one that is held: %+v", res)
	}
	if err := patient.Listens(b.ctx(), b.Host, first.Attempt); err != nil {
		b.t.Error(err)
	}
	starts.Grant <- nil
	if err := <-starts.Ended; err != nil {
		b.t.Fatal(err)
	}
	if res := b.wait(first); res.End != guard.Exited || b.saw() != "3 1" {
		b.t.Errorf("%+v, attempts %q ran", res, b.saw())
	}
}
