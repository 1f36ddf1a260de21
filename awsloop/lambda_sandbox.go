package awsloop

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// sandbox is one process of a function with a Runtime API of its own, as each
// execution environment of Lambda has.
type sandbox struct {
	function *Function
	cmd      *exec.Cmd
	api      *http.Server
	started  time.Time
	version  int              // of the function
	asks     chan struct{}    // the process asked for work
	work     chan *invocation // what it gets
	exited   chan struct{}    // closed when the process was reaped and its API is closed

	mu      sync.Mutex
	killed  bool
	reaped  bool
	current *invocation
	exit    string   // how it ended
	report  *outcome // what it said about its failed start
}

// start starts a process, which isn't ready yet.
func (f *Function) start() (*sandbox, error) {
	f.mu.Lock()
	o, version := f.o, f.version
	f.mu.Unlock()
	if o.architecture != "" && o.architecture != native() {
		return nil, syscall.ENOEXEC
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the Runtime API: %w", err)
	}
	b := &sandbox{
		function: f,
		version:  version,
		asks:     make(chan struct{}),
		work:     make(chan *invocation),
		exited:   make(chan struct{}),
	}
	b.api = &http.Server{Handler: b.routes(), ReadHeaderTimeout: time.Minute}
	b.cmd = exec.Command(o.Bootstrap)
	b.cmd.Dir = filepath.Dir(o.Bootstrap)
	b.cmd.Env = f.environ(o, l.Addr().String())
	b.cmd.Stdout, b.cmd.Stderr = o.Output, o.Output
	b.cmd.WaitDelay = time.Second // for output that a child holds open
	// A group of its own, to kill what it started. Should this process die, the
	// kernel hangs up on the group if it is stopped; if not, it finds its
	// Runtime API gone.
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	f.mu.Lock()
	defer f.mu.Unlock()
	if err = errClosed; !f.closed {
		b.started = time.Now()
		err = b.cmd.Start()
	}
	if err != nil {
		l.Close() // the error before it says more
		return nil, err
	}
	f.boxes[b] = struct{}{}
	f.work.Go(func() { b.api.Serve(l) }) //nolint:errcheck // it always ends with ErrServerClosed
	f.work.Go(b.reap)
	return b, nil
}

// reap waits for the process to end, and for the answers that it sent before.
func (b *sandbox) reap() {
	err := b.cmd.Wait()
	b.mu.Lock()
	syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL) //nolint:errcheck // its children, if it had any
	b.reaped = true
	b.exit = "Runtime exited without providing a reason"
	if err != nil {
		b.exit = "Runtime exited with error: " + err.Error()
	}
	b.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if b.api.Shutdown(ctx) != nil {
		b.api.Close() // what still waits is cut off
	}
	f := b.function
	f.mu.Lock()
	delete(f.boxes, b)
	f.mu.Unlock()
	close(b.exited)
}

// init waits until the process asks for work. If it doesn't within the limit
// it is killed.
func (b *sandbox) init(id string, limit time.Duration) (failure outcome, ok bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-b.asks:
		f := b.function
		f.mu.Lock()
		f.inits = append(f.inits, time.Since(b.started))
		f.mu.Unlock()
		return outcome{}, true
	case <-b.exited:
		return b.epitaph(id), false
	case <-timer.C:
		b.kill()
		<-b.exited
		return timedOut(id, limit), false
	}
}

// serve has the process run the invocation and watches it until it asks for
// more or is gone. It reports whether the process was there to take it.
func (b *sandbox) serve(i *invocation) bool {
	timeout := b.function.options().Timeout
	i.deadline = time.Now().Add(timeout)
	b.mu.Lock()
	b.current = i
	b.mu.Unlock()
	b.thaw()
	select {
	case b.work <- i:
	case <-b.exited:
		return false
	}
	defer b.perhapsCrash()()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-b.asks:
		i.finish(failed("Runtime.NoResponse", i.id, "Runtime asked for the next event without answering this one"))
		b.function.park(b)
	case <-b.exited:
		i.finish(b.epitaph(i.id))
	case <-timer.C:
		i.finish(timedOut(i.id, timeout))
		b.kill()
		<-b.exited
	}
	return true
}

// perhapsCrash kills the process within the knob's time, unless it is called
// off before.
func (b *sandbox) perhapsCrash() (callOff func()) {
	s := b.function.server
	k := s.Knobs().Crash
	if !s.roll(k) {
		return func() {}
	}
	timer := time.AfterFunc(s.part(k.For), b.kill)
	return func() { timer.Stop() }
}

// epitaph is the outcome of an invocation during which the process ended.
func (b *sandbox) epitaph(id string) outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.report != nil {
		return *b.report
	}
	return failed("Runtime.ExitError", id, b.exit)
}

func (b *sandbox) gone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.killed || b.reaped
}

func (b *sandbox) busy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.killed && !b.reaped && b.current != nil && !b.current.finished.Load()
}

func (b *sandbox) freeze() { b.signal(syscall.SIGSTOP) }
func (b *sandbox) thaw()   { b.signal(syscall.SIGCONT) }
func (b *sandbox) kill()   { b.signal(syscall.SIGKILL) }

// signal reaches the process and its children, and nobody who has its number
// after it.
func (b *sandbox) signal(s syscall.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.killed = b.killed || s == syscall.SIGKILL
	if !b.reaped {
		syscall.Kill(-b.cmd.Process.Pid, s) //nolint:errcheck // it may have ended just now
	}
}

// sharedWriter lets several processes write to one writer.
type sharedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *sharedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}
