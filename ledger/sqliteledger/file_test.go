package sqliteledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solocron/solocron/ledger"
)

// refused opens the ledger, which must fail with the cause and the words.
func refused(t *testing.T, path string, cause error, words ...string) {
	t.Helper()
	l, err := Open(t.Context(), path)
	if err == nil {
		l.Close()
		t.Fatal("the ledger was opened")
	}
	if cause != nil && !errors.Is(err, cause) {
		t.Fatalf("got %v, want %v", err, cause)
	}
	for _, w := range append(words, path) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// filled is a closed ledger of that many runs.
func filled(t *testing.T, runs int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	changes := make([]ledger.Change, runs)
	for i := range changes {
		changes[i] = ledger.Change{Run: occurrence(i)}
	}
	if _, err := l.Write(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func save(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// alter executes a statement behind the ledger's back.
func alter(t *testing.T, path, stmt string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(stmt); err != nil {
		t.Fatal(err)
	}
}

// A lock file that a dead process left behind locks nothing, whoever has its
// number by now: here it is that of a process that lives.
func TestFault20StaleLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	save(t, path+".lock", []byte("1\n"))
	if err := put(open(t, path), occurrence(1)); err != nil {
		t.Fatal(err)
	}
}

func TestFault35SecondProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	refused(t, path, ledger.ErrLocked, fmt.Sprintf("process %d)", os.Getpid()), "stop that one")

	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), link)
	if !errors.Is(err, ledger.ErrLocked) {
		t.Fatalf("by another name: %v", err)
	}
	if err := put(l, occurrence(1)); err != nil {
		t.Fatalf("after the refusals: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestNoDatabase(t *testing.T) {
	for name, b := range map[string][]byte{
		"text":        []byte("jobs:\n  nightly: {}\n"),
		"short":       []byte("x"),
		"zeros":       make([]byte, 8192),
		"header only": append([]byte("SQLite format 3\x00"), make([]byte, 8176)...),
		"other files": bytes.Repeat([]byte("\x7fELF"), 4096),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.db")
			save(t, path, b)
			refused(t, path, ledger.ErrCorrupt, "restore a backup, or move the file aside")
			if !bytes.Equal(content(t, path), b) {
				t.Fatal("the file was touched")
			}
		})
	}
}

func TestDamaged(t *testing.T) {
	path := filled(t, 500)
	sound := content(t, path)
	t.Run("cut in half", func(t *testing.T) {
		save(t, path, sound[:len(sound)/2])
		refused(t, path, ledger.ErrCorrupt)
	})
	t.Run("made longer", func(t *testing.T) {
		save(t, path, append(bytes.Clone(sound), make([]byte, 64<<10)...))
		if n, err := count(path, ledger.Mark{}); err == nil && n != 500 || err != nil && !errors.Is(err, ledger.ErrCorrupt) {
			t.Fatalf("%d runs, %v", n, err)
		}
	})
	t.Run("a page of zeros", func(t *testing.T) {
		b := bytes.Clone(sound)
		clear(b[4096:8192])
		save(t, path, b)
		refused(t, path, ledger.ErrCorrupt)
	})
	t.Run("empty beside a log", func(t *testing.T) {
		save(t, path, nil)
		save(t, path+"-wal", []byte("log"))
		refused(t, path, ledger.ErrCorrupt)
		if string(content(t, path+"-wal")) != "log" {
			t.Fatal("the log was touched")
		}
	})
}

// Flipped bits are found, or harmless to the number of runs: a ledger never
// starts with fewer than it held, and its mark is as it was. What is found is
// left as it is, and the error says what to do.
func TestFault32FlippedBits(t *testing.T) {
	const runs = 300
	path := filled(t, runs)
	sound := content(t, path)
	rnd := rand.New(rand.NewPCG(1, 2))
	found, mark := 0, markOf(t, path)
	for range 150 {
		b := bytes.Clone(sound)
		at := rnd.IntN(len(b))
		for i := range 64 {
			b[(at+i)%len(b)] ^= 1 << rnd.IntN(8)
		}
		save(t, path, b)
		n, err := count(path, mark)
		switch {
		case errors.Is(err, ledger.ErrCorrupt):
			found++
			if !strings.Contains(err.Error(), "restore a backup") {
				t.Errorf("at %d: no remedy in %v", at, err)
			}
			if !bytes.Equal(content(t, path), b) {
				t.Errorf("at %d: the damaged file was touched", at)
			}
		case errors.Is(err, ledger.ErrNewer) || errors.Is(err, ledger.ErrWentBack):
			found++
		case err != nil:
			t.Errorf("at %d: %v", at, err)
		case n != runs:
			t.Errorf("at %d: %d of %d runs", at, n, runs)
		}
	}
	if found == 0 {
		t.Fatal("no damage was found at all")
	}
}

func markOf(t *testing.T, path string) ledger.Mark {
	t.Helper()
	l := open(t, path)
	m, err := l.Mark(t.Context())
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return m
}

// count is how many runs the ledger has, which must be as far on as was seen.
func count(path string, seen ledger.Mark) (n int, err error) {
	l, err := Open(context.Background(), path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	m, err := l.Mark(context.Background())
	if err == nil {
		err = m.Follows(seen)
	}
	if err != nil {
		return 0, err
	}
	runs, err := l.Runs(context.Background(), ledger.Query{})
	return len(runs), err
}

func TestUnreadableRun(t *testing.T) {
	path := filled(t, 2)
	alter(t, path, `UPDATE runs SET body = '{"id":'`)
	l := open(t, path)
	if _, err := l.Run(t.Context(), occurrence(1).ID); !errors.Is(err, ledger.ErrCorrupt) {
		t.Fatalf("got %v", err)
	}
	if err := put(l, occurrence(1)); !errors.Is(err, ledger.ErrCorrupt) {
		t.Fatalf("got %v", err)
	}
}

func TestOtherProgramsDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	alter(t, path, `CREATE TABLE notes (text)`)
	refused(t, path, ledger.ErrCorrupt, "another program", "move the file aside")
}

// An older program refuses the schema of a newer one.
func TestFault37NewerSchema(t *testing.T) {
	path := filled(t, 1)
	alter(t, path, `PRAGMA user_version = 99`)
	refused(t, path, ledger.ErrNewer, "schema 99", "install the newer one")
}

func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	t.Run("no directory", func(t *testing.T) {
		refused(t, filepath.Join(dir, "missing", "ledger.db"), os.ErrNotExist, "create the directory")
	})
	t.Run("a directory", func(t *testing.T) {
		path := filepath.Join(dir, "ledger.db")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		refused(t, path, nil, "is a directory")
	})
	t.Run("a directory for others only", func(t *testing.T) {
		locked := "/proc/self" // not even root may create a file there
		if os.Getuid() != 0 {
			locked = filepath.Join(dir, "locked")
			if err := os.Mkdir(locked, 0o500); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Open(t.Context(), filepath.Join(locked, "ledger.db"))
		if err == nil || !strings.Contains(err.Error(), "must be writable") {
			t.Fatalf("got %v", err)
		}
	})
}

func TestOddName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%20é.db")
	if err := put(open(t, path), occurrence(1)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, mode %v", err, info.Mode())
	}
}

// A SQLite that may lose commits is refused, and the one that is built in is
// none.
func TestFault33OldSQLite(t *testing.T) {
	var builtIn string
	if err := open(t, filepath.Join(t.TempDir(), "ledger.db")).DB.QueryRow(`SELECT sqlite_version()`).Scan(&builtIn); err != nil {
		t.Fatal(err)
	}
	if err := checkVersion(builtIn); err != nil {
		t.Error(err)
	}
	for version, ok := range map[string]bool{
		"3.51.2": false, "3.9.99": false, "3.51.3": true, "3.54.0": true, "4.0.0": true, "new": false,
	} {
		if err := checkVersion(version); (err == nil) != ok {
			t.Errorf("%s: %v", version, err)
		}
	}
}
