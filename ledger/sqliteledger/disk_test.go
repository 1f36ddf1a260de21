package sqliteledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
)

// fill writes runs with outputs until the ledger is full, and returns how many
// were acknowledged.
func fill(t *testing.T, l *Ledger) int {
	t.Helper()
	output := &guard.Output{Head: bytes.Repeat([]byte("x"), 32<<10)}
	for n := range 10_000 {
		_, err := l.Write(t.Context(), ledger.Change{Run: occurrence(n), Detail: &ledger.Detail{Attempt: 1, Output: output}})
		if err == nil {
			continue
		}
		if !errors.Is(err, ledger.ErrFull) || !strings.Contains(err.Error(), l.path) || !strings.Contains(err.Error(), "free some space") {
			t.Fatalf("run %d: %v", n, err)
		}
		return n
	}
	t.Fatal("10,000 outputs fit")
	return 0
}

// intact checks that exactly the acknowledged runs are there and that writing
// goes on.
func intact(t *testing.T, l *Ledger, acknowledged int) {
	t.Helper()
	if err := put(l, occurrence(1_000_000)); err != nil {
		t.Fatalf("with space again: %v", err)
	}
	runs, err := l.Runs(t.Context(), ledger.Query{})
	if err != nil || len(runs) != acknowledged+1 {
		t.Fatalf("%d runs, want %d: %v", len(runs), acknowledged+1, err)
	}
	sound(t, l)
}

func sound(t *testing.T, l *Ledger) {
	t.Helper()
	var found string
	if err := l.DB.QueryRow(`PRAGMA integrity_check`).Scan(&found); err != nil || found != "ok" {
		t.Fatalf("integrity check: %s %v", found, err)
	}
}

func pragma(t *testing.T, l *Ledger, stmt string) {
	t.Helper()
	if err := l.writer.submit(t.Context(), "test", 1, func(tx *tx) error {
		return tx.query(stmt, nil, func(func(...any) error) error { return nil })
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFullDatabase(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	pragma(t, l, "PRAGMA max_page_count = 500")
	n := fill(t, l)
	pragma(t, l, "PRAGMA max_page_count = 1000")
	intact(t, l, n)
}

// A disk that fails at a commit ends all writing, as no later fsync can tell
// what it kept. The failure is the kernel's refusal to let a file grow.
func TestFault40FailedCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	if err := put(l, occurrence(1)); err != nil {
		t.Fatal(err)
	}
	log, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	limited(t, uint64(log.Size())+100, func() {
		err = put(l, occurrence(2))
	})
	if err == nil || !strings.Contains(err.Error(), "restart") {
		t.Fatalf("at the failure: %v", err)
	}
	if again := put(l, occurrence(3)); fmt.Sprint(again) != fmt.Sprint(err) {
		t.Fatalf("afterwards: %v, want %v", again, err)
	}
	if _, err := l.Run(t.Context(), occurrence(1).ID); err != nil {
		t.Fatalf("reads go on: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, path)
	if err := put(l, occurrence(3)); err != nil {
		t.Fatalf("after a restart: %v", err)
	}
	sound(t, l)
}

// limited runs f while no file of this process can grow beyond the size.
func limited(t *testing.T, size uint64, f func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}
