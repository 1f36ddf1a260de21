package guardtest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

func timeoutLeavesNothingBehind(t *testing.T, h *Host) {
	Bystander(t)
	neighbour := h.Order("exec sleep 300")
	neighbour.N = 9
	n := h.Start(neighbour, guard.Link{})
	n.Run(neighbour)
	h.Up(neighbour)

	o := h.Order(Stubborn)
	o.Timeout, o.Grace = 500*time.Millisecond, 300*time.Millisecond
	res := h.Result(o)
	if res.End != guard.TimedOut || res.Code != 137 || string(res.Output.Head) != "up\n" || res.Note != "" {
		t.Errorf("%+v", res)
	}
	if left := h.marked(o); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
	o = h.Order("trap 'echo bye; exit 5' TERM; sleep 300 & wait")
	o.N, o.Timeout = 2, 300*time.Millisecond
	if res := h.Result(o); res.End != guard.TimedOut || res.Code != 5 || string(res.Output.Head) != "bye\n" {
		t.Errorf("%+v", res)
	}
	o = h.Order("true")
	o.N, o.Timeout = 3, 4711*time.Second
	h.Result(o)
	Eventually(t, "the watcher's sleep is gone", func() bool { return len(Holding("sleep\x004711.000\x00")) == 0 })

	if len(h.marked(neighbour)) == 0 {
		t.Error("the neighbour has ended too")
	}
	h.Ask(guard.VerbStop, neighbour.Attempt.Dir(), "kill")
	if res := n.End(); res.End != guard.Cancelled || res.Code != 137 {
		t.Errorf("the neighbour: %+v", res)
	}
}

func stop(t *testing.T, h *Host) {
	Bystander(t)
	o := h.Order("touch " + h.Root + "/started; exec sleep 300")
	h.Ask(guard.VerbProbe, "7", "0")
	if got := h.Ask(guard.VerbStop, o.Attempt.Dir()); got != "phase absent\n" {
		t.Errorf("absent: %q", got)
	}

	k := h.Start(o, guard.Link{})
	k.Want("ready")
	if got := h.Ask(guard.VerbStop, o.Attempt.Dir()); got != "phase ended\n" {
		t.Errorf("ready: %q", got)
	}
	k.Give(o)
	// A shell that was stopped may leave without a word.
	if m, err := k.Next(); (err == nil || h.Attend != nil) && (m.Word != "end" || m.Result.End != guard.Refused) {
		t.Errorf("go after a stop: %+v, %v", m, err)
	}
	if got := h.Status(o).Result; got.End != guard.Refused || !strings.Contains(got.Reason, "stopped before its go") {
		t.Errorf("ready: %+v", got)
	}
	if _, err := os.Stat(h.Root + "/started"); err == nil {
		t.Error("a stopped attempt was started")
	}

	o.N = 2
	k = h.Start(o, guard.Link{})
	k.Run(o)
	h.Ask(guard.VerbStop, o.Attempt.Dir())
	if res := k.End(); res.End != guard.Cancelled {
		t.Errorf("running: %+v", res)
	}
	if got := h.Ask(guard.VerbStop, o.Attempt.Dir()); got != "phase ended\n" {
		t.Errorf("ended: %q", got)
	}
	if got := h.Status(o).Result; got.End != guard.Cancelled {
		t.Errorf("ended: %+v", got)
	}

	o = h.Order(Stubborn)
	o.N, o.Grace = 3, time.Hour
	k = h.Start(o, guard.Link{})
	k.Run(o)
	h.Wrote(o)
	h.Ask(guard.VerbStop, o.Attempt.Dir())
	h.Ask(guard.VerbStop, o.Attempt.Dir())
	h.Ask(guard.VerbStop, o.Attempt.Dir(), "kill")
	if res := k.End(); res.End != guard.Cancelled || res.Code != 137 {
		t.Errorf("kill: %+v", res)
	}
	h.NothingLeft()
}

// A stop at any instant after go either finds the command or prevents it.
func stopRacesStart(t *testing.T, h *Host) {
	for n := range 20 {
		o := h.Order("exec sleep 300")
		o.N = n + 1
		k := h.Start(o, guard.Link{})
		k.Want("ready")
		k.Give(o)
		h.Ask(guard.VerbStop, o.Attempt.Dir())
		Eventually(t, "the stopped attempt has ended", func() bool { return h.Ended(o) })
		h.NothingLeft()
	}
}

// A disk that gets full costs a command its output, not its end.
func diskGetsFull(t *testing.T, h *Host) {
	h.Tmpfs("size=1m")
	o := h.Order("yes 0123456789 | head -c 3000000; echo still here; exit 4")
	res := h.Result(o)
	if res.End != guard.Exited || res.Code != 4 || !strings.Contains(res.Note, "log lost") {
		t.Error(brief(res))
	}
	if got := h.Status(o).Result; got.End != guard.Exited || got.Code != 4 || !strings.Contains(got.Note, "log lost") ||
		got.Output.Bytes > 3000011 || got.Output.Bytes < 3000011-h.Slack {
		t.Errorf("status: %s", brief(got))
	}
}

// A host that can't keep what happens to an attempt starts none.
func noRoom(t *testing.T, h *Host) {
	h.Tmpfs("size=1m")
	if err := os.WriteFile(h.Root+"/fill", make([]byte, 2<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	o := h.Order("true")
	h.Refused(o, "")
	if out := h.Ask(guard.VerbProbe, "7", "0"); !strings.Contains(out, "unfit ") {
		t.Errorf("probe: %q", out)
	}
	h.ReadOnly()
	o.N = 2
	h.Refused(o, "read-only file system")
}

func probe(t *testing.T, h *Host) {
	out := h.Ask(guard.VerbProbe, "7", "1000000")
	for _, want := range []string{"time ", "\nfree ", "\nfit\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %q", want, out)
		}
	}
	if out := h.Ask(guard.VerbProbe, "7", fmt.Sprint(int64(1)<<60)); !strings.Contains(out, "unfit only ") {
		t.Errorf("short of space: %q", out)
	}
}

func oldAttemptsAreRemoved(t *testing.T, h *Host) {
	old, young, running := h.Order("true"), h.Order("true"), h.Order("exec sleep 300")
	young.N, running.N = 2, 3
	h.Result(old)
	h.Result(young)
	k := h.Start(running, guard.Link{})
	k.Run(running)
	past := time.Now().AddDate(0, 0, -9)
	for _, o := range []guard.Order{old, running} {
		os.Chtimes(h.Dir(o)+"/result", past, past)
		os.Chtimes(h.Dir(o), past, past)
	}
	h.Ask(guard.VerbProbe, "7", "0")
	for o, want := range map[*guard.Order]guard.Phase{&old: guard.PhaseAbsent, &young: guard.PhaseEnded, &running: guard.PhaseRunning} {
		if got := h.Status(*o).Phase; got != want {
			t.Errorf("attempt %d: %s, want %s", o.N, got, want)
		}
	}
	h.Ask(guard.VerbStop, running.Attempt.Dir(), "kill")
	k.End()
}
