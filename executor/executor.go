// Package executor is the port through which a guarded command starts on a
// host and is followed to its end.
//
// Starting is a matter of proof. [Executor.Start] tells three outcomes apart:
// the command may run now, it certainly never started ([NotStarted], with the
// proof), or nobody can know (any other error). Nothing here guesses.
package executor

import (
	"context"
	"errors"
	"fmt"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// Executor starts commands on hosts. All methods are safe for concurrent use
// and end soon after their context does.
type Executor interface {
	// Start brings the order to the host and, once the guard there stands
	// ready, calls grant exactly once; grant commits the go to the ledger. If
	// grant succeeds the go is sent to the guard and Start returns nil as soon
	// as it was handed over. The errors:
	//
	//   - [*NotStarted]: the command did not start and never will, by this
	//     order. Also when grant itself failed: its error is then wrapped, and
	//     the guard was told nothing.
	//   - [ErrDelivered], wrapped: an earlier delivery of the same order may have
	//     started it. grant was not called.
	//   - any other error: it may have started. grant had succeeded.
	//
	// Where nobody can talk to a guard while it starts, grant is called before
	// the order leaves. The guard then asks by itself, with the order's claim,
	// which Stop takes back; a second Start returns nil, and still starts
	// nothing.
	//
	// A second Start of the same order on the same host starts nothing: the
	// run directory is there already.
	Start(ctx context.Context, h fleet.Host, o guard.Order, grant func(context.Context) error) error

	// Wait blocks until the attempt has ended, or until its end can no longer
	// be known from the host, and says which. It serves an attempt that this
	// process started and, after a restart, one that an earlier process did.
	// An unreachable host is not an end: Wait keeps trying until ctx is done
	// and then returns an error that wraps ctx's cause and the last failure.
	// Repeating is safe.
	Wait(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Result, error)

	// Status asks the host once what it knows of the attempt. An error means
	// that the host could not be asked.
	Status(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Status, error)

	// Stop takes the attempt back if its guard has not claimed it. Else it asks
	// the guard to end the command: TERM, grace, KILL; at once KILL
	// if kill is set. Returning nil means that the guard was told, or had
	// nothing left to end; the end itself arrives through Wait. Repeating is
	// safe.
	Stop(ctx context.Context, h fleet.Host, a guard.Attempt, kill bool) error

	// Output returns up to limit bytes of the attempt's kept output from
	// offset on: shorter at the end, empty when there is nothing yet. The
	// middle of a huge output is not kept, see [guard.Output].
	Output(ctx context.Context, h fleet.Host, a guard.Attempt, offset int64, limit int) ([]byte, error)

	// Probe looks at the host: reachable, room for run directories on a disk
	// that survives a reboot, clock sane. It also removes run directories
	// whose attempt ended longer ago than the guard's retention. The result's
	// Refused says what is wrong; an unreachable host is a Health, not an
	// error.
	Probe(ctx context.Context, h fleet.Host) fleet.Health

	// Close releases connections. Commands that run go on running.
	Close() error
}

// OneWay is an executor of orders that travel by themselves, to guards that ask
// before they start. A scheduler that doesn't wait, either, needs it.
type OneWay interface {
	Executor
	// TakeBack sees to it that the attempt never starts, unless its guard has
	// claimed it already; unlike Stop it then leaves the attempt alone. It
	// returns what is true afterwards: Refused, with why in the reason, or the
	// status. An unclaimed attempt can't be taken back. Repeating is safe.
	TakeBack(ctx context.Context, h fleet.Host, a guard.Attempt, why string) (guard.Status, error)
}

// Patient is an executor on some of whose hosts a guard may stand ready for half a
// minute, while grant waits.
type Patient interface {
	Executor
	// Holds reports whether the grant of a start on the host may take its time,
	// as things stand. The context that it is called with then ends as soon as the
	// guard does, and other starts don't wait for it.
	Holds(h fleet.Host) bool
	// Listens returns an error if the guard of a start that is held would not hear
	// its go, as far as the way there can be tried. It takes a second at most; the
	// start that is held may end by it.
	Listens(ctx context.Context, h fleet.Host, a guard.Attempt) error
}

// ErrUnreachable is wrapped by a [NotStarted] whose host could not be reached
// at all, so that other runs need not try it too.
var ErrUnreachable = errors.New("host unreachable")

// ErrThrottled is wrapped by a [NotStarted] that is nothing against the host:
// the way to all hosts is too busy for now.
var ErrThrottled = errors.New("too many requests")

// ErrDelivered is wrapped by a Start whose host already has this very attempt
// from an earlier delivery, which may have started it. This Start started
// nothing and did not call grant; Wait tells what became of the attempt.
var ErrDelivered = errors.New("the attempt was delivered to the host before")

// NotStarted is the proof that an attempt's command never started and, by
// this order, never will.
type NotStarted struct {
	Proof string // for people: "host refused the connection", "guard: overlap", ...
	Busy  bool   // the host's lock for the job is held by another attempt
	Err   error  // the cause, if there is one
}

func (e *NotStarted) Error() string { return "not started: " + e.Reason() }

// Reason is the proof with its cause, for the record.
func (e *NotStarted) Reason() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Proof, e.Err)
	}
	return e.Proof
}

func (e *NotStarted) Unwrap() error { return e.Err }

// Proven returns the proof in err's chain, or nil.
func Proven(err error) *NotStarted {
	var n *NotStarted
	if errors.As(err, &n) {
		return n
	}
	return nil
}
