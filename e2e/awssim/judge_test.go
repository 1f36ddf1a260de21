package awssim_test

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// witness is where commands say that they run. It also sees who sends orders.
type witness struct {
	mu      sync.Mutex
	starts  []start
	senders map[string][]string // by attempt: one for each request
}

// start is one of a command.
type start struct{ attempt, host string }

func newWitness() *witness { return &witness{senders: map[string][]string{}} }

func (w *witness) saw(s start) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts = append(w.starts, s)
}

func (w *witness) sends(attempt, who string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.senders[attempt] = append(w.senders[attempt], who)
}

// of are the starts of a run, by whatever attempt.
func (w *witness) of(id string) (starts []start) {
	for _, s := range w.starts {
		if strings.HasPrefix(s.attempt, id+".") {
			starts = append(starts, s)
		}
	}
	return starts
}

// judge holds the ledger against the witness and counts. These must hold:
//
//   - No due time was started twice.
//   - Every due time has one record, of an end or of being lost.
//   - An attempt was made after another only with proof that the other never
//     started, and no attempt that is recorded so did.
//   - What has an exit code ran once; what was skipped, or could not start,
//     never.
//   - An order was sent by one invocation of the function alone.
func (w *world) judge(minutes int) *tally {
	w.t.Helper()
	runs, err := w.ledger.Runs(w.t.Context(), ledger.Query{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.witness.mu.Lock()
	defer w.witness.mu.Unlock()
	w.complete(runs, minutes)
	sum := newTally()
	sum.occurrences, sum.ran, sum.taken = minutes*len(aJobOfEach), len(w.witness.starts), w.claims.takenBack()
	for _, r := range runs {
		starts := w.witness.of(r.ID)
		w.started(r, starts)
		w.attempted(r, starts)
		sum.states[string(r.State)]++
	}
	for attempt, senders := range w.witness.senders {
		sum.orders += len(senders)
		if slices.Sort(senders); len(slices.Compact(senders)) > 1 {
			w.t.Errorf("%s was sent by %d invocations", attempt, len(slices.Compact(senders)))
		}
	}
	return sum
}

// complete wants one record for each due time, and none for anything else.
func (w *world) complete(runs []run.Run, minutes int) {
	w.t.Helper()
	records := map[string]int{}
	for _, r := range runs {
		until := r.Due
		if r.Count > 0 {
			until = r.Until
		}
		for at := r.Due; !at.After(until); at = at.Add(time.Minute) {
			records[run.ID(r.Job, at)]++
		}
	}
	for _, j := range aJobOfEach {
		for n := 1; n <= minutes; n++ {
			id := run.ID(j.Name, midnight.Add(time.Duration(n)*time.Minute))
			if records[id] != 1 {
				w.t.Errorf("%s has %d records", id, records[id])
			}
			delete(records, id)
		}
	}
	for id := range records {
		w.t.Errorf("%s was never due", id)
	}
}

// started holds a run's end against how often it started.
func (w *world) started(r run.Run, starts []start) {
	w.t.Helper()
	n := len(starts)
	switch {
	case r.State.Open():
		w.t.Errorf("%s is not over: %+v", r.ID, r)
	case n > 1:
		w.t.Errorf("%s was started %d times, %v: %+v", r.ID, n, starts, r)
	case n != 1 && (r.ExitCode != nil || r.State == run.Succeeded || r.State == run.TimedOut):
		w.t.Errorf("%s is %s, and never ran: %+v", r.ID, r.State, r)
	case n != 0 && (r.State == run.Skipped || r.State == run.Failed && r.ExitCode == nil):
		w.t.Errorf("%s is %s, and ran: %+v", r.ID, r.State, r)
	}
}

// attempted holds a run's attempts against what the witness and the claims say
// of each.
func (w *world) attempted(r run.Run, starts []start) {
	w.t.Helper()
	for i, a := range r.Attempts {
		name := guard.Attempt{Run: r.ID, N: a.N}.Dir()
		at := slices.IndexFunc(starts, func(s start) bool { return s.attempt == name })
		switch {
		case i < len(r.Attempts)-1 && a.State != run.AttemptNotStarted:
			w.t.Errorf("%s is %s, and %d more were made: %+v", name, a.State, len(r.Attempts)-1-i, r)
		case a.State == run.AttemptNotStarted && a.Reason == "":
			w.t.Errorf("%s did not start, without a proof: %+v", name, r)
		case at < 0:
		case a.State == run.AttemptNotStarted:
			w.t.Errorf("%s did not start, %q, and ran: %+v", name, a.Reason, r)
		case starts[at].host != a.Host:
			w.t.Errorf("%s ran on %s: %+v", name, starts[at].host, r)
		case !r.Policy.Unclaimed && w.claims.by(name) != "guard "+a.Token:
			w.t.Errorf("%s ran, and its claim is %q: %+v", name, w.claims.by(name), r)
		}
	}
}
