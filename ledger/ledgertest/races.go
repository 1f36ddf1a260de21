package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

var raceCases = map[string]func(*testing.T, ledger.Ledger){
	"of many who create a run one wins":         func(t *testing.T, l ledger.Ledger) { raceCreate(t, l) },
	"of many who take a slot one holds it":      func(t *testing.T, l ledger.Ledger) { raceTake(t, l) },
	"of many who change a run one wins":         func(t *testing.T, l ledger.Ledger) { raceChange(t, l) },
	"of many who replace a job one wins":        func(t *testing.T, l ledger.Ledger) { raceReplace(t, l) },
	"numbers given in a race are distinct":      func(t *testing.T, l ledger.Ledger) { raceShare(t, l) },
	"writes over crossing jobs all get through": func(t *testing.T, l ledger.Ledger) { raceCrossing(t, l) },
}

const racers = 32

// race lets every racer make one write, all at once, spread over the handles,
// and returns the outcome of the first change of each.
func race(t *testing.T, ls []ledger.Ledger, change func(racer int) []ledger.Change) []ledger.Outcome {
	t.Helper()
	results := make([]ledger.Outcome, racers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			changes := change(i)
			<-start
			out, err := ls[i%len(ls)].Write(t.Context(), changes...)
			if err != nil {
				results[i].Err = fmt.Errorf("no outcome: %w", err)
				return
			}
			results[i] = out[0]
		})
	}
	close(start)
	wg.Wait()
	return results
}

// winner is the only accepted outcome; refused judges the others.
func winner(t *testing.T, results []ledger.Outcome, refused func(error) bool) run.Run {
	t.Helper()
	var won []run.Run
	for i, o := range results {
		switch {
		case o.Err == nil:
			won = append(won, o.Run)
		case !refused(o.Err):
			t.Errorf("racer %d: %v", i, o.Err)
		}
	}
	if len(won) != 1 {
		t.Fatalf("%d racers won, want 1", len(won))
	}
	return won[0]
}

func raceCreate(t *testing.T, ls ...ledger.Ledger) {
	won := winner(t, race(t, ls, func(racer int) []ledger.Change {
		r := occurrence("a", 1)
		r.Owner = fmt.Sprint("racer ", racer)
		return []ledger.Change{{Run: r}}
	}), func(err error) bool { return errors.Is(err, ledger.ErrExists) })
	same(t, "stored", must(ls[0].Run(t.Context(), won.ID))(t), won)
}

func raceTake(t *testing.T, ls ...ledger.Ledger) {
	putJob(t, ls[0], base, "a", "w")
	won := winner(t, race(t, ls, func(racer int) []ledger.Change {
		return []ledger.Change{take(starting("a", racer, "h"))}
	}), func(err error) bool { _, busy := errors.AsType[*ledger.BusyError](err); return busy })
	same(t, "holder", holder(t, ls[0], "a"), won.ID)
	same(t, "runs", ids(must(ls[0].Runs(t.Context(), ledger.Query{}))(t)), []string{won.ID})
}

func raceChange(t *testing.T, ls ...ledger.Ledger) {
	r := put(t, ls[0], occurrence("a", 1))
	won := winner(t, race(t, ls, func(racer int) []ledger.Change {
		mine := r
		mine.Owner = fmt.Sprint("racer ", racer)
		return []ledger.Change{{Run: mine}}
	}), func(err error) bool { return errors.Is(err, ledger.ErrStale) })
	same(t, "stored", must(ls[0].Run(t.Context(), r.ID))(t), won)
}

// raceReplace has one racer retire a job that all others edit.
func raceReplace(t *testing.T, ls ...ledger.Ledger) {
	putJob(t, ls[0], base, "a", "w")
	errs := make([]error, racers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			spec := from("a", "hash of a")
			spec.Hash = fmt.Sprint("hash of racer ", i)
			l := ls[i%len(ls)]
			<-start
			if i == racers/2 {
				errs[i] = l.Retire(t.Context(), base, "a", "hash of a")
			} else {
				errs[i] = l.PutJobs(t.Context(), base, spec)
			}
		})
	}
	close(start)
	wg.Wait()
	won := slices.Index(errs, nil)
	for i, err := range errs {
		if i != won {
			wantErr(t, err, ledger.ErrMoved)
		}
	}
	j := job(t, ls[0], "a")
	if retired := won == racers/2; j.Retired.IsZero() == retired || !retired && j.Hash != fmt.Sprint("hash of racer ", won) {
		t.Errorf("racer %d won, and the job is %+v", won, j)
	}
}

func raceShare(t *testing.T, ls ...ledger.Ledger) {
	seen := map[int64]bool{}
	for i, o := range race(t, ls, func(racer int) []ledger.Change {
		return []ledger.Change{{Run: starting("a", racer, "h"), Slot: ledger.Slot{Op: ledger.SlotShare}}}
	}) {
		if o.Err != nil {
			t.Fatalf("racer %d: %v", i, o.Err)
		}
		fence := o.Run.Attempts[0].Fence
		if seen[fence] || fence < 1 || fence > racers {
			t.Fatalf("racer %d got number %d", i, fence)
		}
		seen[fence] = true
	}
}

// raceCrossing writes to the same jobs in opposite orders, which must not
// become a deadlock.
func raceCrossing(t *testing.T, ls ...ledger.Ledger) {
	const jobs = 20
	for i, o := range race(t, ls, func(racer int) []ledger.Change {
		changes := make([]ledger.Change, jobs)
		for i := range changes {
			j := i
			if racer%2 == 1 {
				j = jobs - 1 - i
			}
			changes[i] = ledger.Change{
				Run:     starting(fmt.Sprint("job-", j), racer, "h"),
				Slot:    ledger.Slot{Op: ledger.SlotShare},
				Notices: []ledger.Notice{notice(fmt.Sprint("shared-", j), 0)},
			}
		}
		return changes
	}) {
		if o.Err != nil {
			t.Fatalf("racer %d: %v", i, o.Err)
		}
	}
	same(t, "runs", len(must(ls[0].Runs(t.Context(), ledger.Query{}))(t)), jobs*racers)
}
