package guardtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/solocron/solocron/guard"
)

// A guard that stands still between ready and its start, as one does whose
// machine is paused, finds when it goes on what was decided meanwhile.
func pausedBeforeItsStart(t *testing.T, h *Host) {
	for n, stopped := range []bool{true, false} {
		started := fmt.Sprintf("%s/started-%d", h.Home, n)
		o := h.Order("echo once >>" + started)
		o.N = n + 1
		k := h.Start(o, guard.Link{})
		k.Want("ready")
		pid := h.Process(o, "guard")
		syscall.Kill(pid, syscall.SIGSTOP)
		t.Cleanup(func() { syscall.Kill(pid, syscall.SIGCONT) })
		Eventually(t, "the guard stands still", func() bool { return standsStill(pid) })
		k.Give(o)
		want := guard.Exited
		if stopped {
			want = guard.Refused
			if got := h.Ask(guard.VerbStop, o.Attempt.Dir()); got != "phase ended\n" {
				t.Errorf("stop: %q", got)
			}
		}
		syscall.Kill(pid, syscall.SIGCONT)
		Eventually(t, "the attempt is over", func() bool { return h.Ended(o) })
		if got := h.Status(o).Result; got.End != want {
			t.Errorf("stopped %t: %+v", stopped, got)
		}
		if b, _ := os.ReadFile(started); (string(b) == "once\n") == stopped {
			t.Errorf("stopped %t: the command wrote %q", stopped, b)
		}
	}
}

// Between the look at the clock and the start lies the claim: a guard that is
// paused before it finds the attempt taken back; one that is paused after it
// can't be taken back from.
func pausedAroundItsClaim(t *testing.T, a *Agent) {
	curl := Need(t, "curl", "curl")
	for n, c := range []struct {
		asker string
		taken bool
	}{
		{"echo $$ >PAUSED; kill -s STOP $$; exec CURL \"$@\"", true},
		{"CURL \"$@\"; code=$?; echo $$ >PAUSED; kill -s STOP $$; exit $code", false},
	} {
		paused := fmt.Sprintf("%s/paused-%d", a.Home, n)
		a.Path = Tools(t)
		script := "#!/bin/sh\n" + strings.NewReplacer("PAUSED", paused, "CURL", curl).Replace(c.asker) + "\n"
		if err := writeProgram(filepath.Join(a.Path, "curl"), script); err != nil {
			t.Fatal(err)
		}
		ledger := NewClaims(t)
		o := ledger.Order(a.Order("echo started"))
		o.N = n + 1
		d := a.Begin(o)
		pid := 0
		Eventually(t, "the guard stands still", func() bool {
			b, _ := os.ReadFile(paused)
			_, err := fmt.Sscan(string(b), &pid)
			return err == nil && standsStill(pid)
		})
		if taken := ledger.Take("scheduler"); taken != c.taken {
			t.Errorf("taken back: %t, want %t", taken, c.taken)
		}
		syscall.Kill(pid, syscall.SIGCONT)
		res := d.Trailer().Result
		started := string(res.Output.Head) == "started\n"
		if started == c.taken || c.taken && (res.End != guard.Refused || !strings.Contains(res.Reason, "taken back by the scheduler")) {
			t.Errorf("taken back %t: %+v, output %q", c.taken, res, res.Output.Head)
		}
	}
}

func standsStill(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(b), ") T ")
}
