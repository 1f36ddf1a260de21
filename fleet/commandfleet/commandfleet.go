// Package commandfleet is the fleet that a command of the operator's prints: a
// cloud's own client, a query of a database, a file that something else keeps.
//
// The command runs on this machine by /bin/sh and prints a JSON array of
// hosts:
//
//	[{"id": "web-1", "address": "ssh://deploy@10.0.0.1", "tags": {"cron": "true"}}]
//
// The other keys are launched_at (RFC 3339), run_dir, identity_file and
// known_hosts. The answer is decoded strictly and serves for a while; if the
// command fails later, the last good answer serves on for [Patience] times as
// long, so that an inventory's short outage stops no job. A host that left the
// fleet in the meantime is found out by its health.
package commandfleet

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/solocron/solocron/fleet"
)

// Bounds of one run of the command.
const (
	Timeout     = 30 * time.Second // then its process group is killed
	OutputBytes = 8 << 20          // of standard output; more is an error
	Patience    = 10               // how many times its usual life a good answer serves while the command fails
)

// Fleet is a fleet that a command prints. It is safe for concurrent use.
type Fleet struct {
	command string
	every   time.Duration
	turn    chan struct{} // a lock that a caller may give up waiting for

	// Held by turn:
	hosts []fleet.Host // the last good answer
	asked time.Time    // when that one was asked for; zero before the first
	next  time.Time    // when to ask again
	err   error        // what came of the last try
}

// New returns the fleet that the command prints; an answer serves for every.
// The command doesn't run before the hosts are asked for.
func New(command string, every time.Duration) *Fleet {
	return &Fleet{command: command, every: every, turn: make(chan struct{}, 1)}
}

// Hosts implements [fleet.Fleet]. It runs the command unless the last answer
// still serves; concurrent callers wait for one run. After a failure the
// command is left alone for a tenth of every.
func (f *Fleet) Hosts(ctx context.Context) ([]fleet.Host, error) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
	}
	now := time.Now()
	if ctx.Err() == nil && !now.Before(f.next) {
		f.ask(ctx, now)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", fleet.ErrInventory, context.Cause(ctx))
	}
	if f.err != nil && (f.asked.IsZero() || now.Sub(f.asked) > Patience*f.every) {
		return nil, f.err
	}
	return fleet.Clone(f.hosts), nil
}

// ask runs the command and keeps its answer or its failure. A run that its
// caller cut short counts as neither.
func (f *Fleet) ask(ctx context.Context, now time.Time) {
	hosts, err := list(ctx, f.command)
	switch {
	case err == nil:
		f.hosts, f.asked, f.next, f.err = hosts, now, now.Add(f.every), nil
	case ctx.Err() == nil:
		f.next, f.err = now.Add(f.every/10), fmt.Errorf("%w: command: %w", fleet.ErrInventory, err)
	}
}

// list runs the command once and reads what it printed.
func list(ctx context.Context, command string) ([]fleet.Host, error) {
	printed, err := run(ctx, command)
	if err != nil {
		return nil, err
	}
	hosts, err := decode(printed)
	if err == nil {
		hosts, err = fleet.Inventory(hosts)
	}
	if err == nil {
		err = checkPaths(hosts)
	}
	if err != nil {
		return nil, fmt.Errorf("its output: %w", err)
	}
	return hosts, nil
}

// checkPaths refuses relative paths: there is no folder they could start from.
func checkPaths(hosts []fleet.Host) error {
	for _, h := range hosts {
		paths := map[string]string{"run_dir": h.RunDir, "identity_file": h.IdentityFile, "known_hosts": h.KnownHosts}
		for _, key := range slices.Sorted(maps.Keys(paths)) {
			if p := paths[key]; p != "" && !filepath.IsAbs(p) && !strings.HasPrefix(p, "~/") {
				return fmt.Errorf("host %q: %s %q: want an absolute path", h.ID, key, p)
			}
		}
	}
	return nil
}
