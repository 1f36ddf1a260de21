package sqliteledger

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/ledgertest"
	"github.com/solocron/solocron/run"
)

func place(t *testing.T) ledgertest.Open {
	path := filepath.Join(t.TempDir(), "ledger.db")
	return func(t *testing.T) ledger.Ledger { return open(t, path) }
}

func open(t testing.TB, path string) *Ledger {
	t.Helper()
	l, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func occurrence(n int) run.Run {
	due := time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC)
	return run.Run{ID: run.ID("job", due), Job: "job", Due: due, State: run.Planned, Trigger: run.Scheduled}
}

func put(l ledger.Ledger, r run.Run) error {
	out, err := l.Write(context.Background(), ledger.Change{Run: r})
	if err != nil {
		return err
	}
	return out[0].Err
}

func TestLedger(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger { return place(t)(t) })
}

func TestReopen(t *testing.T) { ledgertest.Reopen(t, place) }

func TestNoGoroutineStays(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	if err := put(l, occurrence(1)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A simulated day with a write each minute: the ledger's goroutines never keep
// the bubble's clock from moving.
func TestInBubble(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
		begin := time.Now()
		for n := range 24 * 60 {
			time.Sleep(time.Minute)
			if err := put(l, occurrence(n)); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(begin); d != 24*time.Hour {
			t.Fatalf("%s passed, want a day", d)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	ledgertest.Bench(b, func(b *testing.B) ledger.Ledger { return open(b, filepath.Join(b.TempDir(), "ledger.db")) })
}
