// Package localexec runs commands on this machine, through the same guard as
// everywhere else.
//
// A guard is a process in a session of its own with an environment that holds
// nothing of the daemon's, so a run goes on when the daemon ends, however it
// ends, and the next daemon finds it again by its run directory. The end of the
// daemon closes the guard's pipe, which a guard without go takes for a no.
package localexec

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/executor/guarded"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// Options are the executor's settings; zero values take the defaults.
type Options struct {
	// Starting is how many starts may be under way at once; default is two for
	// each processor.
	Starting int
	// Guarded are the bounds of the conversations.
	Guarded guarded.Options
}

// New returns the executor for this machine.
func New(opts Options) executor.Executor {
	t := &transport{sessions: map[*session]bool{}}
	t.name, t.home, t.state = identity()
	g := opts.Guarded
	g.Link = guard.Link{}
	g.Dir = func(_ fleet.Host, a guard.Attempt) string {
		return guard.RunDir(guard.Root(a.Kept, os.Getuid(), t.home, t.state), a)
	}
	g.Starting = int64(opts.Starting)
	if g.Starting == 0 {
		g.Starting = int64(2 * runtime.GOMAXPROCS(0))
	}
	if g.AskFirst == 0 {
		g.AskFirst = 200 * time.Millisecond
	}
	if g.AskMost == 0 {
		g.AskMost = 2 * time.Second
	}
	return guarded.New(t, g)
}

// identity is who the daemon runs as, also in a container without a passwd
// entry for it.
func identity() (name, home, state string) {
	name, home, state = os.Getenv("USER"), os.Getenv("HOME"), os.Getenv("XDG_STATE_HOME")
	if u, err := user.Current(); err == nil {
		name, home = u.Username, u.HomeDir
	}
	return name, home, state
}

type transport struct {
	name, home, state string

	mu       sync.Mutex
	closed   bool
	sessions map[*session]bool
}

// Open starts a guard as a child process.
func (t *transport) Open(ctx context.Context, _ fleet.Host, verb string, args ...string) (guarded.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	argv := guard.Argv(verb, args...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = guard.Environ(t.name, t.home, t.state)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s := &session{transport: t}
	if err := s.start(cmd); err != nil {
		return nil, fmt.Errorf("start %s for a guard: %w", argv[0], err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		s.hangUp()
		return nil, os.ErrClosed
	}
	t.sessions[s] = true
	return s, nil
}

// Close hangs up on every guard; those with a running command go on.
func (t *transport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for s := range t.sessions {
		s.hangUp()
	}
	return nil
}

// session is a guard with its pipes.
type session struct {
	transport      *transport
	in, out, wrong *os.File
	once           sync.Once
}

// start starts the command and reaps it when it ends, which may be long after
// the session was closed.
func (s *session) start(cmd *exec.Cmd) error {
	var theirs [3]*os.File
	defer func() {
		for _, f := range theirs {
			if f != nil {
				f.Close()
			}
		}
	}()
	var err error
	if theirs[0], s.in, err = os.Pipe(); err != nil {
		return err
	}
	if s.out, theirs[1], err = os.Pipe(); err == nil {
		s.wrong, theirs[2], err = os.Pipe()
	}
	if err == nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
		err = cmd.Start()
	}
	if err != nil {
		s.hangUp()
		return err
	}
	go func() { _ = cmd.Wait() }() // a guard's exit code says nothing; its child must not stay a zombie
	return nil
}

func (s *session) Read(b []byte) (int, error)  { return s.out.Read(b) }
func (s *session) Write(b []byte) (int, error) { return s.in.Write(b) }

// Complaint reads what has arrived on standard error so far.
func (s *session) Complaint() string {
	words := make([]byte, 300)
	if s.wrong.SetReadDeadline(time.Now().Add(50*time.Millisecond)) != nil {
		return ""
	}
	n, _ := s.wrong.Read(words)
	return strings.ToValidUTF8(string(bytes.TrimSpace(words[:n])), "\uFFFD")
}

func (s *session) Close() error {
	s.transport.mu.Lock()
	delete(s.transport.sessions, s)
	s.transport.mu.Unlock()
	s.hangUp()
	return nil
}

func (s *session) hangUp() {
	s.once.Do(func() {
		for _, f := range []*os.File{s.in, s.out, s.wrong} {
			if f != nil {
				f.Close()
			}
		}
	})
}
