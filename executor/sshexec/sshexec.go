// Package sshexec runs commands on hosts over SSH, through the same guard as
// everywhere else. Nothing has to be installed there but sshd and a POSIX shell
// as the login's shell.
//
// A host is trusted by its key in known_hosts alone: an unknown or a changed key
// is an error, never an invitation. Connections are kept and shared; each phase
// of a connection has a deadline, so a host that accepts and then says nothing
// costs seconds and not a hung run. A lost connection is not a lost run: the
// guard goes on, and Wait asks over a new one.
package sshexec

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/executor/guarded"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// Options are the executor's settings; zero values take the defaults named.
type Options struct {
	DialWithin      time.Duration // to connect, 10s
	HandshakeWithin time.Duration // to agree on keys and log in, 10s
	SessionWithin   time.Duration // to open a session, 10s
	AnswerWithin    time.Duration // for a sign of life before a held start's go, 1s
	KeepAlive       time.Duration // between signs of life; three missed end the connection, 15s
	IdleAfter       time.Duration // when a connection without sessions is closed, 5m
	// Sessions is how many sessions share a connection, 8; sshd allows 10 unless
	// its MaxSessions says otherwise, which is found out and respected.
	Sessions int
	// Held is how many sessions there may be with a host for one more to be held
	// while its start waits for the due time, 64.
	Held int
	// Home and AgentSocket are where keys come from; empty for the user's home
	// and SSH_AUTH_SOCK.
	Home        string
	AgentSocket string
	// Guarded are the bounds of the conversations.
	Guarded guarded.Options
}

func (o Options) withDefaults() Options {
	for field, def := range map[*time.Duration]time.Duration{
		&o.DialWithin: 10 * time.Second, &o.HandshakeWithin: 10 * time.Second, &o.SessionWithin: 10 * time.Second, &o.AnswerWithin: time.Second,
		&o.KeepAlive: 15 * time.Second, &o.IdleAfter: 5 * time.Minute,
	} {
		if *field == 0 {
			*field = def
		}
	}
	if o.Sessions == 0 {
		o.Sessions = 8
	}
	if o.Held == 0 {
		o.Held = 64
	}
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir()
	}
	if o.AgentSocket == "" {
		o.AgentSocket = os.Getenv("SSH_AUTH_SOCK")
	}
	return o
}

// New returns the executor for hosts with an ssh address.
func New(opts Options) executor.Executor {
	t := &transport{opts: opts.withDefaults(), remotes: map[target]*remote{}}
	g := opts.Guarded
	g.Link = guard.Link{GoWithin: time.Minute, Inline: true}
	g.Dir = nil
	g.Holds = t.roomy
	return guarded.New(t, g)
}

// target is everything that tells one kind of connection from another.
type target struct {
	user, address          string // address as host:port
	knownHosts, identities string
}

func (t *transport) target(h fleet.Host) (target, error) {
	a, err := fleet.ParseAddress(h.Address)
	if err != nil {
		return target{}, err
	}
	if a.Local {
		return target{}, fmt.Errorf("address %q is not for ssh", h.Address)
	}
	if a.User == "" {
		u, err := user.Current()
		if err != nil {
			return target{}, fmt.Errorf("address %q names no user: %w", h.Address, err)
		}
		a.User = u.Username
	}
	known := h.KnownHosts
	if known == "" {
		known = filepath.Join(t.opts.Home, ".ssh/known_hosts")
	}
	return target{a.User, net.JoinHostPort(a.Host, strconv.Itoa(a.Port)), known, h.IdentityFile}, nil
}

// transport keeps the connections to all hosts.
type transport struct {
	opts Options
	wg   sync.WaitGroup // what connections run in the background

	mu      sync.Mutex
	closed  bool
	remotes map[target]*remote
}

// Open starts a guard over a session of a kept or a new connection.
func (t *transport) Open(ctx context.Context, h fleet.Host, verb string, args ...string) (guarded.Session, error) {
	r, err := t.remote(h)
	if err != nil {
		return nil, err
	}
	return r.session(ctx, guard.CommandLine(verb, args...))
}

// roomy reports whether one more session may be held open with the host.
func (t *transport) roomy(h fleet.Host) bool {
	r, err := t.remote(h)
	return err == nil && r.sessions() < t.opts.Held
}

func (t *transport) remote(h fleet.Host) (*remote, error) {
	to, err := t.target(h)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, net.ErrClosed
	}
	r := t.remotes[to]
	if r == nil {
		r = &remote{transport: t, target: to}
		t.remotes[to] = r
	}
	return r, nil
}

// spawn runs f in the background until Close, which waits for it. Once that has
// begun every connection ends, so f then ends soon, and is run at once.
func (t *transport) spawn(f func()) {
	t.mu.Lock()
	closed := t.closed
	if !closed {
		t.wg.Go(f)
	}
	t.mu.Unlock()
	if closed {
		f()
	}
}

// Close closes all connections and waits until they are gone.
func (t *transport) Close() error {
	t.mu.Lock()
	t.closed = true
	remotes := t.remotes
	t.mu.Unlock()
	for _, r := range remotes {
		r.close()
	}
	t.wg.Wait()
	return nil
}
