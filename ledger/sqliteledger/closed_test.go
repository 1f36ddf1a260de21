package sqliteledger

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger"
)

// saidSound takes the ledger's word, as the next one to open it does.
func saidSound(t *testing.T, path string) bool {
	t.Helper()
	lock, err := os.OpenFile(path+".lock", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	sound, err := closedInOrder(lock, path)
	if err != nil {
		t.Fatal(err)
	}
	return sound
}

func TestClosedInOrder(t *testing.T) {
	for name, touch := range map[string]func(t *testing.T, path string){
		"nobody": nil,
		"a byte, and the time put back": func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			b := content(t, path)
			b[5000] ^= 1
			save(t, path, b)
			if err := os.Chtimes(path, time.Time{}, info.ModTime()); err != nil {
				t.Fatal(err)
			}
		},
		"another file in its place": func(t *testing.T, path string) {
			save(t, path+".copy", content(t, path))
			if err := os.Rename(path+".copy", path); err != nil {
				t.Fatal(err)
			}
		},
		"a log beside it": func(t *testing.T, path string) { save(t, path+"-wal", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t, 20)
			if touch != nil {
				touch(t, path)
			}
			if got := saidSound(t, path); got != (touch == nil) {
				t.Errorf("sound: %v", got)
			}
			if saidSound(t, path) {
				t.Error("the word counts twice")
			}
		})
	}
}

// A ledger that is open says nothing, nor does one whose owner was killed.
func TestOpenIsNotClosed(t *testing.T) {
	path := filled(t, 2)
	open(t, path)
	if word := content(t, path+".lock"); len(word) != closedAt {
		t.Errorf("%q", word)
	}
}

// Who has seen damage does not leave it to the next one as sound.
func TestNotSoundAfterDamage(t *testing.T) {
	path := filled(t, 2)
	alter(t, path, `UPDATE runs SET body = '{"id":'`)
	l := open(t, path)
	if _, err := l.Run(t.Context(), occurrence(1).ID); !errors.Is(err, ledger.ErrCorrupt) {
		t.Fatalf("got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if saidSound(t, path) {
		t.Error("sound")
	}
}
