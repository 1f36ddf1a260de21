package pgledger

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/ledgertest"
	"github.com/solocron/solocron/ledger/pgtest"
	"github.com/solocron/solocron/run"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func place(t *testing.T) ledgertest.Open {
	url := pgtest.URL(t)
	return func(t *testing.T) ledger.Ledger { return open(t, url) }
}

func open(t testing.TB, url string) *Ledger {
	t.Helper()
	l, err := Open(context.Background(), url)
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

func TestLedger(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger { return place(t)(t) })
}

func TestReopen(t *testing.T) { ledgertest.Reopen(t, place) }

func TestShare(t *testing.T) { ledgertest.Share(t, place) }

// A pooler in transaction mode gives each transaction another connection.
func TestFault26TransactionPooler(t *testing.T) {
	pooled := pgtest.Pooled(t)
	place := func(t *testing.T) ledgertest.Open {
		url := pooled(pgtest.URL(t))
		return func(t *testing.T) ledger.Ledger { return open(t, url) }
	}
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger { return place(t)(t) })
	ledgertest.Share(t, place)
}

func TestNoGoroutineStays(t *testing.T) {
	url := pgtest.URL(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l := open(t, url)
	if _, err := l.Write(t.Context(), ledger.Change{Run: occurrence(1)}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkWrite(b *testing.B) {
	ledgertest.Bench(b, func(b *testing.B) ledger.Ledger { return open(b, pgtest.URL(b)) })
}
