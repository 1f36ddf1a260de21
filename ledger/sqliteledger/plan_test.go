package sqliteledger

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
	"github.com/solocron/solocron/run"
)

// walks are the only statements that may look at every row of a table or an
// index: those that list a small table whole, or runs in the index's order up
// to a limit.
var walks = []string{
	"SCAN CONSTANT ROW",
	"SCAN j USING INDEX sqlite_autoindex_jobs_1",
	"SCAN owners USING INDEX sqlite_autoindex_owners_1",
	"SCAN owners",
	"SCAN mark",
	"SCAN runs USING INDEX runs_by_due",
	"SCAN runs USING COVERING INDEX runs_by_busy_host",
}

// Every statement finds its rows through an index, in the order that it wants
// them, so a million runs change nothing.
func TestPlans(t *testing.T) {
	checkPlans(t, open(t, filepath.Join(t.TempDir(), "ledger.db")))
}

func checkPlans(t *testing.T, l *Ledger) {
	t.Helper()
	for _, text := range statements(t, l) {
		steps := plan(t, l, text)
		if strings.Contains(text, "max(") && !strings.Contains(strings.Join(steps, "\n"), "INDEX runs_by_through") {
			t.Errorf("%s\n\tlooks for the latest due time among all runs of a job: %q", text, steps)
		}
		for _, step := range steps {
			scan := strings.HasPrefix(step, "SCAN") && !slices.Contains(walks, step)
			if scan || strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s\n\t%s", text, step)
			}
		}
	}
}

// statements uses the whole ledger and returns what it executed.
func statements(t *testing.T, l *Ledger) []string {
	t.Helper()
	seen := map[string]bool{}
	l.Dialect = func(text string) string {
		seen[text] = true
		return sqlrow.SQLite(text)
	}
	ctx, now := t.Context(), time.Now()
	out, err := l.Write(ctx, ledger.Change{
		Run: occurrence(1), Slot: ledger.Slot{Op: ledger.SlotTake},
		Detail: &ledger.Detail{}, Notices: []ledger.Notice{{ID: "n"}},
	})
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
	ended := out[0].Run
	ended.State, ended.Trigger = run.Skipped, run.Manual
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try(put(l, ended))
	for _, q := range []ledger.Query{
		{},
		{Limit: 1},
		{Job: "job"},
		{Job: "job", Limit: 5, Owner: "o"},
		{States: []run.State{run.Planned, run.Starting, run.Running}, Owner: "o"},
		{Job: "job", States: []run.State{run.Planned}},
		{States: run.States, Limit: 9, Since: now, Until: now},
		{Since: now, Until: now},
	} {
		_, err := l.Runs(ctx, q)
		try(err)
	}
	_, err = l.Run(ctx, ended.ID)
	try(err)
	for _, read := range []func() error{
		func() error { _, err := l.Details(ctx, "r"); return err },
		func() error { _, err := l.Busy(ctx); return err },
		func() error { _, err := l.Jobs(ctx); return err },
		func() error { _, err := l.Owners(ctx, now); return err },
		func() error { _, err := l.Notices(ctx, "r"); return err },
		func() error { _, err := l.TakeNotices(ctx, "mail", now, time.Second, 5); return err },
		func() error { return l.PutJobs(ctx, now, ledger.JobSpec{Name: "job", Hash: "h"}) },
		func() error { return l.Pause(ctx, "job", ledger.Pause{}) },
		func() error { return l.Check(ctx, "job", now) },
		func() error { return l.Retire(ctx, now, "job", "h") },
		func() error { _, err := l.Spec(ctx, "h"); return err },
		func() error { _, err := l.Beat(ctx, "o", now, time.Second); return err },
		func() error { _, err := l.Mark(ctx); return err },
		func() error { return l.Leave(ctx, "o") },
		func() error { return l.SettleNotice(ctx, "n", ledger.Settlement{At: now}) },
		func() error { _, err := l.Prune(ctx, now); return err },
	} {
		try(read())
	}
	try(l.writer.submit(ctx, "list statements", 1, func(tx *tx) error {
		for text := range tx.stmts {
			seen[text] = seen[text] || strings.Contains(text, " ") && !strings.HasPrefix(text, "BEGIN")
		}
		return nil
	}))
	var all []string
	for text, ok := range seen {
		if ok {
			all = append(all, text)
		}
	}
	if len(all) < 25 {
		t.Fatalf("only %d statements seen", len(all))
	}
	return all
}

var parameter = regexp.MustCompile(`\$\d+`)

func plan(t *testing.T, l *Ledger, text string) (steps []string) {
	t.Helper()
	args := make([]any, len(parameter.FindAllString(text, -1)))
	rows, err := l.DB.Query("EXPLAIN QUERY PLAN "+sqlrow.SQLite(text), args...)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", text, err))
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	return steps
}

// More kinds of lists than statements are kept of are answered all the same.
func TestManyKindsOfLists(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	r := run.Run{ID: "j@1", Job: "j", Owner: "me", Due: time.Unix(1000, 0), State: run.Planned}
	if _, err := l.Write(t.Context(), ledger.Change{Run: r}); err != nil {
		t.Fatal(err)
	}
	for filters := range 16 {
		for n := range len(run.States) {
			q := ledger.Query{States: append([]run.State{run.Planned}, run.States[:n]...), Limit: 10 * (n % 2)}
			for i, set := range []func(){
				func() { q.Job = "j" }, func() { q.Owner = "me" },
				func() { q.Since = time.Unix(500, 0) }, func() { q.Until = time.Unix(1500, 0) },
			} {
				if filters>>i&1 == 1 {
					set()
				}
			}
			for range 2 {
				if runs, err := l.Runs(t.Context(), q); err != nil || len(runs) != 1 || runs[0].ID != r.ID {
					t.Fatalf("%+v: %+v, %v", q, runs, err)
				}
			}
		}
	}
}
