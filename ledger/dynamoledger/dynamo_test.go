package dynamoledger

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/ledgertest"
	"github.com/solocron/solocron/run"
)

func TestMain(m *testing.M) { mototest.Main(m) }

var tables atomic.Int64

// newTable makes a table of its own for the test.
func newTable(t testing.TB) (aws.Config, string) {
	t.Helper()
	config := mototest.Config(t, mototest.Start(t))
	name := fmt.Sprint("ledger-", tables.Add(1))
	mototest.Table(t, config, Schema(name))
	return config, name
}

// open returns a ledger on the table. It is closed when the test ends.
func open(t testing.TB, config aws.Config, table string) *Ledger {
	t.Helper()
	l := New(dynamodb.NewFromConfig(config), table, Options{})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func openNew(t testing.TB) *Ledger {
	t.Helper()
	config, table := newTable(t)
	return open(t, config, table)
}

func place(t *testing.T) ledgertest.Open {
	config, table := newTable(t)
	return func(t *testing.T) ledger.Ledger { return open(t, config, table) }
}

func TestLedger(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger { return openNew(t) })
}

func TestReopen(t *testing.T) { ledgertest.Reopen(t, place) }

func TestShare(t *testing.T) { ledgertest.Share(t, place) }

func BenchmarkWrite(b *testing.B) {
	ledgertest.Bench(b, func(b *testing.B) ledger.Ledger { return openNew(b) })
}

// occurrence is the n-th due time of the job, a minute apart.
func occurrence(job string, n int) run.Run {
	due := time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
	return run.Run{ID: run.ID(job, due), Job: job, Due: due, State: run.Planned, Trigger: run.Scheduled}
}
