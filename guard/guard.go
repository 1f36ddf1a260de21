// Package guard is how a command starts on a host: a small POSIX shell program
// that travels with the command, and the words that it and the scheduler
// exchange.
//
// The program (sh/*.sh) creates the attempt's run directory with an atomic
// mkdir, brings it to disk, and stops if it was there already; prints ready and
// waits for go; takes the job's lock; starts the command in a session of its
// own; enforces the timeout; keeps the output; and leaves the result in the run
// directory, where a scheduler that comes back after a crash finds it.
//
// # What can be relied on
//
// The file "go" of the run directory is created by exactly one: the guard that
// was given its go, or whoever denies it for good. Before the command is started
// it is there. A refusal is therefore proof, and a run directory without it
// whose guard died in this boot is one too. After a restart of the host it is
// not, as the file may not have reached the disk; such an attempt is [Gone].
//
// The result is one write that ends in a dot, so that every reader finds it
// whole or not at all, and is synced right after it was told. It goes where
// blanks were left for it, so that a full disk can't lose it.
//
// # Where nobody can talk to it
//
// Under the SSM agent a command's words go one way. [Document] holds the guard
// for such hosts, [Order.Parameters] is the order. There the guard asks by itself:
// it posts the order's [Claim] to the ledger, where the guard or whoever takes
// the attempt back is written down first, and once. An answer that was lost is
// asked for again for some 20 seconds; without a yes the command never starts.
// Every refusal is kept in the run directory, so that it stays one when the
// order is delivered again; where not even the run directory could be made, only
// taking the claim back makes it final. As nobody probes such a host, the guard
// itself refuses a disk that a restart empties, and after the end of a command
// removes attempts that ended more than a week ago.
//
// The guard leaves the agent's process group. What the agent waits for is its
// front, which tells the end: the output, and on standard error a [Trailer] with
// what the service would cut off. A front that was killed changes nothing; the
// further questions ([Ask]) find the result as everywhere. Exit codes in which
// the agent sees a meaning of its own, up to a restart of the host, reach it as
// 1; the trailer has the true ones.
//
// # How processes are found
//
// A command's processes are found by the mark SOLOCRON_MARK in their
// environment, by the command's session and as children of those found. One that
// cleared its environment, left the session and lost its parent stays unseen;
// one that was seen and could not be ended is named in the result's note.
//
// # What it costs
//
// Beside the command a run takes eight processes: the guard's shell, mkdir,
// sync, the supervising shell, the collector and its dd, the watcher and its
// sleep; flock if the attempt is exclusive; two more that bound the wait for go
// where the connection may be half open; one or more to send output back.
// Everything else is a builtin of the shell. The one-way mode takes some thirty
// more, of which three wait for the end: those that decode the order, post the
// claim (curl, or wget, or python3) and write the trailer.
//
// On the scheduler's own machine package executor/keeper stands in for the
// program, with the same words and the same files.
package guard

import (
	"fmt"
	"slices"
	"time"
)

// Attempt names one attempt on a host, and thereby its run directory.
type Attempt struct {
	Run  string // run ID
	N    int    // attempt number, from 1
	Kept string // root of the run directories; empty for the host's default
	// Unclaimed says that the guard starts the command without asking anybody,
	// once the order has reached it. Nothing but the host itself can then take
	// the attempt back.
	Unclaimed bool
}

// Dir is the name of the attempt's run directory below the root.
func (a Attempt) Dir() string { return fmt.Sprintf("%s.%d", a.Run, a.N) }

// Order is everything that the guard needs to start one attempt. It travels
// over the guard's standard input, so that neither the command's environment
// nor its secrets reach an argument list or a disk.
type Order struct {
	Attempt
	Token   string // what go must name
	Job     string
	Due     time.Time
	Host    string
	Fence   int64
	Command string
	Shell   string // empty for /bin/sh
	User    string // empty for the user that the guard runs as
	Dir     string // empty for the user's home
	Env     map[string]string
	Secrets map[string]string // exported like Env, never recorded
	Timeout time.Duration
	Grace   time.Duration
	// Exclusive makes the guard hold the job's lock on this host for the time
	// of the command; a second exclusive attempt is refused.
	Exclusive bool
	// OutputBytes is how much of the output the host keeps.
	OutputBytes int64
	// StartBy is the last instant for a start, checked by the guard's own clock
	// where it can't be talked to while it starts; zero for none.
	StartBy time.Time
	// Claim is how such a guard asks whether it may start; nil for a guard that
	// is given its go, and for an unclaimed attempt.
	Claim *Claim
}

// Claim is one HTTPS request, signed beforehand, that at most one asker passes:
// the guard posts it and starts the command only if it is answered with 200, or
// with its own token, which says that an earlier answer to it was lost.
type Claim struct {
	URL     string
	Headers map[string]string // those that were signed, and the signature
	Body    string
}

// Output is what the ledger keeps of a command's output: all of it up to
// HeadBytes+TailBytes, else its beginning and its end.
type Output struct {
	Head  []byte `json:"head,omitempty"`
	Tail  []byte `json:"tail,omitempty"`  // empty unless something was cut
	Bytes int64  `json:"bytes,omitempty"` // all that the command wrote
	Cut   bool   `json:"cut,omitempty"`   // bytes between Head and Tail are missing
}

// How much of a huge output the ledger keeps.
const (
	HeadBytes = 16 << 10
	TailBytes = 48 << 10
)

// End is how an attempt ended on its host.
type End string

// The ends. Gone is the host's word that the command is over and left no
// result: its guard is dead and so is every process of the attempt, or the
// host was restarted. Refused and Absent prove that it never started.
const (
	Exited    End = "exited"
	TimedOut  End = "timed_out"
	Cancelled End = "cancelled"
	Gone      End = "gone"
	Refused   End = "refused"
	Absent    End = "absent" // see Status
)

// Result is what became of an attempt. Times are the host's, corrected by the
// scheduler where it saw the moment itself.
type Result struct {
	End       End
	Code      int    // exit code; 128+n for a command ended by signal n
	Reason    string // for people: the refusal, or why it is gone
	Busy      bool   // Refused because the job's lock on the host is held
	StartedAt time.Time
	EndedAt   time.Time
	Output    Output
	Note      string // "output detached", or processes that could not be ended
}

// Status is what a host says of an attempt when asked.
type Status struct {
	// Phase is "absent" (no run directory), "ready" (waiting for go),
	// "running", or "ended".
	Phase  Phase
	Result Result // when Phase is Ended
	// Hopeless says, of an absent attempt, why its order won't reach the host
	// any more. That is no proof: an order on its way may still arrive, until it
	// is taken back.
	Hopeless string
}

// Phase is how far an attempt has come on its host.
type Phase string

// The phases. PhaseAbsent proves that the order never arrived; it proves
// nothing about an order that may still be on its way.
const (
	PhaseAbsent  Phase = "absent"
	PhaseReady   Phase = "ready"
	PhaseRunning Phase = "running"
	PhaseEnded   Phase = "ended"
)

// Text is the output as people read it: all of it, or its beginning and its end
// with a line between them that says how much is missing.
func (o Output) Text() []byte {
	if !o.Cut {
		return append(slices.Clip(o.Head), o.Tail...)
	}
	gap := o.Bytes - int64(len(o.Head)+len(o.Tail))
	text := append(slices.Clip(o.Head), fmt.Sprintf("\n[… %d bytes are not shown …]\n", gap)...)
	return append(text, o.Tail...)
}
