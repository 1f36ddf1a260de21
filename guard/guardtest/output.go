package guardtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	const size = 110 << 20
	o := h.Order(fmt.Sprintf("echo first; yes 0123456789 | head -c %d; echo last", size))
	o.OutputBytes = 1 << 20
	res := h.Result(o)
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
