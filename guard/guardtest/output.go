package guardtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

func detachedOutput(t *testing.T, h *Host) {
	o := h.Order("echo before; while [ ! -e " + h.Root + "/leave ]; do sleep 0.05; done & exit 0")
	k := h.Start(o, guard.Link{})
	k.Run(o)
	if m := k.Want("end"); m.Result.End != guard.Exited || m.Result.Code != 0 {
		t.Errorf("%+v", m)
	}
	got := h.Status(o)
	if got.Result.End != guard.Exited || !strings.Contains(got.Result.Note, "output detached") || string(got.Result.Output.Head) != "before\n" {
		t.Errorf("status: %+v", got)
	}
	os.WriteFile(h.Root+"/leave", nil, 0o600)
	k.Want("output")
	if got := h.Status(o); got.Result.Note != "" {
		t.Errorf("status once it is closed: %+v", got)
	}
}

func hugeOutput(t *testing.T, h *Host) {
	const size = 98 * 11 << 20 // whole lines
	o := h.Order(fmt.Sprintf("echo first; yes 0123456789 | head -c %d; echo last", size))
	o.OutputBytes, o.Timeout = 1<<20, time.Hour // on a busy machine it takes a while
	k := h.Running(o)
	guardProcess := h.Process(o, "guard")
	res := h.Whole(o, k)
	if most := peak(t, k, guardProcess); most > size/4 {
		t.Errorf("the guard took %d MiB of memory", most>>20)
	}
	want := int64(size + len("first\n") + len("last\n"))
	if res.End != guard.Exited || res.Code != 0 || res.Output.Bytes != want || !res.Output.Cut ||
		len(res.Output.Head) != guard.HeadBytes || len(res.Output.Tail) != guard.TailBytes ||
		!bytes.HasPrefix(res.Output.Head, []byte("first\n0123456789\n")) || !bytes.HasSuffix(res.Output.Tail, []byte("\nlast\n")) {
		t.Errorf("%s %d: %d bytes, want %d; head %d, tail %d", res.End, res.Code, res.Output.Bytes, want, len(res.Output.Head), len(res.Output.Tail))
	}
	var kept int64
	for _, f := range []string{"out", "tail"} {
		info, err := os.Stat(filepath.Join(h.Dir(o), f))
		if err != nil {
			t.Fatal(err)
		}
		kept += info.Size()
	}
	if kept > o.OutputBytes || kept < o.OutputBytes-h.Slack {
		t.Errorf("%d bytes on disk, want %d, or as many as %d less", kept, o.OutputBytes, h.Slack)
	}
	local, err := guard.Kept(h.Dir(o))
	if err != nil || !local.Cut {
		t.Errorf("read here: %v, cut %t", err, local.Cut)
	}
	for who, got := range map[string]guard.Output{"read here": local, "the shell reads": h.Status(o).Result.Output} {
		if got.Bytes != want || !bytes.Equal(got.Head, res.Output.Head) || !bytes.Equal(got.Tail, res.Output.Tail) {
			t.Errorf("%s: %d bytes, head %d, tail %d", who, got.Bytes, len(got.Head), len(got.Tail))
		}
	}
	for _, at := range []int64{0, 100, kept - 300<<10, kept - 10, kept, kept + 10} {
		direct, err := guard.ReadKept(h.Dir(o), at, 200<<10)
		answer := strings.TrimPrefix(h.Ask(guard.VerbRead, o.Attempt.Dir(), fmt.Sprint(at), fmt.Sprint(200<<10)), "page\n")
		if err != nil || answer != string(direct) || int64(len(direct)) != max(0, min(200<<10, kept-at)) {
			t.Errorf("from %d: %d and %d bytes, %v", at, len(answer), len(direct), err)
		}
	}
}

// Small writes go through at once and are all counted, across the point where
// the head is full.
func outputIsLiveAndCounted(t *testing.T, h *Host) {
	o := h.Order("printf now; while [ ! -e " + h.Root + "/leave ]; do sleep 0.02; done; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
	o.OutputBytes = guard.MinOutputBytes
	k := h.Running(o)
	Eventually(t, "output shows while the command runs", func() bool {
		return strings.HasSuffix(h.Ask(guard.VerbRead, o.Attempt.Dir(), "0", "10"), "now")
	})
	os.WriteFile(h.Root+"/leave", nil, 0o600)
	got := h.Whole(o, k).Output
	want := bytes.NewBufferString("now")
	for i := range 20000 {
		fmt.Fprintln(want, "line", i)
	}
	all := want.Bytes()
	if got.Bytes != int64(len(all)) || !bytes.Equal(got.Head, all[:guard.HeadBytes]) || !bytes.Equal(got.Tail, all[len(all)-guard.TailBytes:]) {
		t.Errorf("%d bytes, want %d; head %d, tail %d from byte %d", got.Bytes, len(all), len(got.Head), len(got.Tail), bytes.Index(all, got.Tail))
	}
}

// peak is how much memory the guard took at most, or any process that it waited
// for. For the shell's guard that is no less than this test's own was when it
// started the guard.
func peak(t *testing.T, k *Talk, pid int) (bytes int64) {
	t.Helper()
	if k.Cmd != nil {
		k.Cmd.Wait()
		return k.Cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, most, found := strings.Cut(string(status), "VmHWM:")
	if _, scanned := fmt.Sscan(most, &bytes); err != nil || !found || scanned != nil {
		t.Fatalf("the guard's memory: %v, %v", err, scanned)
	}
	return bytes << 10
}

// Bytes are kept as they are, also where a line has no end.
func outputThatIsNoText(t *testing.T, h *Host) {
	noText := []byte("\x00\x1b]0;title\a\x1b[2J\xff\xfe\xc3\x80\r\n\u202e")
	line := append(bytes.Repeat([]byte("x"), 10<<20), noText...)
	os.WriteFile(h.Home+"/line", line, 0o600)
	os.WriteFile(h.Home+"/short", noText, 0o600)
	o := h.Order("cat " + h.Home + "/short")
	o.OutputBytes = 1 << 20
	for _, res := range []guard.Result{h.Result(o), h.Status(o).Result} {
		if got := res.Output; !bytes.Equal(got.Head, noText) || got.Cut {
			t.Errorf("%q, cut %t", got.Head, got.Cut)
		}
	}
	o.N, o.Command = 2, "cat "+h.Home+"/line"
	for _, res := range []guard.Result{h.Result(o), h.Status(o).Result} {
		if got := res.Output; got.Bytes != int64(len(line)) || !got.Cut || !bytes.HasPrefix(line, got.Head) || !bytes.HasSuffix(line, got.Tail) ||
			len(got.Head) != guard.HeadBytes || len(got.Tail) != guard.TailBytes {
			t.Errorf("a long line: %d bytes, cut %t, head %d, tail %d", got.Bytes, got.Cut, len(got.Head), len(got.Tail))
		}
	}
}

// A scheduler that reads nothing for as long as the command runs doesn't hold
// the command up, and gets both ends of its output later.
func outputThatNobodyReads(t *testing.T, h *Host) {
	const size = 5 << 20
	o := h.Order(fmt.Sprintf("echo first; head -c %d /dev/zero; echo last; touch %s/done", size, h.Home))
	o.OutputBytes = guard.MinOutputBytes
	k := h.Running(o)
	Eventually(t, "the command gets to its end", func() bool { _, err := os.Stat(h.Home + "/done"); return err == nil })
	if res := h.Whole(o, k); res.End != guard.Exited || res.Code != 0 || res.Output.Bytes != size+int64(len("first\nlast\n")) || !res.Output.Cut ||
		!bytes.HasPrefix(res.Output.Head, []byte("first\n\x00")) || !bytes.HasSuffix(res.Output.Tail, []byte("\x00last\n")) {
		t.Error(brief(res))
	}
}

// Standard input ends at once, and there is no terminal to ask anybody.
func nobodyIsAtTheTerminal(t *testing.T, h *Host) {
	for n, c := range []struct{ command, output string }{
		{"read line || echo end of input", "end of input\n"},
		{"readlink /proc/self/fd/0", "/dev/null\n"},
		{"for fd in 0 1 2; do test -t $fd && echo $fd; done", ""},
		{"true 2>/dev/null </dev/tty || echo no terminal", "no terminal\n"},
	} {
		o := h.Order(c.command + "; true")
		o.N = n + 1
		if res := h.Result(o); res.End != guard.Exited || res.Code != 0 || string(res.Output.Head) != c.output {
			t.Errorf("%s: %+v, output %q", c.command, brief(res), res.Output.Head)
		}
	}
}
