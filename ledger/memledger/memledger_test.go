package memledger

import (
	"testing"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/ledgertest"
)

func TestLedger(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) ledger.Ledger { return New() })
}

func BenchmarkWrite(b *testing.B) {
	ledgertest.Bench(b, func(*testing.B) ledger.Ledger { return New() })
}
