package guard_test

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
)

func TestVolatileAndReadOnlyRoot(t *testing.T) {
	shells(t, func(t *testing.T, h *guardtest.Host) {
		h.Tmpfs("size=1m")
		if out := h.Ask(guard.VerbProbe, "7", "0"); !strings.Contains(out, "does not survive a reboot") {
			t.Errorf("probe: %q", out)
		}
		o := h.Order("true")
		o.N = 2
		k := h.Start(o, guard.Link{})
		k.Want("ready")
		k.Cmd.Process.Kill()
		k.Cmd.Wait()
		h.ReadOnly()
		if got := h.Status(o).Phase; got != guard.PhaseReady {
			t.Errorf("a dead guard that can't be denied its go: %s", got)
		}
		h.Refused(h.Order("true"), "Read-only file system")
		if out := h.Ask(guard.VerbProbe, "7", "0"); !strings.Contains(out, "unfit cannot write") {
			t.Errorf("probe: %q", out)
		}
	})
}

func TestGuardKilled(t *testing.T) {
	shells(t, func(t *testing.T, h *guardtest.Host) {
		guardtest.Bystander(t)
		o := h.Order("true")
		k := h.Start(o, guard.Link{})
		k.Want("ready")
		k.Cmd.Process.Kill()
		k.Cmd.Wait()
		if got := h.Status(o).Result; got.End != guard.Refused {
			t.Errorf("killed while ready: %+v", got)
		}

		o = h.Order("exec sleep 300")
		o.N = 2
		k = h.Start(o, guard.Link{})
		k.Run(o)
		h.Up(o)
		h.Kill(o, "guard", "supervisor", "watcher")
		if got := h.Status(o); got.Phase != guard.PhaseRunning {
			t.Errorf("orphaned: %+v", got)
		}
		h.Kill(o, "pid")
		guardtest.Eventually(t, "the killed command is gone", func() bool { return h.Status(o).Phase == guard.PhaseEnded })
		if got := h.Status(o).Result; got.End != guard.Gone || !strings.Contains(got.Reason, "guard was killed") {
			t.Errorf("gone: %+v", got)
		}

		o = h.Order(guardtest.Stubborn)
		o.N, o.Grace = 3, 200*time.Millisecond
		k = h.Start(o, guard.Link{})
		k.Run(o)
		h.Wrote(o)
		h.Kill(o, "guard", "supervisor", "watcher")
		if got := h.Ask(guard.VerbStop, o.Attempt.Dir()); got != "phase ended\n" {
			t.Errorf("stop of an orphan: %q", got)
		}
		h.NothingLeft()
		if got := h.Status(o).Result; got.End != guard.Cancelled {
			t.Errorf("stopped orphan: %+v", got)
		}

		o = h.Order("exec sleep 300")
		o.N, o.Timeout = 4, 1500*time.Millisecond
		k = h.Start(o, guard.Link{})
		k.Run(o)
		h.Up(o)
		h.Kill(o, "supervisor")
		guardtest.Eventually(t, "the watcher alone ends it", func() bool { return h.Status(o).Phase == guard.PhaseEnded })
		if got := h.Status(o).Result; got.End != guard.TimedOut {
			t.Errorf("the watcher alone: %+v", got)
		}
		h.NothingLeft()
	})
}

// A reboot is seen by the boot that the files name.
func TestReboot(t *testing.T) {
	shells(t, func(t *testing.T, h *guardtest.Host) {
		o := h.Order("exec sleep 300")
		k := h.Start(o, guard.Link{})
		k.Run(o)
		h.Up(o)
		syscall.Kill(-k.Cmd.Process.Pid, syscall.SIGKILL)
		syscall.Kill(h.Process(o, "pid"), syscall.SIGKILL)
		k.Cmd.Wait()
		h.Reboot(o)
		if got := h.Status(o).Result; got.End != guard.Gone || !strings.Contains(got.Reason, "restarted") {
			t.Errorf("in mid-run: %+v", got)
		}
		if m := h.Refused(o, "delivered"); !m.Duplicate {
			t.Errorf("redelivery after a reboot: %+v", m)
		}

		o.N++
		o.Command = "true"
		h.Result(o)
		h.Reboot(o, "go", "supervisor", "watcher", "pid", "over", "result", "total")
		if got := h.Status(o).Result; got.End != guard.Gone { // the disk may have forgotten the go: no proof
			t.Errorf("everything lost: %+v", got)
		}
		o.N++
		h.Result(o)
		h.Reboot(o)
		os.Remove(h.Dir(o) + "/over")
		torn, _ := os.ReadFile(h.Dir(o) + "/result")
		os.WriteFile(h.Dir(o)+"/result", torn[:bytes.Index(torn, []byte("\n.\n"))+1], 0o600)
		if got := h.Status(o).Result; got.End != guard.Gone {
			t.Errorf("torn result: %+v", got)
		}
	})
}

// A command that ended before its host went down, and before anybody heard of
// its end, has left its true result there.
func TestFault66EndedBeforeTheReboot(t *testing.T) {
	shells(t, func(t *testing.T, h *guardtest.Host) {
		o := h.Order("echo out; exit 3")
		k := h.Start(o, guard.Link{})
		k.Run(o)
		k.Close() // nobody listens any more
		guardtest.Eventually(t, "the command has ended", func() bool { return h.Ended(o) })
		k.Cmd.Wait()
		h.Reboot(o)
		if got := h.Status(o).Result; got.End != guard.Exited || got.Code != 3 || string(got.Output.Head) != "out\n" {
			t.Errorf("%+v, output %q", got, got.Output.Head)
		}
	})
}
