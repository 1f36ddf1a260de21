package lastseen

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger"
)

func TestRemembered(t *testing.T) {
	dir := t.TempDir()
	f, other := In(dir, "/a/ledger.db"), In(dir, "/b/ledger.db")
	if m, err := f.Read(); err != nil || m != (ledger.Mark{}) {
		t.Fatalf("at first: %v, %v", m, err)
	}
	for beats := range int64(3) {
		want := ledger.Mark{Ledger: "x", Beats: beats, At: time.Date(2026, 1, 1, 0, 0, 0, int(beats)*1e6, time.UTC)}
		if err := f.Write(want); err != nil {
			t.Fatal(err)
		}
		if m, err := f.Read(); err != nil || m != want {
			t.Fatalf("%v, %v, want %v", m, err, want)
		}
	}
	if m, err := other.Read(); err != nil || m != (ledger.Mark{}) {
		t.Errorf("of another ledger: %v, %v", m, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "seen", "new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A file that is not as it was written is never taken for none, nor believed.
func TestBroken(t *testing.T) {
	f := In(t.TempDir(), "/a/ledger.db")
	want := ledger.Mark{Ledger: "x", Beats: 1234, At: time.Unix(0, 0).UTC()}
	if err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	broken := [][]byte{nil, sound[:len(sound)/2], []byte("{}")}
	for bit := range 8 * (len(sound) - 1) { // the line's end says nothing
		b := bytes.Clone(sound)
		b[bit/8] ^= 1 << (bit % 8)
		broken = append(broken, b)
	}
	for _, b := range broken {
		if err := os.WriteFile(f.Path(), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if m, err := f.Read(); !errors.Is(err, ErrBroken) && m != want { // names of fields may be written in capitals
			t.Errorf("%q was read as %v, %v", b, m, err)
		}
	}
}
