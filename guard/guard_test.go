package guard_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
)

// hosts runs the test under every shell that the guard must work with. open
// returns a fresh host.
func hosts(t *testing.T, test func(t *testing.T, open func(t *testing.T) *guardtest.Host)) {
	for _, shell := range []string{"dash", "bash", "busybox"} {
		t.Run(shell, func(t *testing.T) {
			open := under(t, shell)
			t.Parallel()
			test(t, open)
		})
	}
}

// under returns fresh hosts with that shell.
func under(t *testing.T, shell string) func(t *testing.T) *guardtest.Host {
	argv := []string{guardtest.Need(t, shell, shell)}
	if shell == "busybox" {
		argv = append(argv, "sh")
	}
	return func(t *testing.T) *guardtest.Host {
		return guardtest.NewHost(t, guardtest.Guard{Shell: argv, Slack: 8 << 10})
	}
}

// shells is hosts for a test that wants one of each.
func shells(t *testing.T, test func(t *testing.T, h *guardtest.Host)) {
	hosts(t, func(t *testing.T, open func(t *testing.T) *guardtest.Host) { test(t, open(t)) })
}

func TestContract(t *testing.T) { hosts(t, guardtest.Run) }

func TestScriptIsCleanShell(t *testing.T) {
	cmd := exec.Command(guardtest.Need(t, "shellcheck", "shellcheck"), "-s", "sh", "-")
	var all strings.Builder
	for _, part := range []string{"common", "tree", "output", "start", "claim", "ask", "oneway", "main"} {
		b, err := os.ReadFile("sh/" + part + ".sh")
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	cmd.Stdin = strings.NewReader(all.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
	if len(guard.CommandLine(guard.VerbStart)) > 32<<10 {
		t.Errorf("the guard has grown to %d bytes", len(guard.CommandLine(guard.VerbStart)))
	}
}

func TestWaitForGoIsBounded(t *testing.T) {
	shells(t, func(t *testing.T, h *guardtest.Host) {
		o := h.Order("true")
		k := h.Start(o, guard.Link{GoWithin: 300 * time.Millisecond})
		k.Want("ready")
		if m, err := k.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("the guard said %+v, %v", m, err)
		}
		if got := h.Status(o); got.Result.End != guard.Refused || !strings.Contains(got.Result.Reason, "no go within") {
			t.Errorf("status %+v", got)
		}

		o.N = 2
		k = h.Start(o, guard.Link{GoWithin: 77 * time.Minute})
		k.Run(o)
		if res := k.End(); res.End != guard.Exited {
			t.Errorf("%+v", res)
		}
		guardtest.Eventually(t, "the expiry's sleep is gone", func() bool { return len(guardtest.Holding("sleep\x004620\x00")) == 0 })
	})
}

func TestOrdinaryUserCannotBecomeAnother(t *testing.T) {
	guardtest.NeedRoot(t)
	shells(t, func(t *testing.T, h *guardtest.Host) {
		home := "/tmp/solocron-nobody-" + fmt.Sprint(os.Getpid()) + "-" + filepath.Base(t.Name())
		t.Cleanup(func() { os.RemoveAll(home) })
		if err := os.Mkdir(home, 0o700); err != nil {
			t.Fatal(err)
		}
		os.Chown(home, 65534, 65534)
		as := func(o guard.Order) string {
			wire, _ := o.Encode(guard.Link{})
			cmd := h.Command(guard.VerbStart)
			cmd.Args = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, cmd.Args...)
			cmd.Path = guardtest.Need(t, "setpriv", "util-linux")
			cmd.Env = guard.Environ("nobody", home, "")
			cmd.Stdin = strings.NewReader(string(wire) + o.Go(time.Now()))
			out, _ := cmd.Output()
			return string(out)
		}
		o := h.Order("id -un")
		o.Kept = ""
		if got := as(o); !strings.Contains(got, "end exited\ncode 0\n") {
			t.Errorf("own user: %q", got)
		}
		if _, err := os.Stat(home + "/.local/state/solocron/runs/" + o.Attempt.Dir() + "/result"); err != nil {
			t.Error(err)
		}
		o.N, o.User = 2, "root"
		if got := as(o); !strings.Contains(got, "must be root to run as user root") {
			t.Errorf("another user: %q", got)
		}
	})
}

// The variable moves the run directories for whoever looks for them.
func TestRunDirVariable(t *testing.T) {
	h := under(t, "dash")(t)
	t.Setenv(guard.RunDirVariable, h.Root)
	o := h.Order("true")
	o.Kept = ""
	h.Result(o)
	if got := guard.RunDir(guard.Root("", 0, "", ""), o.Attempt); got != h.Dir(o) {
		t.Errorf("run directory %s, want %s", got, h.Dir(o))
	}
	if _, err := os.Stat(h.Dir(o) + "/result"); err != nil {
		t.Error(err)
	}
	if got := guard.Root("/ordered", 0, "", ""); got != "/ordered" {
		t.Errorf("an ordered root gave way to the variable: %s", got)
	}
}
