package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/memledger"
	"github.com/solocron/solocron/ledger/sqlrow"
	"github.com/solocron/solocron/run"
)

// seed stores ended runs of one job the short way.
func seed(t *testing.T, l *Ledger, job string, runs int) {
	t.Helper()
	var requests []types.WriteRequest
	for n := range runs {
		r := succeeded(occurrence(job, n)).Run
		i := l.runItem(sqlrow.Decide(ledger.Change{Run: r}, nil, sqlrow.Slot{}).Run, "seed")
		requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: i}})
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for chunk := range slices.Chunk(requests, maxWrite) {
		g.Go(func() error {
			_, err := l.db.BatchWriteItem(context.Background(), &dynamodb.BatchWriteItemInput{
				RequestItems: map[string][]types.WriteRequest{l.table: chunk},
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, l ledger.Ledger, q ledger.Query) []string {
	t.Helper()
	runs, err := l.Runs(t.Context(), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	ids := []string{}
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestManyRunsOfOneJob(t *testing.T) {
	t.Parallel()
	config, table := newTable(t)
	l, w := wired(t, config, table)
	const runs = 5000
	seed(t, l, "a", runs)
	w.calls()

	latest := list(t, l, ledger.Query{Job: "a", Limit: 20})
	for i, id := range latest {
		if want := occurrence("a", runs-1-i).ID; id != want {
			t.Fatalf("run %d is %s, want %s", i, id, want)
		}
	}
	if ops := w.calls(); len(latest) != 20 || len(ops) != 1 {
		t.Errorf("%d runs in calls %v, want 20 in one", len(latest), ops)
	}
	from, to := occurrence("a", 100).Due, occurrence("a", 110).Due
	if found := list(t, l, ledger.Query{Job: "a", Since: from, Until: to}); len(found) != 10 {
		t.Errorf("%d runs within a range, want 10", len(found))
	}
	if ops := w.calls(); len(ops) != 1 {
		t.Errorf("calls %v, want one", ops)
	}
	if found := list(t, l, ledger.Query{Job: "a"}); len(found) != runs {
		t.Errorf("%d runs, want all", len(found))
	}
	if ops := w.calls(); len(ops) < 2 {
		t.Errorf("calls %v: all runs should not fit into one answer, or this shows nothing of pages", ops)
	}
	none := list(t, l, ledger.Query{Job: "a", States: []run.State{run.Failed}, Limit: 1})
	if ops := w.calls(); len(none) != 0 || len(ops) > 15 {
		t.Errorf("%d calls to find %v, want few: pages grow", len(ops), none)
	}
}

// Every list is as the ledger in memory has it.
func TestListsAsInMemory(t *testing.T) {
	t.Parallel()
	l, mem := openNew(t), memledger.New()
	rnd := rand.New(rand.NewPCG(1, 2))
	states := []run.State{run.Planned, run.Running, run.Lost, run.Succeeded, run.Failed, run.Skipped}
	var changes []ledger.Change
	for j := range 7 {
		job := fmt.Sprint("job-", j)
		for n := range 3 * j * j {
			r := occurrence(job, n/2+rnd.IntN(3)) // some come twice
			if n%3 == 0 {
				r.Trigger, r.ID = run.Manual, run.ManualID(job, r.Due, fmt.Sprintf("m%03d", n))
			}
			r.State, r.Owner = states[rnd.IntN(len(states))], fmt.Sprint("owner-", rnd.IntN(3))
			changes = append(changes, ledger.Change{Run: r})
		}
	}
	for _, into := range []ledger.Ledger{l, mem} {
		if _, err := into.Write(t.Context(), changes...); err != nil {
			t.Fatal(err)
		}
	}
	for range 150 {
		var q ledger.Query
		if rnd.IntN(2) == 0 {
			q.Job = fmt.Sprint("job-", rnd.IntN(8))
		}
		for range rnd.IntN(3) {
			q.States = append(q.States, states[rnd.IntN(len(states))])
		}
		if rnd.IntN(4) == 0 {
			q.Owner = fmt.Sprint("owner-", rnd.IntN(3))
		}
		if rnd.IntN(3) == 0 {
			q.Since = occurrence("", rnd.IntN(60)).Due.Add(time.Duration(rnd.IntN(3)-1) * time.Millisecond)
		}
		if rnd.IntN(3) == 0 {
			q.Until = occurrence("", rnd.IntN(60)).Due.Add(time.Duration(rnd.IntN(3)-1) * time.Millisecond)
		}
		q.Limit = rnd.IntN(30)
		if diff := cmp.Diff(list(t, mem, q), list(t, l, q)); diff != "" {
			t.Errorf("%+v (-in memory +here):\n%s", q, diff)
		}
	}
}

func TestBatchesDoneInPart(t *testing.T) {
	t.Parallel()
	config, table := newTable(t)
	l, w := wired(t, config, table)
	for n := range 9 {
		mustWrite(t, l, ledger.Change{Run: occurrence("a", n)})
	}
	old := succeeded(occurrence("b", 0))
	old.Slot = ledger.Slot{}
	for n := range 4 {
		old.Notices = append(old.Notices, ledger.Notice{ID: fmt.Sprint("n", n), Run: old.Run.ID, Target: "mail"})
	}
	mustWrite(t, l, old)
	mustWrite(t, l, ledger.Change{Run: succeeded(occurrence("b", 1)).Run})
	for _, n := range old.Notices {
		if err := l.SettleNotice(t.Context(), n.ID, ledger.Settlement{At: old.Run.EndedAt}); err != nil {
			t.Fatal(err)
		}
	}
	w.leaveSome(table)
	if open := list(t, l, ledger.Query{States: []run.State{run.Planned}}); len(open) != 9 {
		t.Errorf("%d open runs, want 9", len(open))
	}
	if gone, err := l.Prune(t.Context(), old.Run.EndedAt.Add(time.Hour)); err != nil || gone != 1 {
		t.Errorf("pruned %d, %v", gone, err)
	}
	w.breakWith(nil)
	if told, err := l.Notices(t.Context(), old.Run.ID); err != nil || len(told) != 0 {
		t.Errorf("notices left: %v, %v", told, err)
	}
}

// Two thousand hosts fit into an attempt's item.
func TestPickOfAHugeFleet(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	pick := &fleet.Pick{Strategy: fleet.Random, Seed: "s", Chosen: "i-0000000000000000"}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		pick.Candidates = append(pick.Candidates, fleet.Candidate{
			Host: fmt.Sprintf("i-%08x%08x", rnd.Uint32(), rnd.Uint32()), Launched: occurrence("", rnd.IntN(1e6)).Due,
			LastStart: occurrence("", rnd.IntN(1e6)).Due, Reason: "not online in Systems Manager", Refused: "not online in Systems Manager",
		})
	}
	r := occurrence("a", 1)
	mustWrite(t, l, ledger.Change{Run: r, Detail: &ledger.Detail{Attempt: 1, Pick: pick}})
	details, err := l.Details(t.Context(), r.ID)
	if err != nil || len(details) != 1 {
		t.Fatalf("%d details, %v", len(details), err)
	}
	if diff := cmp.Diff(pick, details[0].Pick); diff != "" {
		t.Error(diff)
	}
}

// A final run that is made open again is in the open index again.
func TestOpenedAgain(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	r := mustWrite(t, l, ledger.Change{Run: succeeded(occurrence("a", 1)).Run})
	r.State = run.Lost
	mustWrite(t, l, ledger.Change{Run: r})
	if lost := list(t, l, ledger.Query{States: []run.State{run.Lost}}); !slices.Equal(lost, []string{r.ID}) {
		t.Errorf("lost runs: %v", lost)
	}
}

func TestForeignID(t *testing.T) {
	t.Parallel()
	l := openNew(t)
	r := occurrence("a", 1)
	r.Job = "b"
	out, err := l.Write(t.Context(), ledger.Change{Run: r})
	if err != nil || out[0].Err == nil || errors.Is(out[0].Err, ledger.ErrNotFound) {
		t.Errorf("got %v, %v, want the change refused for its ID", out, err)
	}
}
