// Package notifier is the port through which somebody is told how a run ended.
//
// Messages leave through the ledger's outbox, so one may arrive twice: it
// carries a key by which a receiver can drop the repeat.
package notifier

import (
	"context"
	"errors"
	"time"
)

// Notifier delivers messages to one target.
type Notifier interface {
	// Notify delivers m, or says why not. An error that wraps [ErrFinal] means
	// that a retry cannot help. Errors name the target but hold no secret, so
	// never the whole URL. It returns soon after ctx is done.
	Notify(ctx context.Context, m Message) error
}

// ErrFinal marks a failure that a retry cannot mend: the receiver refused the
// message or the credentials.
var ErrFinal = errors.New("not to be retried")

// Event is what a message is about.
type Event string

// The events, which are also the words of the jobs file's notify.on.
const (
	Failed     Event = "failed"
	TimedOut   Event = "timed_out"
	Lost       Event = "lost"
	Skipped    Event = "skipped"    // late, missed, or no host
	Overlapped Event = "overlapped" // skipped because an earlier run was in the way
	Cancelled  Event = "cancelled"
	Succeeded  Event = "succeeded"
	Recovered  Event = "recovered" // the first success after a failed, timed out or lost run
)

// Events lists every event; Usual are those a job reports unless told otherwise.
var (
	Events = []Event{Failed, TimedOut, Lost, Skipped, Overlapped, Cancelled, Succeeded, Recovered}
	Usual  = []Event{Failed, TimedOut, Lost, Skipped, Recovered}
)

// Halted is no end of a run, and told to every target whatever a job says:
// nothing is started any more, since the ledger went back in time. The message
// has no job and no run.
const Halted Event = "halted"

// Message says how a run ended. Its JSON form is what the webhook sends.
type Message struct {
	Key       string        `json:"key"` // same key, same message
	Event     Event         `json:"event"`
	Job       string        `json:"job"`
	Run       string        `json:"run"`
	Due       time.Time     `json:"due"`
	Host      string        `json:"host,omitempty"`
	State     string        `json:"state"`
	Reason    string        `json:"reason,omitempty"`
	ExitCode  *int          `json:"exit_code,omitempty"`
	StartedAt time.Time     `json:"started_at,omitzero"`
	EndedAt   time.Time     `json:"ended_at,omitzero"`
	Duration  time.Duration `json:"duration_ns,omitempty"`
	Attempts  int           `json:"attempts"`
	Tail      string        `json:"tail,omitempty"` // last lines of the output, valid UTF-8
	More      string        `json:"more"`           // the command that shows more
}
