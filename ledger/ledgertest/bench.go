package ledgertest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// Bench measures writes that each create a run and take its job's slot: one
// caller, 64 callers at once, and 256 changes in one call. It reports changes
// per second.
func Bench(b *testing.B, open func(b *testing.B) ledger.Ledger) {
	var n atomic.Int64
	next := func() ledger.Change {
		i := n.Add(1)
		due := base.Truncate(time.Second).Add(time.Duration(i) * time.Second)
		job := fmt.Sprint("job-", i)
		return take(run.Run{
			ID: run.ID(job, due), Job: job, Due: due, Trigger: run.Scheduled, State: run.Starting,
			Attempts: []run.Attempt{{N: 1, Host: "h", State: run.AttemptStarting}},
		})
	}
	one := func(b *testing.B, l ledger.Ledger, changes ...ledger.Change) {
		out, err := l.Write(context.Background(), changes...)
		if err != nil || out[0].Err != nil {
			b.Error(err, out)
		}
	}
	rate := func(b *testing.B, changes int) {
		b.ReportMetric(float64(b.N*changes)/b.Elapsed().Seconds(), "changes/s")
	}
	b.Run("1 caller", func(b *testing.B) {
		l := open(b)
		for b.Loop() {
			one(b, l, next())
		}
		rate(b, 1)
	})
	b.Run("64 callers", func(b *testing.B) {
		l := open(b)
		b.SetParallelism(32) // times GOMAXPROCS, 2 on a small machine
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				one(b, l, next())
			}
		})
		rate(b, 1)
	})
	b.Run("256 changes", func(b *testing.B) {
		l := open(b)
		changes := make([]ledger.Change, 256)
		for b.Loop() {
			for i := range changes {
				changes[i] = next()
			}
			one(b, l, changes...)
		}
		rate(b, len(changes))
	})
}
