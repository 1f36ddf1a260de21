package sqliteledger

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// A long history makes the ledger neither slow nor ever larger: the statements
// still find their rows through indexes, and the space of what is pruned is used
// again. SOLOCRON_HISTORY=100000 is its full length.
func TestFault16LongHistory(t *testing.T) {
	rows := 20_000
	if text := os.Getenv("SOLOCRON_HISTORY"); text != "" {
		var err error
		if rows, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	fill := func(from int) {
		t.Helper()
		for n := from; n < from+rows; n += 1000 {
			changes := make([]ledger.Change, 1000)
			for i := range changes {
				r := occurrence(n + i)
				r.State, r.EndedAt = run.Succeeded, r.Due.Add(time.Second)
				changes[i] = ledger.Change{Run: r}
			}
			if _, err := l.Write(t.Context(), changes...); err != nil {
				t.Fatal(err)
			}
		}
	}
	size := func() int64 {
		t.Helper()
		alter(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	fill(0)
	pragma(t, l, "ANALYZE") // so that the planner knows how many there are
	before := size()
	n, err := l.Prune(context.Background(), occurrence(rows).Due.Add(time.Minute))
	if err != nil || n != rows-1 { // the latest tells from where the job is owed
		t.Fatalf("pruned %d: %v", n, err)
	}
	fill(rows)
	if after := size(); after > before+before/50 {
		t.Errorf("the file grew from %d to %d bytes with as many runs", before, after)
	}
	runs, err := l.Runs(t.Context(), ledger.Query{Limit: 100})
	if err != nil || len(runs) != 100 || runs[0].ID != occurrence(2*rows-1).ID {
		t.Errorf("%d runs, %v", len(runs), err)
	}
	checkPlans(t, l)
}
