package keeper

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/solocron/solocron/crash"
)

// ErrNone is the error of [Start] in a program that does not call [Main].
var ErrNone = errors.New("this program is no keeper")

// passWithin bounds the handing over of a socket.
const passWithin = 5 * time.Second

// Keeper is a keeper's process, as its daemon knows it. Its methods are safe for
// concurrent use.
type Keeper struct{ control *net.UnixConn }

// uncollected spares a keeper, while it starts, a collection of what the program's
// packages have just made: half of a start's work. [serve] ends it.
const uncollected = "GOGC=off"

// Start starts a keeper with the environment, see [guard.Environ]. It is reaped
// when it ends, which may be long after Close.
func Start(environ []string) (*Keeper, error) {
	if !mainKeeps.Load() {
		return nil, ErrNone
	}
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, fmt.Errorf("start a keeper: %w", err)
	}
	defer theirs.Close()
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("start a keeper: %w", err)
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
		return nil, fmt.Errorf("start a keeper: %w", err)
	}
	go func() { _ = cmd.Wait() }() // its exit code says nothing; it must not stay a zombie
	return &Keeper{control: conn.(*net.UnixConn)}, nil
}

// Attend opens a conversation on which the keeper waits for an order. After an
// error no order was or will be taken.
func (k *Keeper) Attend() (*os.File, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, fmt.Errorf("socket for a keeper: %w", err)
	}
	defer theirs.Close()
	if err = k.control.SetWriteDeadline(time.Now().Add(passWithin)); err == nil {
		_, _, err = k.control.WriteMsgUnix([]byte{0}, syscall.UnixRights(int(theirs.Fd())), nil)
	}
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("pass a socket to the keeper: %w", err)
	}
	return ours, nil
}

// Close ends the control socket: no more orders. What the keeper keeps goes on.
func (k *Keeper) Close() error { return k.control.Close() }

// receive takes the next conversation from the control socket.
func receive(control *net.UnixConn) (*os.File, error) {
	for {
		var word [1]byte
		rights := make([]byte, syscall.CmsgSpace(4))
		n, size, _, _, err := control.ReadMsgUnix(word[:], rights)
		if err != nil || n == 0 {
			return nil, errors.Join(err, os.ErrClosed)
		}
		messages, err := syscall.ParseSocketControlMessage(rights[:size])
		if err != nil || len(messages) != 1 {
			continue // no descriptor was free: the daemon sees its end close
		}
		if fds, err := syscall.ParseUnixRights(&messages[0]); err == nil && len(fds) == 1 {
			return os.NewFile(uintptr(fds[0]), "talk"), nil
		}
	}
}

// socketpair returns two connected sockets that no child inherits and whose
// reads and writes can be broken off.
func socketpair() (a, b *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}
