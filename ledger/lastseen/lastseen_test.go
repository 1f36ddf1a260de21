package lastseen

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// A file of another length, as an earlier version left it, is believed and replaced.
func TestOtherLength(t *testing.T) {
	f := In(t.TempDir(), "/a/ledger.db")
	first := ledger.Mark{Ledger: "x", Beats: 1, At: time.Unix(1, 0).UTC()}
	if err := f.Write(first); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(f.Path())
	if err != nil || len(body) != sector {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	if err := os.WriteFile(f.Path(), append(bytes.TrimSpace(body), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := f.Read(); err != nil || m != first {
		t.Errorf("%v, %v", m, err)
	}
	second := ledger.Mark{Ledger: "x", Beats: 2, At: time.Unix(2, 0).UTC()}
	if err := f.Write(second); err != nil {
		t.Fatal(err)
	}
	if m, err := f.Read(); err != nil || m != second {
		t.Errorf("%v, %v", m, err)
	}
	if info, err := os.Stat(f.Path()); err != nil || info.Size() != sector {
		t.Errorf("%v, %v", info, err)
	}
}

// A place may be longer than the file. Two that begin alike are not one another.
func TestLongPlace(t *testing.T) {
	dir, long := t.TempDir(), "/"+strings.Repeat("\"ä", 3000)
	f, other := In(dir, long+"/a"), In(dir, long+"/b")
	want := ledger.Mark{Ledger: strings.Repeat("x", 26), Beats: math.MaxInt64, At: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)}
	for range 2 {
		if err := f.Write(want); err != nil {
			t.Fatal(err)
		}
		if m, err := f.Read(); err != nil || m != want {
			t.Errorf("%v, %v", m, err)
		}
	}
	if err := os.Rename(f.Path(), other.Path()); err != nil {
		t.Fatal(err)
	}
	if m, err := other.Read(); !errors.Is(err, ErrBroken) {
		t.Errorf("of another ledger: %v, %v", m, err)
	}
}

// Who reads while the mark is written gets one that was written.
func TestReadWhileWritten(t *testing.T) {
	f := In(t.TempDir(), "/a/ledger.db")
	stop := make(chan struct{})
	var writing sync.WaitGroup
	defer writing.Wait()
	defer close(stop)
	if err := f.Write(ledger.Mark{Ledger: "x"}); err != nil {
		t.Fatal(err)
	}
	writing.Go(func() {
		for n := int64(1); ; n++ {
			select {
			case <-stop:
				return
			default:
				if err := f.Write(ledger.Mark{Ledger: strings.Repeat("x", int(n%30)), Beats: n}); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for range 2000 {
		if m, err := f.Read(); err != nil || len(m.Ledger) != int(m.Beats%30) && m.Beats > 0 {
			t.Fatalf("%v, %v", m, err)
		}
	}
}
