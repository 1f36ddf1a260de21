// Package fleet says where a command may run: the hosts, which of them are
// candidates for a job, and how one of them is picked.
//
// Picking is a pure function of recorded facts. Every candidate is kept with
// the reason for which it was refused, passed over or chosen, and replaying a
// recorded [Pick] gives the same host again.
package fleet

import (
	"context"
	"errors"
	"time"
)

// Host is one server of the fleet.
type Host struct {
	ID       string            `json:"id"`      // unique in the fleet
	Address  string            `json:"address"` // "local", "ssh://[user@]host[:port]", or [ByAgent]
	Tags     map[string]string `json:"tags,omitempty"`
	Launched time.Time         `json:"launched_at,omitzero"` // for oldest and newest; zero if unknown

	// Refused is the inventory's own word why no command may start there, such
	// as "stopped" or "SSM agent ConnectionLost"; empty if it knows no reason.
	Refused string `json:"refused,omitempty"`
	// Group is the EC2 Auto Scaling group that the host belongs to, if any, and
	// Protected says that it is protected from scale-in already.
	Group     string `json:"group,omitempty"`
	Protected bool   `json:"protected,omitempty"`

	// RunDir is where the guard keeps its run directories; empty for
	// /var/lib/solocron (root) or the user's XDG state directory.
	RunDir string `json:"run_dir,omitempty"`
	// IdentityFile and KnownHosts are for ssh; empty for the user's own.
	IdentityFile string `json:"identity_file,omitempty"`
	KnownHosts   string `json:"known_hosts,omitempty"`
}

// ByAgent is the address of a host that is reached through the Systems Manager
// agent on it; its ID is then the instance or managed node's own.
const ByAgent = "ssm"

// Health is what a probe of a host found. The zero value means: not probed.
type Health struct {
	CheckedAt time.Time     `json:"checked_at,omitzero"`
	Refused   string        `json:"refused,omitempty"` // why no command may start there; empty if healthy
	FreeBytes int64         `json:"free_bytes,omitempty"`
	Skew      time.Duration `json:"skew,omitempty"` // host clock minus ours
	Note      string        `json:"note,omitempty"` // means the host has or lacks, for people
}

// ErrInventory wraps every failure to list the fleet, so that a caller can
// tell "could not ask" from "nobody there".
var ErrInventory = errors.New("fleet inventory")

// Fleet lists the hosts.
type Fleet interface {
	// Hosts returns the live hosts sorted by ID, without duplicates; an empty
	// slice, not an error, when there are none. The slice is the caller's.
	// A failure wraps [ErrInventory]. Repeating is safe.
	Hosts(ctx context.Context) ([]Host, error)
}

// Finder is a Fleet that can leave out by itself what doesn't match.
type Finder interface {
	Fleet
	// Find is Hosts for those that carry the tags. Hosts that don't may be in
	// the answer too.
	Find(ctx context.Context, want Selector) ([]Host, error)
}

// Protector can keep a host from being ended while the fleet shrinks.
type Protector interface {
	// Protect switches scale-in protection on or off. A host outside of any
	// Auto Scaling group, or that left it, is no error. Repeating is safe.
	Protect(ctx context.Context, h Host, on bool) error
}

// View is a fleet as a scheduler looks at it: who is there, and who is fit.
type View interface {
	Finder
	// Health is what is known of a listed host without asking it.
	Health(h Host) Health
	// Down refuses a host for a while: a command just failed to start there.
	Down(hostID, reason string)
}
