package guard_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

// stubborn leaves a child that ignores TERM, one in a session of its own, one
// that was double-forked and one with an empty environment, and ignores TERM.
const stubborn = `trap '' TERM
sh -c 'trap "" TERM; while :; do sleep 300; done' &
setsid sh -c 'trap "" TERM; while :; do sleep 300; done' &
( ( setsid setsid sleep 300 & ) & )
env -i sleep 300 &
echo up
while :; do sleep 300; done`

// bystander is a process that no guard may touch.
func bystander(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.Process.Signal(syscall.Signal(0)) != nil {
			t.Error("the guard ended a process that is not the attempt's")
		}
		cmd.Process.Kill()
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("the bystander ended: %v", err)
		}
	})
}

// nothingLeft wants no live process of the attempt.
func (h *host) nothingLeft() {
	h.t.Helper()
	eventually(h.t, "no process of the attempt is left: "+strings.Join(holding("SOLOCRON_MARK="+h.root), "\n"), func() bool {
		return len(holding("SOLOCRON_MARK="+h.root)) == 0
	})
}

func TestTimeoutLeavesNothingBehind(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		bystander(t)
		o := h.order(stubborn)
		o.Timeout, o.Grace = 500*time.Millisecond, 300*time.Millisecond
		res := h.result(o)
		if res.End != guard.TimedOut || res.Code != 137 || string(res.Output.Head) != "up\n" || res.Note != "" {
			t.Errorf("%+v", res)
		}
		if left := holding("SOLOCRON_MARK=" + h.root); len(left) > 0 {
			t.Errorf("left behind: %s", left)
		}
		o = h.order("trap 'echo bye; exit 5' TERM; sleep 300 & wait")
		o.N, o.Timeout = 2, 300*time.Millisecond
		if res := h.result(o); res.End != guard.TimedOut || res.Code != 5 || string(res.Output.Head) != "bye\n" {
			t.Errorf("%+v", res)
		}
		o = h.order("true")
		o.N, o.Timeout = 3, 4711*time.Second
		h.result(o)
		eventually(t, "the watcher's sleep is gone", func() bool { return len(holding("sleep\x004711.000\x00")) == 0 })
	})
}

func TestStop(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		bystander(t)
		o := h.order("touch " + h.root + "/started; exec sleep 300")
		h.ask(guard.VerbProbe, "7", "0")
		if got := h.ask(guard.VerbStop, o.Attempt.Dir()); got != "phase absent\n" {
			t.Errorf("absent: %q", got)
		}

		k := h.start(o, guard.Link{})
		k.want("ready")
		h.ask(guard.VerbStop, o.Attempt.Dir())
		io.WriteString(k.stdin, o.Go(time.Now()))
		if m, err := k.Next(); err == nil && m.Word != "end" {
			t.Errorf("after a stop while ready: %+v", m)
		}
		if got := h.status(o).Result; got.End != guard.Refused || !strings.Contains(got.Reason, "stopped before its go") {
			t.Errorf("ready: %+v", got)
		}
		if _, err := os.Stat(h.root + "/started"); err == nil {
			t.Error("a stopped attempt was started")
		}

		o.N = 2
		k = h.start(o, guard.Link{})
		k.run(o)
		h.ask(guard.VerbStop, o.Attempt.Dir())
		if res := k.end(); res.End != guard.Cancelled {
			t.Errorf("running: %+v", res)
		}
		if got := h.ask(guard.VerbStop, o.Attempt.Dir()); got != "phase ended\n" {
			t.Errorf("ended: %q", got)
		}
		if got := h.status(o).Result; got.End != guard.Cancelled {
			t.Errorf("ended: %+v", got)
		}

		o = h.order(stubborn)
		o.N, o.Grace = 3, time.Hour
		k = h.start(o, guard.Link{})
		k.run(o)
		eventually(t, "the command is up", func() bool { b, _ := os.ReadFile(h.dir(o) + "/out"); return len(b) > 0 })
		h.ask(guard.VerbStop, o.Attempt.Dir())
		h.ask(guard.VerbStop, o.Attempt.Dir())
		h.ask(guard.VerbStop, o.Attempt.Dir(), "kill")
		if res := k.end(); res.End != guard.Cancelled || res.Code != 137 {
			t.Errorf("kill: %+v", res)
		}
		h.nothingLeft()
	})
}

// A stop at any instant after go either finds the command or prevents it.
func TestStopRacesStart(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		for n := range 12 {
			o := h.order("exec sleep 300")
			o.N = n + 1
			k := h.start(o, guard.Link{})
			k.want("ready")
			io.WriteString(k.stdin, o.Go(time.Now()))
			h.ask(guard.VerbStop, o.Attempt.Dir())
			eventually(t, "the stopped attempt has ended", func() bool { return h.status(o).Phase == guard.PhaseEnded })
			h.nothingLeft()
		}
	})
}

func TestDetachedOutput(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		o := h.order("echo before; while [ ! -e " + h.root + "/leave ]; do sleep 0.05; done & exit 0")
		k := h.start(o, guard.Link{})
		k.run(o)
		if m := k.want("end"); m.Result.End != guard.Exited || m.Result.Code != 0 {
			t.Errorf("%+v", m)
		}
		got := h.status(o)
		if got.Result.End != guard.Exited || !strings.Contains(got.Result.Note, "output detached") || string(got.Result.Output.Head) != "before\n" {
			t.Errorf("status: %+v", got)
		}
		os.WriteFile(h.root+"/leave", nil, 0o600)
		k.want("output")
		if got := h.status(o); got.Result.Note != "" {
			t.Errorf("status once it is closed: %+v", got)
		}
	})
}

func TestHugeOutput(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		const size = 110 << 20
		o := h.order(fmt.Sprintf("echo first; yes 0123456789 | head -c %d; echo last", size))
		o.OutputBytes = 1 << 20
		res := h.result(o)
		want := int64(size + len("first\n") + len("last\n"))
		if res.End != guard.Exited || res.Code != 0 || res.Output.Bytes != want || !res.Output.Cut ||
			len(res.Output.Head) != guard.HeadBytes || len(res.Output.Tail) != guard.TailBytes ||
			!bytes.HasPrefix(res.Output.Head, []byte("first\n0123456789\n")) || !bytes.HasSuffix(res.Output.Tail, []byte("last\n")) {
			t.Errorf("%s %d: %d bytes, want %d; head %d, tail %d", res.End, res.Code, res.Output.Bytes, want, len(res.Output.Head), len(res.Output.Tail))
		}
		var kept int64
		for _, f := range []string{"out", "tail"} {
			info, err := os.Stat(filepath.Join(h.dir(o), f))
			if err != nil {
				t.Fatal(err)
			}
			kept += info.Size()
		}
		if kept > o.OutputBytes || kept < o.OutputBytes-8<<10 {
			t.Errorf("%d bytes on disk, want at most %d and nearly as many", kept, o.OutputBytes)
		}
		local, err := guard.Kept(h.dir(o))
		if err != nil || !bytes.Equal(local.Head, res.Output.Head) || !bytes.Equal(local.Tail, res.Output.Tail) || local.Bytes != want || !local.Cut {
			t.Errorf("read here: %v, %d bytes, head %d, tail %d", err, local.Bytes, len(local.Head), len(local.Tail))
		}
		for _, at := range []int64{0, 100, kept - 300<<10, kept - 10, kept, kept + 10} {
			direct, err := guard.ReadKept(h.dir(o), at, 200<<10)
			answer := strings.TrimPrefix(h.ask(guard.VerbRead, o.Attempt.Dir(), fmt.Sprint(at), fmt.Sprint(200<<10)), "page\n")
			if err != nil || answer != string(direct) || int64(len(direct)) != max(0, min(200<<10, kept-at)) {
				t.Errorf("from %d: %d and %d bytes, %v", at, len(answer), len(direct), err)
			}
		}
	})
}

// Small writes go through at once and are all counted, across the point where
// the head is full.
func TestOutputIsLiveAndCounted(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		o := h.order("printf now; while [ ! -e " + h.root + "/leave ]; do sleep 0.02; done; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
		o.OutputBytes = guard.MinOutputBytes
		k := h.start(o, guard.Link{Inline: true})
		k.run(o)
		eventually(t, "output shows while the command runs", func() bool {
			return strings.HasSuffix(h.ask(guard.VerbRead, o.Attempt.Dir(), "0", "10"), "now")
		})
		os.WriteFile(h.root+"/leave", nil, 0o600)
		res := k.end()
		var want bytes.Buffer
		want.WriteString("now")
		for i := range 20000 {
			fmt.Fprintln(&want, "line", i)
		}
		all := want.Bytes()
		if res.Output.Bytes != int64(len(all)) || !bytes.Equal(res.Output.Head, all[:guard.HeadBytes]) || !bytes.Equal(res.Output.Tail, all[len(all)-guard.TailBytes:]) {
			t.Errorf("%d bytes, want %d; head %d, tail %d from byte %d", res.Output.Bytes, len(all), len(res.Output.Head), len(res.Output.Tail), bytes.Index(all, res.Output.Tail))
		}
	})
}

func tmpfs(t *testing.T, root, options string) {
	t.Helper()
	needRoot(t)
	if err := os.MkdirAll(root, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(root, syscall.MNT_DETACH) })
}

func TestFullDisk(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		tmpfs(t, h.root, "size=1m")
		o := h.order("yes 0123456789 | head -c 3000000; echo still here; exit 4")
		res := h.result(o)
		if res.End != guard.Exited || res.Code != 4 || !strings.Contains(res.Note, "log lost") {
			t.Error(brief(res))
		}
		if got := h.status(o); got.Result.End != guard.Exited || got.Result.Code != 4 {
			t.Errorf("status: %s", brief(got.Result))
		}
		if err := os.WriteFile(h.root+"/fill", make([]byte, 2<<20), 0o600); err == nil {
			t.Fatal("the disk is not full")
		}
		o.N = 2
		m, err := h.start(o, guard.Link{}).Next()
		if err != nil || m.Result.End != guard.Refused {
			t.Errorf("on a full disk: %s, %v", brief(m.Result), err)
		}
		if out := h.ask(guard.VerbProbe, "7", "0"); !strings.Contains(out, "unfit ") {
			t.Errorf("probe: %q", out)
		}
	})
}

func TestVolatileAndReadOnlyRoot(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		tmpfs(t, h.root, "size=1m")
		if out := h.ask(guard.VerbProbe, "7", "0"); !strings.Contains(out, "does not survive a reboot") {
			t.Errorf("probe: %q", out)
		}
		o := h.order("true")
		o.N = 2
		k := h.start(o, guard.Link{})
		k.want("ready")
		k.cmd.Process.Kill()
		k.cmd.Wait()
		if err := syscall.Mount("", h.root, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		if got := h.status(o).Phase; got != guard.PhaseReady {
			t.Errorf("a dead guard that can't be denied its go: %s", got)
		}
		h.refused(h.order("true"), "Read-only file system")
		if out := h.ask(guard.VerbProbe, "7", "0"); !strings.Contains(out, "unfit cannot write") {
			t.Errorf("probe: %q", out)
		}
	})
}

func TestGuardKilled(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		bystander(t)
		o := h.order("true")
		k := h.start(o, guard.Link{})
		k.want("ready")
		k.cmd.Process.Kill()
		k.cmd.Wait()
		if got := h.status(o).Result; got.End != guard.Refused {
			t.Errorf("killed while ready: %+v", got)
		}

		kill := func(o guard.Order, files ...string) {
			for _, f := range files {
				pid := h.process(o, f)
				syscall.Kill(pid, syscall.SIGKILL)
				eventually(t, f+" is dead", func() bool {
					b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
					return err != nil || bytes.Contains(b, []byte(") Z "))
				})
			}
		}
		o = h.order("exec sleep 300")
		o.N = 2
		k = h.start(o, guard.Link{})
		k.run(o)
		h.up(o)
		kill(o, "guard", "supervisor", "watcher")
		if got := h.status(o); got.Phase != guard.PhaseRunning {
			t.Errorf("orphaned: %+v", got)
		}
		kill(o, "pid")
		eventually(t, "the killed command is gone", func() bool { return h.status(o).Phase == guard.PhaseEnded })
		if got := h.status(o).Result; got.End != guard.Gone || !strings.Contains(got.Reason, "guard was killed") {
			t.Errorf("gone: %+v", got)
		}

		o = h.order(stubborn)
		o.N, o.Grace = 3, 200*time.Millisecond
		k = h.start(o, guard.Link{})
		k.run(o)
		eventually(t, "the command is up", func() bool { b, _ := os.ReadFile(h.dir(o) + "/out"); return len(b) > 0 })
		kill(o, "guard", "supervisor", "watcher")
		if got := h.ask(guard.VerbStop, o.Attempt.Dir()); got != "phase ended\n" {
			t.Errorf("stop of an orphan: %q", got)
		}
		h.nothingLeft()
		if got := h.status(o).Result; got.End != guard.Cancelled {
			t.Errorf("stopped orphan: %+v", got)
		}

		o = h.order("exec sleep 300")
		o.N, o.Timeout = 4, 1500*time.Millisecond
		k = h.start(o, guard.Link{})
		k.run(o)
		h.up(o)
		kill(o, "supervisor")
		eventually(t, "the watcher alone ends it", func() bool { return h.status(o).Phase == guard.PhaseEnded })
		if got := h.status(o).Result; got.End != guard.TimedOut {
			t.Errorf("the watcher alone: %+v", got)
		}
		h.nothingLeft()
	})
}

// A reboot is seen by the boot that the files name.
func TestReboot(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			t.Fatal(err)
		}
		reboot := func(o guard.Order, lost ...string) {
			for _, f := range []string{"guard", "supervisor", "watcher", "pid"} {
				path := filepath.Join(h.dir(o), f)
				b, err := os.ReadFile(path)
				if err != nil {
					continue
				}
				os.WriteFile(path, bytes.Replace(b, bytes.TrimSpace(boot), []byte("00000000-0000-4000-8000-000000000000"), 1), 0o600)
			}
			for _, f := range lost {
				os.Remove(filepath.Join(h.dir(o), f))
			}
		}
		o := h.order("exec sleep 300")
		k := h.start(o, guard.Link{})
		k.run(o)
		h.up(o)
		syscall.Kill(-k.cmd.Process.Pid, syscall.SIGKILL)
		syscall.Kill(h.process(o, "pid"), syscall.SIGKILL)
		k.cmd.Wait()
		reboot(o)
		if got := h.status(o).Result; got.End != guard.Gone || !strings.Contains(got.Reason, "restarted") {
			t.Errorf("in mid-run: %+v", got)
		}
		if m := h.refused(o, "delivered"); !m.Duplicate {
			t.Errorf("redelivery after a reboot: %+v", m)
		}

		for _, lost := range [][]string{nil, {"go", "supervisor", "watcher", "pid", "over", "result", "total"}} {
			o.N++
			o.Command = "true"
			h.result(o)
			reboot(o, lost...)
			want := guard.Exited
			if lost != nil {
				want = guard.Gone // the disk may have forgotten the go: no proof
			}
			if got := h.status(o).Result; got.End != want {
				t.Errorf("lost %v: %+v", lost, got)
			}
		}
		o.N++
		h.result(o)
		reboot(o)
		os.Remove(h.dir(o) + "/over")
		torn, _ := os.ReadFile(h.dir(o) + "/result")
		os.WriteFile(h.dir(o)+"/result", torn[:bytes.Index(torn, []byte("\n.\n"))+1], 0o600)
		if got := h.status(o).Result; got.End != guard.Gone {
			t.Errorf("torn result: %+v", got)
		}
	})
}

func TestProbe(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		out := h.ask(guard.VerbProbe, "7", "1000000")
		for _, want := range []string{"time ", "\nfree ", "\nfit\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in %q", want, out)
			}
		}
		if out := h.ask(guard.VerbProbe, "7", fmt.Sprint(int64(1)<<60)); !strings.Contains(out, "unfit only ") {
			t.Errorf("short of space: %q", out)
		}

		old, young, running := h.order("true"), h.order("true"), h.order("exec sleep 300")
		young.N, running.N = 2, 3
		h.result(old)
		h.result(young)
		k := h.start(running, guard.Link{})
		k.run(running)
		past := time.Now().AddDate(0, 0, -9)
		for _, o := range []guard.Order{old, running} {
			os.Chtimes(h.dir(o)+"/result", past, past)
			os.Chtimes(h.dir(o), past, past)
		}
		h.ask(guard.VerbProbe, "7", "0")
		for o, want := range map[*guard.Order]guard.Phase{&old: guard.PhaseAbsent, &young: guard.PhaseEnded, &running: guard.PhaseRunning} {
			if got := h.status(*o).Phase; got != want {
				t.Errorf("attempt %d: %s, want %s", o.N, got, want)
			}
		}
		h.ask(guard.VerbStop, running.Attempt.Dir(), "kill")
		k.end()
	})
}
