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
	Address  string            `json:"address"` // "local" or "ssh://[user@]host[:port]"
	Tags     map[string]string `json:"tags,omitempty"`
	Launched time.Time         `json:"launched_at,omitzero"` // for oldest and newest; zero if unknown

	// RunDir is where the guard keeps its run directories; empty for
	// /var/lib/solocron (root) or the user's XDG state directory.
	RunDir string `json:"run_dir,omitempty"`
	// IdentityFile and KnownHosts are for ssh; empty for the user's own.
	IdentityFile string `json:"identity_file,omitempty"`
	KnownHosts   string `json:"known_hosts,omitempty"`
}

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
