package guard_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solocron/solocron/guard"
)

// Whatever a host answers: an end only where the attempt has ended, and a bounded
// output.
func FuzzReadStatus(f *testing.F) {
	for _, seed := range []string{
		"", "phase absent\n", "phase running\n", "phase ended\n", "phase gone\n", "error no root\n",
		"phase ended\n" + exited + "output 5 \ndata 5 0\nhello", "phase ended\n" + exited + "data 99999 99999\n",
		exited + "phase ended\n", "phase ended\nend refused\ncode 0\nbusy 1\nduplicate 1\nreason x\n.\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		s, err := guard.ReadStatus(strings.NewReader(answer))
		o := s.Result.Output
		switch {
		case err != nil && s.Phase != "":
			t.Errorf("%+v with %v", s, err)
		case err == nil && (s.Phase == guard.PhaseEnded) != (s.Result.End != ""):
			t.Errorf("%+v", s)
		case len(o.Head)+len(o.Tail) > guard.HeadBytes+guard.TailBytes:
			t.Errorf("unbounded: head %d, tail %d", len(o.Head), len(o.Tail))
		case strings.ContainsAny(s.Result.Reason+s.Result.Note, "\n\x00\x1b"):
			t.Errorf("not printable: %+v", s.Result)
		}
		if p, err := guard.ReadStop(strings.NewReader(answer)); (err == nil) != (p != "") {
			t.Errorf("stop: %q, %v", p, err)
		}
	})
}

// Whatever is in a run directory: what is kept of the output is bounded, and the
// same in one piece and in many.
func FuzzKept(f *testing.F) {
	f.Add([]byte("hello"), []byte(""), "5 \n", "end exited\n", "boot 1 2 1000\n", int64(0), 10)
	f.Add(bytes.Repeat([]byte("x"), 100_000), []byte("tail"), "100004 lost\n", " ", "", int64(99_999), 10)
	f.Add([]byte("a"), []byte("b"), "-1", "", "x 99999999999999999999 y", int64(-1), -1)
	f.Add([]byte(""), []byte("b"), "9223372036854775807", "end", "a ../../etc b", int64(1<<62), 1<<30)
	f.Fuzz(func(t *testing.T, head, tail []byte, total, result, signed string, offset int64, limit int) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{
			"out": head, "tail": tail, "total": []byte(total), "result": []byte(result), "supervisor": []byte(signed),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o, err := guard.Kept(dir)
		if err != nil || len(o.Head)+len(o.Tail) > guard.HeadBytes+guard.TailBytes || o.Bytes < int64(len(o.Head)+len(o.Tail)) {
			t.Errorf("head %d, tail %d of %d, %v", len(o.Head), len(o.Tail), o.Bytes, err)
		}
		page, err := guard.ReadKept(dir, offset, limit)
		if err != nil || len(page) > max(limit, 0) {
			t.Errorf("%d bytes at %d, at most %d: %v", len(page), offset, limit, err)
		}
		whole, err := guard.ReadKept(dir, 0, 1<<30)
		if err != nil || !bytes.HasPrefix(whole, head) || len(page) > 0 && !bytes.HasPrefix(whole[offset:], page) {
			t.Errorf("the pieces differ from the whole: %v", err)
		}
		guard.Settled(dir)
	})
}
