package keeper

import (
	"io"
	"os"
	"sync"
	"syscall"
)

// children are the processes that the keeper started. One look after every
// SIGCHLD reaps them all, so that a waiting command takes no thread.
type children struct {
	mu    sync.Mutex
	ended map[int]chan<- syscall.WaitStatus
}

// start starts the program at path in a session of its own with standard input from
// nowhere and both outputs in out. Its end arrives on the channel.
func (c *children) start(path string, argv, env []string, dir string, out *os.File) (process, <-chan syscall.WaitStatus, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return process{}, nil, err
	}
	defer null.Close()
	ended := make(chan syscall.WaitStatus, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Dir: dir, Env: env, Files: []uintptr{null.Fd(), out.Fd(), out.Fd()},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return process{}, nil, err
	}
	c.ended[pid] = ended
	p, ok := look(pid) // it is not reaped yet, so the number is surely its own
	if !ok {
		p = process{pid: pid}
	}
	return p, ended, nil
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
		case c.ended[pid] != nil:
			c.ended[pid] <- status
			delete(c.ended, pid)
		}
	}
}

// output runs a small program to its end.
func (c *children) output(argv, env []string, dir string) ([]byte, int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	_, ended, err := c.start(argv[0], argv, env, dir, w)
	w.Close()
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
