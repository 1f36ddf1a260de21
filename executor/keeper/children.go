package keeper

import (
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// children are the processes that the keeper started. One look after every
// SIGCHLD reaps them all, so that a waiting command takes no thread. Starts don't
// wait for each other: one may take long, as when its program is on a disk that
// does not answer.
type children struct {
	mu       sync.Mutex
	known    map[int]chan<- syscall.WaitStatus
	starting int          // starts whose process is not known yet
	strange  map[int]exit // what was not known at its end; kept while something is starting
}

// exit is how and when a process ended.
type exit struct {
	status syscall.WaitStatus
	at     time.Time
}

// nowhere is the standard input of all of them.
var nowhere = sync.OnceValues(func() (int, error) { return syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })

// newPipe is os.Pipe for a command's output: it leaves the writing end alone,
// which the command wants as it is, and which is closed with syscall.Close.
func newPipe() (r *os.File, w int, err error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		return nil, 0, os.NewSyscallError("pipe2", err)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		syscall.Close(fds[0])
		syscall.Close(fds[1])
		return nil, 0, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fds[0]), "output"), fds[1], nil
}

// start starts the program at path in a session of its own with standard input from
// nowhere and both outputs in out. Its end arrives on the channel.
func (c *children) start(path string, argv, env []string, dir string, out int) (process, <-chan syscall.WaitStatus, error) {
	null, err := nowhere()
	if err != nil {
		return process{}, nil, err
	}
	begun := c.begin()
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Dir: dir, Env: env, Files: []uintptr{uintptr(null), uintptr(out), uintptr(out)},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	var p process
	if err == nil {
		p, _ = look(pid)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.begone()
	if err != nil {
		return process{}, nil, err
	}
	end := make(chan syscall.WaitStatus, 1)
	if e, over := c.strange[pid]; over && !e.at.Before(begun) {
		end <- e.status
		return process{pid: pid}, end, nil // what was looked at may be another with its number
	}
	c.known[pid] = end
	p.pid = pid
	return p, end, nil
}

// begin notes that something is starting, and returns since when.
func (c *children) begin() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starting++
	return time.Now()
}

// begone notes that it has started, or not. The caller holds mu.
func (c *children) begone() {
	if c.starting--; c.starting == 0 {
		clear(c.strange)
	}
}

// reap takes the exit codes of all processes that have ended.
func (c *children) reap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil || pid <= 0:
			return
		case c.known[pid] != nil:
			c.known[pid] <- status
			delete(c.known, pid)
		case c.starting > 0:
			c.strange[pid] = exit{status, time.Now()}
		}
	}
}

// output runs a small program to its end.
func (c *children) output(argv, env []string, dir string) ([]byte, int, error) {
	r, w, err := newPipe()
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	_, ended, err := c.start(argv[0], argv, env, dir, w)
	syscall.Close(w)
	if err != nil {
		return nil, 0, err
	}
	out, err := io.ReadAll(io.LimitReader(r, 64<<10))
	return out, exitCode(<-ended), err
}

// exitCode is what a shell says of an end.
func exitCode(s syscall.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}
