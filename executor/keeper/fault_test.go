package keeper_test

import (
	"bytes"
	"fmt"
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

// bystander is a process that no keeper may touch.
func bystander(t *testing.T) {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGKILL)
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("the bystander ended: %v", err)
		}
	})
}

func TestTimeoutLeavesNothingBehind(t *testing.T) {
	bystander(t)
	h := newHost(t)
	neighbour := h.order("exec sleep 300")
	neighbour.N = 9
	n := h.start(neighbour)
	n.run(neighbour)

	o := h.order(stubborn)
	o.Timeout, o.Grace = 500*time.Millisecond, 300*time.Millisecond
	res := h.result(o)
	if res.End != guard.TimedOut || res.Code != 137 || string(res.Output.Head) != "up\n" || res.Note != "" {
		t.Errorf("%+v", res)
	}
	if left := h.marked(); len(left) != 1 {
		t.Errorf("the neighbour alone should be there: %s", left)
	}
	o = h.order("trap 'echo bye; exit 5' TERM; sleep 300 & wait")
	o.N, o.Timeout = 2, 300*time.Millisecond
	if res := h.result(o); res.End != guard.TimedOut || res.Code != 5 || string(res.Output.Head) != "bye\n" {
		t.Errorf("%+v", res)
	}
	h.ask(guard.VerbStop, neighbour.Attempt.Dir(), "kill")
	if res := n.end(); res.End != guard.Cancelled || res.Code != 137 {
		t.Errorf("the neighbour: %+v", res)
	}
}

func TestStop(t *testing.T) {
	bystander(t)
	h := newHost(t)
	o := h.order("touch " + h.root + "/started; exec sleep 300")
	h.ask(guard.VerbProbe, "7", "0")
	if got := h.ask(guard.VerbStop, o.Attempt.Dir()); got != "phase absent\n" {
		t.Errorf("absent: %q", got)
	}
	k := h.start(o)
	k.want("ready")
	if got := h.ask(guard.VerbStop, o.Attempt.Dir()); got != "phase ended\n" {
		t.Errorf("ready: %q", got)
	}
	k.give(o)
	if m := k.want("end"); m.Result.End != guard.Refused {
		t.Errorf("go after a stop: %+v", m)
	}
	if got := h.status(o).Result; got.End != guard.Refused || !strings.Contains(got.Reason, "stopped before its go") {
		t.Errorf("ready: %+v", got)
	}
	if _, err := os.Stat(h.root + "/started"); err == nil {
		t.Error("a stopped attempt was started")
	}

	o.N = 2
	k = h.start(o)
	k.run(o)
	h.ask(guard.VerbStop, o.Attempt.Dir())
	if res := k.end(); res.End != guard.Cancelled {
		t.Errorf("running: %+v", res)
	}
	if got := h.ask(guard.VerbStop, o.Attempt.Dir()); got != "phase ended\n" {
		t.Errorf("ended: %q", got)
	}

	o = h.order(stubborn)
	o.N, o.Grace = 3, time.Hour
	k = h.start(o)
	k.run(o)
	h.up(o)
	h.ask(guard.VerbStop, o.Attempt.Dir())
	h.ask(guard.VerbStop, o.Attempt.Dir())
	h.ask(guard.VerbStop, o.Attempt.Dir(), "kill")
	if res := k.end(); res.End != guard.Cancelled || res.Code != 137 {
		t.Errorf("kill: %+v", res)
	}
	h.nothingLeft()
}

// A stop at any instant after go either finds the command or prevents it.
func TestStopRacesStart(t *testing.T) {
	h := newHost(t)
	for n := range 20 {
		o := h.order("exec sleep 300")
		o.N = n + 1
		k := h.start(o)
		k.want("ready")
		k.give(o)
		h.ask(guard.VerbStop, o.Attempt.Dir())
		eventually(t, "the stopped attempt has ended", func() bool { return h.status(o).Phase == guard.PhaseEnded })
		h.nothingLeft()
	}
}

func TestDetachedOutput(t *testing.T) {
	h := newHost(t)
	o := h.order("echo before; while [ ! -e " + h.root + "/leave ]; do sleep 0.05; done & exit 0")
	k := h.start(o)
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
}

func TestHugeOutput(t *testing.T) {
	h := newHost(t)
	const size = 110 << 20
	o := h.order(fmt.Sprintf("echo first; yes 0123456789 | head -c %d; echo last", size))
	o.OutputBytes = 1 << 20
	res := h.result(o)
	want := int64(size + len("first\n") + len("last\n"))
	if res.End != guard.Exited || res.Code != 0 || res.Output.Bytes != want || !res.Output.Cut ||
		len(res.Output.Head) != guard.HeadBytes || len(res.Output.Tail) != guard.TailBytes ||
		!bytes.HasPrefix(res.Output.Head, []byte("first\n0123456789\n")) || !bytes.HasSuffix(res.Output.Tail, []byte("\nlast\n")) {
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
	if kept != o.OutputBytes {
		t.Errorf("%d bytes on disk, want %d", kept, o.OutputBytes)
	}
	if got := h.status(o).Result.Output; got.Bytes != want || !bytes.Equal(got.Head, res.Output.Head) || !bytes.Equal(got.Tail, res.Output.Tail) {
		t.Errorf("the shell reads %d bytes, head %d, tail %d", got.Bytes, len(got.Head), len(got.Tail))
	}
}

// Small writes go through at once and are all counted, across the point where
// the head is full.
func TestOutputIsLiveAndCounted(t *testing.T) {
	h := newHost(t)
	o := h.order("printf now; while [ ! -e " + h.root + "/leave ]; do sleep 0.02; done; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
	o.OutputBytes = guard.MinOutputBytes
	k := h.start(o)
	k.run(o)
	eventually(t, "output shows while the command runs", func() bool {
		return strings.HasSuffix(h.ask(guard.VerbRead, o.Attempt.Dir(), "0", "10"), "now")
	})
	os.WriteFile(h.root+"/leave", nil, 0o600)
	k.end()
	want := bytes.NewBufferString("now")
	for i := range 20000 {
		fmt.Fprintln(want, "line", i)
	}
	all := want.Bytes()
	got, err := guard.Kept(h.dir(o))
	if err != nil || got.Bytes != int64(len(all)) || !bytes.Equal(got.Head, all[:guard.HeadBytes]) || !bytes.Equal(got.Tail, all[len(all)-guard.TailBytes:]) {
		t.Errorf("%d bytes, want %d; %v", got.Bytes, len(all), err)
	}
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
	h := newHost(t)
	tmpfs(t, h.root, "size=1m")
	o := h.order("yes 0123456789 | head -c 3000000; echo still here; exit 4")
	k := h.start(o)
	k.run(o)
	if res := k.end(); res.End != guard.Exited || res.Code != 4 || !strings.Contains(res.Note, "log lost") {
		t.Errorf("%+v", res)
	}
	if got := h.status(o).Result; got.End != guard.Exited || got.Code != 4 || !strings.Contains(got.Note, "log lost") || got.Output.Bytes != 3000011 {
		t.Errorf("status: %s %d %s, %d bytes", got.End, got.Code, got.Note, got.Output.Bytes)
	}
	if err := os.WriteFile(h.root+"/fill", make([]byte, 2<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	o.N = 2
	h.refused(o, "")
	if err := syscall.Mount("", h.root, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	o.N = 3
	h.refused(o, "read-only file system")
}

func TestKeeperKilled(t *testing.T) {
	bystander(t)
	h := newHost(t)
	kill := func(o guard.Order, file string) {
		pid := h.process(o, file)
		syscall.Kill(pid, syscall.SIGKILL)
		eventually(t, file+" is dead", func() bool { return dead(pid) })
	}
	ready, plain, rough := h.order("true"), h.order("exec sleep 300"), h.order(stubborn)
	plain.N, rough.N, rough.Grace = 2, 3, 200*time.Millisecond
	h.start(ready).want("ready")
	h.start(plain).run(plain)
	h.start(rough).run(rough)
	h.up(rough)
	kill(plain, "watcher")

	eventually(t, "a dead keeper takes no orders", func() bool {
		f, err := h.keeper.Attend()
		if err == nil {
			f.Close()
		}
		return err != nil
	})
	if got := h.status(ready).Result; got.End != guard.Refused {
		t.Errorf("killed while ready: %+v", got)
	}
	if got := h.status(plain); got.Phase != guard.PhaseRunning {
		t.Errorf("orphaned: %+v", got)
	}
	kill(plain, "pid")
	eventually(t, "the killed command is gone", func() bool { return h.status(plain).Phase == guard.PhaseEnded })
	if got := h.status(plain).Result; got.End != guard.Gone || !strings.Contains(got.Reason, "guard was killed") {
		t.Errorf("gone: %+v", got)
	}
	if got := h.ask(guard.VerbStop, rough.Attempt.Dir()); got != "phase ended\n" {
		t.Errorf("stop of an orphan: %q", got)
	}
	h.nothingLeft()
	if got := h.status(rough).Result; got.End != guard.Cancelled {
		t.Errorf("stopped orphan: %+v", got)
	}
}

// When the daemon dies the keeper refuses what waits for go, keeps what runs to
// its true end, and leaves.
func TestDaemonDies(t *testing.T) {
	h := newHost(t)
	ready, running := h.order("true"), h.order("echo up; while [ ! -e "+h.root+"/leave ]; do sleep 0.05; done; exit 4")
	running.N, running.Exclusive = 2, true
	r := h.start(ready)
	r.want("ready")
	k := h.start(running)
	k.run(running)
	h.up(running)
	pid := h.process(running, "guard")
	k.Close()
	r.Close()
	h.keeper.Close()
	eventually(t, "what waits is refused", func() bool { return h.status(ready).Result.End == guard.Refused })
	if got := h.status(running); got.Phase != guard.PhaseRunning {
		t.Errorf("%+v", got)
	}
	syscall.Kill(pid, syscall.SIGTERM) // as a system that shuts down sends
	syscall.Kill(pid, syscall.SIGHUP)
	os.WriteFile(h.root+"/leave", nil, 0o600)
	eventually(t, "the run ends", func() bool { return h.status(running).Phase == guard.PhaseEnded })
	if got := h.status(running).Result; got.End != guard.Exited || got.Code != 4 || string(got.Output.Head) != "up\n" || got.Note != "" {
		t.Errorf("%+v", got)
	}
	eventually(t, "the keeper leaves", func() bool { return dead(pid) })
}
