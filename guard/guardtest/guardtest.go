// Package guardtest is the contract of a guard, executable: what a command may
// rely on, and the faults that a guard must stand. The shell's guard passes
// [Run] under every shell, the keeper in Go passes it too.
//
// The verbs that ask about an attempt are the shell's for both. The tests need
// Linux and root, as some mount file systems and change users.
package guardtest

import (
	"bytes"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

// Guard is one that the suite tries, and how it differs.
type Guard struct {
	// Shell runs the verbs: a program and its first arguments. Nil for the one
	// that [guard.Argv] names.
	Shell []string
	// Attend returns a conversation with a guard that waits for an order. Nil for the
	// shell's, which is started anew for each. A guard on a socket doesn't send
	// output, as it is kept on the same machine, and what it says after a
	// hang-up is lost.
	Attend func() (io.ReadWriteCloser, error)
	// Slack is how many bytes it may keep less than it was told to, and count
	// less where the disk is full: a shell's output goes in blocks.
	Slack int64
}

// Run shows that a guard keeps the contract. open returns a fresh host.
func Run(t *testing.T, open func(t *testing.T) *Host) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, h *Host)
	}{
		{"run to the end", runToTheEnd},
		{"environment", environment},
		{"fault 95: hostile bytes", hostile},
		{"fault 99: run directories of somebody else", othersDirectories},
		{"secrets stay out of sight", secretsStayOutOfSight},
		{"fault 102: without its own go nothing starts", withoutGoNothingStarts},
		{"fault 102: forged words in the output", forgedWords},
		{"torn order leaves no trace", tornOrderLeavesNoTrace},
		{"second delivery starts nothing", secondDeliveryStartsNothing},
		{"fault 72: the job's lock", lock},
		{"refusals", refusals},
		{"unwritable root", unwritableRoot},
		{"fault 105: another user", anotherUser},
		{"fault 68: paused before its start", pausedBeforeItsStart},
		{"fault 76: timeout leaves nothing behind", timeoutLeavesNothingBehind},
		{"stop", stop},
		{"stop races start", stopRacesStart},
		{"fault 75: detached output", detachedOutput},
		{"fault 78: huge output", hugeOutput},
		{"fault 79: output that is no text", outputThatIsNoText},
		{"fault 80: output that nobody reads", outputThatNobodyReads},
		{"output is live and counted", outputIsLiveAndCounted},
		{"fault 81: the disk gets full", diskGetsFull},
		{"fault 82: nobody is at the terminal", nobodyIsAtTheTerminal},
		{"fault 73: no room", noRoom},
		{"probe", probe},
		{"fault 74: old attempts are removed", oldAttemptsAreRemoved},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// Host is this machine with a guard and a run directory of its own.
type Host struct {
	Guard
	Root string // of the run directories; not there yet
	Home string // of the guard's user
	t    *testing.T
}

// NewHost returns a host that lasts as long as the test.
func NewHost(t *testing.T, g Guard) *Host {
	t.Helper()
	Need(t, "flock", "util-linux")
	return &Host{Guard: g, Root: filepath.Join(Dir(t), "root"), Home: t.TempDir(), t: t}
}

// Order is a small order that the test may change.
func (h *Host) Order(command string) guard.Order {
	return guard.Order{
		Attempt: guard.Attempt{Run: "job@20261122T023000Z", N: 1, Kept: h.Root},
		Token:   "t0ken", Job: "job", Due: time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC),
		Host: "host-1", Fence: 7, Command: command,
		Timeout: time.Minute, Grace: 10 * time.Second,
	}
}

// Dir is the run directory of the order's attempt.
func (h *Host) Dir(o guard.Order) string { return guard.RunDir(h.Root, o.Attempt) }

// Command is a verb of the shell's guard.
func (h *Host) Command(verb string, args ...string) *exec.Cmd {
	argv := guard.Argv(verb, args...)
	if h.Shell != nil {
		argv = append(append([]string{}, h.Shell...), argv[1:]...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = guard.Environ("root", h.Home, "")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// Ask runs a verb other than start to its end.
func (h *Host) Ask(verb string, args ...string) string {
	h.t.Helper()
	var stderr bytes.Buffer
	cmd := h.Command(verb, append([]string{h.Root}, args...)...)
	cmd.Stderr = &stderr
	out, _ := cmd.Output()
	if stderr.Len() > 0 {
		h.t.Errorf("%s: stderr: %s", verb, &stderr)
	}
	return string(out)
}

// Status asks how the attempt stands.
func (h *Host) Status(o guard.Order) guard.Status {
	h.t.Helper()
	answer := h.Ask(guard.VerbStatus, o.Attempt.Dir())
	status, err := guard.ReadStatus(strings.NewReader(answer))
	if err != nil {
		h.t.Fatalf("status: %v in %q", err, answer)
	}
	return status
}

// Ended reports whether the attempt has.
func (h *Host) Ended(o guard.Order) bool { return h.Status(o).Phase == guard.PhaseEnded }
