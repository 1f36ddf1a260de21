package guardtest

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/solocron/solocron/guard"
)

func onewayOutput(t *testing.T, a *Agent) {
	noText := bytes.Repeat([]byte("\x00\x80\xff\n\r"), 20<<10)
	for n, size := range []int{0, 1, 4999, 5000, 5001, 100 << 10} {
		want := noText[:size]
		os.WriteFile(a.Home+"/output", want, 0o600)
		o := a.Unclaimed("cat " + a.Home + "/output")
		o.N = n + 1
		got := a.Result(o).Output
		// Its last 5000 bytes come as they are, what was before them as text.
		if got.Bytes != int64(size) || size <= 5000 && (got.Cut || !bytes.Equal(got.Head, want)) || size > 24000 && string(got.Tail) != string(want[size-5000:]) {
			t.Errorf("%d bytes that are no text: %d, cut %t, head %d, tail %d", size, got.Bytes, got.Cut, len(got.Head), len(got.Tail))
		}
	}
	for n, lines := range []int{800, 2000, 2200, 100_000} {
		want := []byte(strings.Repeat("0123456789\n", lines))
		o := a.Unclaimed(fmt.Sprintf("yes 0123456789 | head -n %d", lines))
		o.N = n + 20
		got := a.Result(o).Output
		switch {
		case got.Bytes != int64(len(want)), got.Cut != (lines > 2600):
			t.Errorf("%d lines: %d bytes, cut %t", lines, got.Bytes, got.Cut)
		case !got.Cut && !bytes.Equal(got.Head, want), got.Cut && (len(got.Tail) != 5000 || len(got.Head) < guard.HeadBytes):
			t.Errorf("%d lines: head %d, tail %d", lines, len(got.Head), len(got.Tail))
		case !bytes.HasPrefix(want, got.Head), !bytes.HasSuffix(want, got.Tail):
			t.Errorf("%d lines: head or tail are not the command's", lines)
		}
		if got.Cut {
			a.pages(o, want)
		}
	}
	if page, err := guard.ReadPage(a.Asked(guard.VerbRead, "x.1", "0", "10")); err != nil || len(page) != 0 {
		t.Errorf("of nothing: %q, %v", page, err)
	}
}

// pages wants to read the kept output, which is all that the command wrote.
func (a *Agent) pages(o guard.Order, want []byte) {
	a.t.Helper()
	for _, at := range []int{0, 100, len(want) - 10, len(want), len(want) + 10} {
		page, err := guard.ReadPage(a.Asked(guard.VerbRead, o.Attempt.Dir(), fmt.Sprint(at), "1000000"))
		from, to := min(at, len(want)), min(at+guard.PageBytes, len(want))
		if err != nil || !bytes.Equal(page, want[from:to]) {
			a.t.Errorf("from %d: %d bytes, %v", at, len(page), err)
		}
	}
	if got := a.Status(o).Result.Output; got.Bytes != int64(len(want)) || len(got.Tail) != 5000 || !got.Cut {
		a.t.Errorf("status: %d bytes, tail %d", got.Bytes, len(got.Tail))
	}
}

func onewayDetachedOutput(t *testing.T, a *Agent) {
	o := a.Unclaimed("echo before; while [ ! -e " + a.Root + "/leave ]; do sleep 0.05; done & exit 4")
	got := a.Result(o)
	if got.End != guard.Exited || got.Code != 4 || !strings.Contains(got.Note, "output detached") || string(got.Output.Head) != "before\n" {
		t.Errorf("%+v", got)
	}
	if len(a.marked(o)) == 0 {
		t.Error("the background process was ended")
	}
	os.WriteFile(a.Root+"/leave", nil, 0o600)
	Eventually(t, "the collector keeps to the end", func() bool { return a.Status(o).Result.Note == "" })
}
