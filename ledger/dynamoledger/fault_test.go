package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

func putJob(t *testing.T, l *Ledger, names ...string) {
	t.Helper()
	for _, name := range names {
		spec := ledger.JobSpec{Name: name, Hash: "hash of " + name, When: "w", Body: []byte("spec of " + name)}
		if err := l.PutJobs(t.Context(), time.Now(), spec); err != nil {
			t.Fatal(err)
		}
	}
}

func mustWrite(t *testing.T, l *Ledger, c ledger.Change) run.Run {
	t.Helper()
	out, err := l.Write(t.Context(), c)
	if err == nil {
		err = out[0].Err
	}
	if err != nil {
		t.Fatal(err)
	}
	return out[0].Run
}

func starting(job string, n int) run.Run {
	r := occurrence(job, n)
	r.State = run.Starting
	r.Attempts = []run.Attempt{{N: 1, Host: "h", State: run.AttemptStarting}}
	return r
}

func take(r run.Run) ledger.Change {
	return ledger.Change{Run: r, Slot: ledger.Slot{Op: ledger.SlotTake}}
}

func running(r run.Run) ledger.Change {
	r.State = run.Running
	return ledger.Change{Run: r}
}

func succeeded(r run.Run) ledger.Change {
	r.State, r.EndedAt = run.Succeeded, r.Due.Add(time.Minute)
	return ledger.Change{Run: r, Slot: ledger.Slot{Op: ledger.SlotRelease}}
}

// One's own write is never ErrExists or ErrStale, nor is a slot that it took
// busy, whoever repeats the call: the SDK or the ledger.
func TestFault38LostReplyOfAWrite(t *testing.T) {
	for name, options := range map[string]func(*dynamodb.Options){
		"repeated by the SDK": func(*dynamodb.Options) {}, "repeated by the ledger": noRetries,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, table := newTable(t)
			l, w := wired(t, config, table, options)
			putJob(t, l, "a")
			notices := []ledger.Notice{{ID: "n", Target: "mail", Run: occurrence("a", 1).ID, Body: []byte("b")}}

			w.loseReply("TransactWriteItems")
			intent := take(starting("a", 1))
			intent.Notices = notices
			r := mustWrite(t, l, intent)
			w.loseReply("PutItem")
			r = mustWrite(t, l, running(r))
			w.loseReply("TransactWriteItems")
			end := succeeded(r)
			end.Notices = notices
			r = mustWrite(t, l, end)
			if r.Version != 3 || r.Attempts[0].Fence != 1 {
				t.Errorf("version %d, fence %d, want 3 and 1", r.Version, r.Attempts[0].Fence)
			}
			if ops := w.calls(); !slices.Contains(ops, "PutItem") || len(ops) < 6 {
				t.Errorf("calls %v, want those of three writes, each repeated", ops)
			}
			w.breakWith(nil)
			j, err := l.Job(t.Context(), "a")
			if err != nil || j.Holder != "" || j.Fence != 1 || !j.Through.Equal(r.Due) {
				t.Errorf("job %+v, %v", j, err)
			}
			if again := mustWrite(t, l, take(starting("a", 2))); again.Attempts[0].Fence != 2 {
				t.Errorf("the next fence is %d", again.Attempts[0].Fence)
			}
		})
	}
}

// A winner's lost reply does not make two winners.
func TestLostReplyOfALoser(t *testing.T) {
	t.Parallel()
	config, table := newTable(t)
	l, w := wired(t, config, table, noRetries)
	other := open(t, config, table)
	r := mustWrite(t, l, ledger.Change{Run: occurrence("a", 1)})
	mine, theirs := r, r
	mine.Owner, theirs.Owner = "me", "them"
	stored := mustWrite(t, other, ledger.Change{Run: theirs})
	w.loseReply("PutItem")
	out, err := l.Write(t.Context(), ledger.Change{Run: mine})
	if err != nil || !errors.Is(out[0].Err, ledger.ErrStale) || out[0].Run.Owner != stored.Owner {
		t.Errorf("got %+v, %v, want ErrStale with the other's run", out, err)
	}
}

func TestLostReplyBesideRuns(t *testing.T) {
	t.Parallel()
	config, table := newTable(t)
	l, w := wired(t, config, table, noRetries)
	now := time.Now()
	w.loseReply("TransactWriteItems")
	putJob(t, l, "a")
	w.loseReply("UpdateItem")
	if err := l.Check(t.Context(), "a", now); err != nil {
		t.Error(err)
	}
	w.loseReply("UpdateItem")
	if err := l.Pause(t.Context(), "a", ledger.Pause{On: true, By: "ann"}); err != nil {
		t.Error(err)
	}
	w.loseReply("UpdateItem")
	if err := l.Retire(t.Context(), now, "a", "hash of a"); err != nil {
		t.Error(err)
	}
	w.loseReply("TransactWriteItems")
	none := ""
	again := ledger.JobSpec{Name: "a", Hash: "hash of a", When: "w", Body: []byte("spec of a"), From: &none}
	if err := l.PutJobs(t.Context(), now, again); err != nil {
		t.Error(err)
	}
	r := occurrence("a", 1)
	mustWrite(t, l, ledger.Change{Run: r, Notices: []ledger.Notice{{ID: "n", Target: "mail", Run: r.ID, Due: now}}})
	w.loseReply("UpdateItem")
	taken, err := l.TakeNotices(t.Context(), "mail", now, time.Minute, 9)
	if err != nil || len(taken) != 1 || taken[0].Tries != 1 {
		t.Errorf("taken %+v, %v", taken, err)
	}
	w.loseReply("TransactWriteItems")
	if err := l.SettleNotice(t.Context(), "n", ledger.Settlement{At: now}); err != nil {
		t.Error(err)
	}
	told, err := l.Notices(t.Context(), r.ID)
	if err != nil || len(told) != 1 || told[0].Settled.IsZero() || told[0].Tries != 1 {
		t.Errorf("told %+v, %v", told, err)
	}
}

const (
	throttled = `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}`
	denied    = `{"__type":"com.amazon.coral.service#AccessDeniedException","message":"not authorized"}`
	conflict  = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"cancelled",
		"CancellationReasons":[{"Code":"TransactionConflict"},{"Code":"None"}]}`
	conflictOfOne = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"in a transaction"}`
)

func TestFault39Throttled(t *testing.T) {
	for name, c := range map[string]struct {
		op, answer string
		change     func(r run.Run) ledger.Change
	}{
		"a put is throttled":          {"PutItem", throttled, running},
		"a put meets a transaction":   {"PutItem", conflictOfOne, running},
		"a transaction is throttled":  {"TransactWriteItems", throttled, succeeded},
		"a transaction meets another": {"TransactWriteItems", conflict, succeeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, table := newTable(t)
			l, w := wired(t, config, table, noRetries)
			r := mustWrite(t, l, take(starting("a", 1)))
			w.calls()
			w.answerTimes(3, c.op, c.answer)
			mustWrite(t, l, c.change(r))
			if ops := w.calls(); len(ops) != 4 {
				t.Errorf("calls %v, want one for each refusal and one more", ops)
			}
		})
	}
}

func TestLastingTrouble(t *testing.T) {
	t.Parallel()
	config, table := newTable(t)
	l, w := wired(t, config, table, noRetries)
	r := mustWrite(t, l, ledger.Change{Run: occurrence("a", 1)})
	w.calls()

	w.answerTimes(-1, "PutItem", throttled)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("the invocation ends"))
	defer cancel()
	_, err := l.Write(ctx, running(r))
	for _, want := range []string{table, r.ID, "the invocation ends", "slow down"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}

	limit := l.limit
	l.limit = 200 * time.Millisecond
	if _, err := l.Write(t.Context(), running(r)); err == nil || !strings.Contains(err.Error(), "no answer within 200ms") {
		t.Errorf("impatient: %v", err)
	}
	l.limit = limit

	w.calls()
	w.answerTimes(-1, "PutItem", denied)
	if _, err := l.Write(t.Context(), running(r)); err == nil || !strings.Contains(err.Error(), "not authorized") {
		t.Errorf("denied: %v", err)
	}
	if ops := w.calls(); len(ops) != 1 {
		t.Errorf("what is denied was asked for %d times", len(ops))
	}

	w.breakWith(nil)
	mustWrite(t, l, running(r)) // nothing of that was written
}

// What this process remembers of a job may be out of date either way.
func TestOutdatedHints(t *testing.T) {
	t.Parallel()
	config, table := newTable(t)
	l, w := wired(t, config, table)
	other := open(t, config, table)
	putJob(t, l, "a")
	first := mustWrite(t, l, take(starting("a", 1)))

	// The hint says that first holds the slot, and it doesn't any more.
	mustWrite(t, other, succeeded(first))
	second := mustWrite(t, l, take(starting("a", 2)))

	// The hint says that second holds it, and it is a third's.
	mustWrite(t, other, succeeded(second))
	third := mustWrite(t, other, take(starting("a", 3)))
	out, err := l.Write(t.Context(), take(starting("a", 4)))
	busy, ok := errors.AsType[*ledger.BusyError](out[0].Err)
	if err != nil || !ok || busy.Holder != third.ID {
		t.Errorf("got %v, %v, want the slot held by %s", out, err, third.ID)
	}

	// The hint says that it is free, and it is a fifth's.
	if out, err = l.Write(t.Context(), succeeded(third)); err != nil || out[0].Err != nil {
		t.Fatal(out, err)
	}
	fifth := mustWrite(t, other, take(starting("a", 5)))
	w.calls()
	out, err = l.Write(t.Context(), take(starting("a", 6)))
	if busy, ok = errors.AsType[*ledger.BusyError](out[0].Err); err != nil || !ok || busy.Holder != fifth.ID {
		t.Errorf("got %v, %v, want the slot held by %s", out, err, fifth.ID)
	}
	if ops := w.calls(); !slices.Equal(ops, []string{"TransactWriteItems"}) {
		t.Errorf("calls %v: the failed condition shows the holder", ops)
	}
}

// A writer that died after its change left a parcel.
func TestParcelLeftBehind(t *testing.T) {
	t.Parallel()
	config, table := newTable(t)
	l, w := wired(t, config, table, noRetries)
	r := occurrence("a", 1)
	var notices []ledger.Notice
	for i := range maxNotices + 1 {
		notices = append(notices, ledger.Notice{ID: fmt.Sprint("n", i), Run: r.ID, Target: "mail", Body: []byte("b"), Due: r.Due})
	}
	l.jobs.saw("a", jobState{}) // so that the first transaction is the change
	w.answerAfter(1, "TransactWriteItems", denied)
	if _, err := l.Write(t.Context(), ledger.Change{Run: r, Notices: notices}); err == nil {
		t.Fatal("the writer did not notice that it died")
	}
	heir := open(t, config, table)
	if _, err := heir.Run(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	taken, err := heir.TakeNotices(t.Context(), "mail", r.Due, time.Minute, 1000)
	if err != nil || len(taken) != len(notices) {
		t.Errorf("%d taken, %v, want %d", len(taken), err, len(notices))
	}
	left, err := all(heir.items(t.Context(), "test", query{partition: parcels}))
	if err != nil || len(left) != 0 {
		t.Errorf("parcels left: %v, %v", left, err)
	}
}
