package keeper

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/solocron/solocron/crash"
)

// ErrNone is the error of [Start] in a program that does not call [Main].
var ErrNone = errors.New("this program is no keeper")

// talking is how daemon and keeper share their socket among all conversations: one
// each would be a descriptor each, which every command's process would copy and
// close. Neither end may be gone without the socket's end, so that nothing needs to
// be kept alive, and neither gives up a conversation that the other one holds. Words
// that the socket does not take within the given time are lost.
func talking(within time.Duration) *yamux.Config {
	return &yamux.Config{
		AcceptBacklog: 256, MaxStreamWindowSize: 256 << 10,
		KeepAliveInterval: time.Hour, ConnectionWriteTimeout: within,
		Logger: log.New(io.Discard, "", 0),
	}
}

// passWithin is how long a daemon tries to hand over words before it takes a keeper
// for dead.
const passWithin = 5 * time.Second

// Keeper is a keeper's process, as its daemon knows it. Its methods are safe for
// concurrent use.
type Keeper struct{ control *yamux.Session }

// uncollected spares a keeper, while it starts, a collection of what the program's
// packages have just made: half of a start's work. [serve] ends it.
const uncollected = "GOGC=off"

// Start starts a keeper with the environment, see [guard.Environ]. It is reaped
// when it ends, which may be long after Close.
func Start(environ []string) (*Keeper, error) {
	if !mainKeeps.Load() {
		return nil, ErrNone
	}
	conn, err := launch(environ)
	if err != nil {
		return nil, fmt.Errorf("start a keeper: %w", err)
	}
	return converse(conn)
}

// launch starts the process and returns the daemon's end of the socket.
func launch(environ []string) (net.Conn, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	// The program's path may by now lead to another version.
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{argv0}
	cmd.Env = append(append(environ, uncollected), crash.Environ()...)
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, err
	}
	go func() { _ = cmd.Wait() }() // its exit code says nothing; it must not stay a zombie
	return conn, nil
}

// converse takes up the daemon's end of the socket.
func converse(conn net.Conn) (*Keeper, error) {
	control, err := yamux.Client(conn, talking(passWithin))
	if err != nil {
		conn.Close() // which ends the keeper
		return nil, err
	}
	return &Keeper{control}, nil
}

// Attend opens a conversation on which the keeper waits for an order. After an
// error no order was or will be taken. A Close ends the conversation for the keeper,
// and a Read that is under way here.
func (k *Keeper) Attend() (io.ReadWriteCloser, error) {
	talk, err := k.control.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("open a conversation with the keeper: %w", err)
	}
	return conversation{talk}, nil
}

// conversation is a stream whose Close ends both directions.
type conversation struct{ *yamux.Stream }

func (c conversation) Close() error {
	return errors.Join(c.SetReadDeadline(time.Unix(1, 0)), c.Stream.Close())
}

// Close ends all conversations: no more orders, nor a go. What the keeper keeps goes
// on.
func (k *Keeper) Close() error { return k.control.Close() }

// socketpair returns two connected sockets that no child inherits and whose
// reads and writes can be broken off.
func socketpair() (a, b *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}
