package commandfleet

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// errTimeout and errTooMuch are causes that end the command.
var (
	errTimeout = fmt.Errorf("still running after %v", Timeout)
	errTooMuch = fmt.Errorf("printed more than %d MiB", OutputBytes>>20)
)

// run runs the command in a process group of its own, which is killed as a
// whole when ctx is done, the time is up or the output is too long. The error
// ends with the last of what the command wrote to standard error.
func run(ctx context.Context, command string) ([]byte, error) {
	ctx, stop := context.WithTimeoutCause(ctx, Timeout, errTimeout)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	stdout := &capped{full: func() { cancel(errTooMuch) }}
	stderr := &tail{}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for a process that left the group with our pipes
	err := cmd.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = errors.New("it ended, but a process it started keeps its output open")
	}
	if said := stderr.String(); err != nil && said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return stdout.kept, err
}

// capped keeps up to OutputBytes and calls full when there is more. It doesn't
// embed a bytes.Buffer, whose ReadFrom would read past the cap.
type capped struct {
	kept []byte
	full func()
}

func (c *capped) Write(p []byte) (int, error) {
	if len(c.kept)+len(p) > OutputBytes {
		c.full()
		return 0, errTooMuch
	}
	c.kept = append(c.kept, p...)
	return len(p), nil
}

// tail keeps the last tailBytes of what is written to it.
type tail struct{ kept []byte }

const tailBytes = 500

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	t.kept = t.kept[max(0, len(t.kept)-tailBytes):]
	return len(p), nil
}

// String is what was kept, on one line and without control characters.
func (t *tail) String() string {
	words := strings.Fields(strings.ToValidUTF8(string(t.kept), "?"))
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.Join(words, " "))
}
