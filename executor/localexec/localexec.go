// Package localexec runs commands on this machine, through the same guard as
// everywhere else.
//
// In a program that calls [KeeperMain] one process, the keeper, is the guard of
// all attempts; it is started with the first of them. Otherwise, and whenever
// there is no keeper to be had, an attempt gets a shell of its own. What can be
// relied on is the same, and so are the files of the run directory, so every
// other question goes to the shell, but for how this machine is, which is asked all
// the time.
//
// A guard is in a session of its own with an environment that holds nothing of
// the daemon's, so a run goes on when the daemon ends, however it ends, and the
// next daemon finds it again by its run directory. The end of the daemon closes
// the guard's pipe, which a guard without go takes for a no.
package localexec

import (
	"bytes"
	"context"
	"fmt"
	"io"
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
	"github.com/solocron/solocron/executor/keeper"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// Options are the executor's settings; zero values take the defaults.
type Options struct {
	// Starting is how many starts may be under way at once; default is two for
	// each processor, sixteen where a keeper does the work.
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
		if keeper.Available() {
			g.Starting *= 8
		}
	}
	if keeper.Available() {
		g.Holds = t.roomy
	}
	if g.AskFirst == 0 {
		g.AskFirst = 200 * time.Millisecond
	}
	if g.AskMost == 0 {
		g.AskMost = 2 * time.Second
	}
	return guarded.New(t, g)
}

// KeeperMain lets this program be the keeper of its own commands. It must be the
// first thing that main does; in a keeper it does not return.
func KeeperMain() { keeper.Main() }

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

	keeping sync.Mutex
	keeper  *keeper.Keeper // nil until it is wanted, or after it died
}

// Open starts a guard: with the keeper, or as a child process.
func (t *transport) Open(ctx context.Context, _ fleet.Host, verb string, args ...string) (guarded.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if t.isClosed() {
		return nil, os.ErrClosed
	}
	s := &session{transport: t}
	talk := t.attend(verb)
	if talk == nil && verb == guard.VerbProbe {
		talk = t.answer(args)
	}
	if talk != nil {
		s.in, s.out = talk, talk
	} else {
		argv := guard.Argv(verb, args...)
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = t.environ()
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := s.start(cmd); err != nil {
			return nil, fmt.Errorf("start %s for a guard: %w", argv[0], err)
		}
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

// attend opens a conversation with the keeper for the verb start, with a new
// keeper if the last one has died; nil if there is none to be had. Until then no
// order was sent, so that a shell may take it. Other verbs go elsewhere, but let a
// keeper stand ready for what they announce.
func (t *transport) attend(verb string) io.ReadWriteCloser {
	t.keeping.Lock()
	defer t.keeping.Unlock()
	for range 2 {
		if !t.hire() || verb != guard.VerbStart {
			return nil
		}
		if talk, err := t.keeper.Attend(); err == nil {
			return talk
		}
		t.dismiss()
	}
	return nil
}

// hire starts a keeper unless there is one. The caller holds keeping.
func (t *transport) hire() bool {
	if t.keeper == nil && !t.isClosed() {
		k, err := keeper.Start(t.environ())
		if err != nil {
			return false
		}
		t.keeper = k
	}
	return t.keeper != nil
}

// held is how many conversations may be held open for a while, a few dozen KiB each.
const held = 10_000

// roomy reports whether one more may be.
func (t *transport) roomy(fleet.Host) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sessions) < held
}

// dismiss lets the keeper leave when its last command has. The caller holds
// keeping.
func (t *transport) dismiss() {
	if t.keeper != nil {
		_ = t.keeper.Close() // it is dead, or told by this very call
		t.keeper = nil
	}
}

func (t *transport) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

func (t *transport) environ() []string { return guard.Environ(t.name, t.home, t.state) }

// Close hangs up on every guard; those with a running command go on. The keeper's
// conversations end together with it: one by one, each could wait for a keeper that
// does not listen.
func (t *transport) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.keeping.Lock()
	t.dismiss()
	t.keeping.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := range t.sessions {
		s.hangUp()
	}
	return nil
}

// session is a conversation with a keeper, or a guard with its pipes.
type session struct {
	transport *transport
	in        io.WriteCloser
	out       io.ReadCloser
	wrong     *os.File // what a guard of its own complains to
	once      sync.Once
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
	var in, out *os.File
	var err error
	if theirs[0], in, err = os.Pipe(); err != nil {
		return err
	}
	s.in = in
	if out, theirs[1], err = os.Pipe(); err == nil {
		s.out = out
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

// Complaint reads what has arrived on standard error so far. A keeper has none.
func (s *session) Complaint() string {
	if s.wrong == nil {
		return ""
	}
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
		if s.in != nil {
			s.in.Close()
		}
		if s.out != nil {
			s.out.Close()
		}
		if s.wrong != nil {
			s.wrong.Close()
		}
	})
}
