package dynamoledger

import (
	"slices"
	"testing"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// The life of a run costs one call a step.
func TestCalls(t *testing.T) {
	t.Parallel()
	config, table := newTable(t)
	putJob(t, open(t, config, table), "a")
	l, w := wired(t, config, table)
	fresh, fw := wired(t, config, table) // another process, which knows nothing
	calls := func(step string, w *wire, want ...string) {
		t.Helper()
		if got := w.calls(); !slices.Equal(got, want) {
			t.Errorf("%s: calls %v, want %v", step, got, want)
		}
	}

	j, err := l.Job(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	calls("read the job", w, "GetItem")
	if body, err := l.Spec(t.Context(), j.Hash); err != nil || string(body) != "spec of a" {
		t.Errorf("spec %q, %v", body, err)
	}
	calls("its present spec", w)

	intent := take(starting("a", 1))
	intent.Detail = &ledger.Detail{Attempt: 1, Pick: &fleet.Pick{Chosen: "h"}}
	r := mustWrite(t, l, intent)
	calls("intent", w, "TransactWriteItems")
	r = mustWrite(t, l, running(r))
	calls("go", w, "PutItem")
	end := succeeded(r)
	end.Detail = &ledger.Detail{Attempt: 1, Output: &guard.Output{Head: []byte("done")}}
	end.Notices = []ledger.Notice{{ID: "n", Run: r.ID, Target: "mail"}}
	mustWrite(t, l, end)
	calls("end", w, "TransactWriteItems")

	r = mustWrite(t, l, take(starting("a", 2)))
	calls("the next intent", w, "TransactWriteItems")
	if _, err := fresh.Run(t.Context(), r.ID); err != nil {
		t.Error(err)
	}
	calls("read a run", fw, "GetItem")
	mustWrite(t, fresh, succeeded(r))
	calls("end by another process", fw, "TransactWriteItems")
	r = mustWrite(t, fresh, take(starting("a", 3)))
	calls("intent without having read the job", fw, "BatchGetItem", "TransactWriteItems")
	open, err := fresh.Runs(t.Context(), ledger.Query{Job: "a", States: []run.State{run.Starting}})
	if err != nil || len(open) != 1 || open[0].ID != r.ID {
		t.Errorf("open runs %v, %v", open, err)
	}
	calls("open runs of a job", fw, "Query", "BatchGetItem")

	if err := l.Check(t.Context(), "a", r.Due); err != nil {
		t.Error(err)
	}
	calls("check", w, "UpdateItem")
	putJob(t, l, "a")
	calls("put a job that stands as it is", w, "BatchGetItem")
	if _, err := l.TakeNotices(t.Context(), "mail", time.Now(), time.Minute, 9); err != nil {
		t.Error(err)
	}
	calls("take one notice", w, "Query", "Query", "UpdateItem", "BatchGetItem")
}
