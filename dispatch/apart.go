package dispatch

import (
	"context"

	"github.com/solocron/solocron/apart"
	"github.com/solocron/solocron/run"
)

// A driver waits for most of its life, and thousands of them may wait at once. So it
// keeps its run by reference and its calls few while it waits; whatever goes deeper is
// done apart.

// room is how many may be apart at once for the same reason.
type room chan struct{}

// roomy is room for those that wait for the ledger alone, which writes so many together.
const roomy = 256

// apart lets f take the run further, once there is room, on a stack of its own. No room
// is room without end.
func (d *Dispatcher) apart(ctx context.Context, in room, r *run.Run, f func(run.Run) (run.Run, error)) (err error) {
	if in != nil {
		select {
		case in <- struct{}{}:
			defer func() { <-in }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	apart.Do(func() { *r, err = f(*r) })
	return err
}
