package dispatch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/memledger"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// witness is the true ledger, and remembers all that it acknowledged, also what
// was pruned since; and each command that a host began.
type witness struct {
	ledger.Ledger
	mail *inbox

	mu       sync.Mutex
	records  map[string]run.Run
	fresh    map[string]bool // changed since they were last judged
	starts   map[string][]guard.Order
	word     map[string]bool // runs that a person decided about
	expects  map[string]bool // notices: run and event
	promised map[string]bool // notices that are in the outbox
	owed     map[string][]span
	problems []string
}

// span is a time in which a job is owed the due times of a schedule.
type span struct {
	from, until time.Time // (from, until]; zero until for not over yet
	when        schedule.Spec
	hash        string
}

func newWitness() *witness {
	return &witness{
		Ledger: memledger.New(), mail: &inbox{}, records: map[string]run.Run{}, fresh: map[string]bool{}, starts: map[string][]guard.Order{},
		word: map[string]bool{}, expects: map[string]bool{}, promised: map[string]bool{}, owed: map[string][]span{},
	}
}

func (w *witness) found(format string, args ...any) {
	w.problems = append(w.problems, time.Now().UTC().Format("02 15:04:05 ")+fmt.Sprintf(format, args...))
}

func (w *witness) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	outcomes, err := w.Ledger.Write(ctx, changes...)
	for i, out := range outcomes {
		if out.Err != nil {
			continue
		}
		r := out.Run
		was := w.records[r.ID]
		if was.ID != "" && was.State.Final() && was.State != run.Lost && was.State != r.State {
			w.found("%s was %s and is %s", r.ID, was.State, r.State)
		}
		if (r.State == run.Failed || r.State == run.TimedOut || r.State == run.Lost) && was.State != r.State && was.State.Open() {
			w.expects[r.ID+" "+string(r.State)] = true
		}
		for _, n := range changes[i].Notices {
			w.promised[n.ID] = true
		}
		w.records[r.ID], w.fresh[r.ID] = r, true
	}
	return outcomes, err
}

// began takes note of a command that begins on a host.
func (w *witness) began(o guard.Order) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts[o.Run], w.fresh[o.Run] = append(w.starts[o.Run], o), true
}

// decided takes note of a person's word on a run.
func (w *witness) decided(r run.Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.word[r.ID] = true
}

// owe takes note of what the jobs are owed, after a file was loaded.
func (w *witness) owe(ctx context.Context, file []job.Job) {
	known, err := w.Jobs(ctx)
	if err != nil {
		return
	}
	for _, k := range known {
		spans := w.owed[k.Name]
		if n := len(spans); n > 0 {
			if spans[n-1].hash == k.When && spans[n-1].from.Equal(k.Since) {
				continue
			}
			spans[n-1].until = k.Since
		}
		i := slices.IndexFunc(file, func(j job.Job) bool { return j.Name == k.Name })
		w.owed[k.Name] = append(spans, span{from: k.Since, when: file[i].When, hash: k.When})
	}
}

// judge holds the runs that have changed against what the hosts saw, and
// returns all that was against the promise so far.
func (w *witness) judge() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.fresh {
		r, known := w.records[id]
		if !known {
			w.found("%s was started and has no record", id)
		}
		w.judgeRun(r, w.starts[id])
	}
	clear(w.fresh)
	return w.problems
}

func (w *witness) judgeRun(r run.Run, starts []guard.Order) {
	begun := map[int]string{}
	for _, s := range starts {
		if host, twice := begun[s.N]; twice {
			w.found("%s: attempt %d was started on %s and on %s", r.ID, s.N, host, s.Host)
		}
		begun[s.N] = s.Host
	}
	again := r.Policy.Idempotent || w.word[r.ID]
	for i, a := range r.Attempts {
		host, started := begun[a.N]
		delete(begun, a.N)
		last := i == len(r.Attempts)-1
		switch {
		case a.State == run.AttemptNotStarted && (started || a.Reason == ""):
			w.found("%s: attempt %d is %s (%q) and was started on %q", r.ID, a.N, a.State, a.Reason, host)
		case started && host != a.Host:
			w.found("%s: attempt %d was meant for %s and started on %s", r.ID, a.N, a.Host, host)
		case !started && (a.State == run.AttemptSucceeded || a.State == run.AttemptFailed || a.State == run.AttemptTimedOut):
			w.found("%s: attempt %d is %s and was never started", r.ID, a.N, a.State)
		case last, a.State == run.AttemptNotStarted, again:
		case (a.State == run.AttemptFailed || a.State == run.AttemptTimedOut) && r.Policy.Retries > 0:
		default:
			w.found("%s: attempt %d is %s and another followed", r.ID, a.N, a.State)
		}
	}
	for n, host := range begun {
		w.found("%s: attempt %d was started on %s and is not on record", r.ID, n, host)
	}
	if len(starts) > 1+r.Policy.Retries && !again {
		w.found("%s was started %d times", r.ID, len(starts))
	}
	if len(starts) > 0 && r.State == run.Skipped {
		w.found("%s is skipped (%s) and was started", r.ID, r.Reason)
	}
}

// end judges the whole, when all has been calm for an hour.
func (w *witness) end() []string {
	w.judge()
	w.mu.Lock()
	defer w.mu.Unlock()
	quiet := time.Now().Add(-30 * time.Minute)
	dues := map[string]map[int64]bool{}
	var ranges []run.Run
	for id, r := range w.records {
		if r.State.Open() && r.Due.Before(quiet) {
			w.found("%s is still %s: %s", id, r.State, r.Reason)
		}
		if dues[r.Job] == nil {
			dues[r.Job] = map[int64]bool{}
		}
		dues[r.Job][r.Due.Unix()] = true
		if r.Count > 1 {
			ranges = append(ranges, r)
		}
	}
	for name, spans := range w.owed {
		for _, s := range spans {
			for _, due := range s.dues(quiet) {
				in := func(r run.Run) bool { return r.Job == name && !due.Before(r.Due) && !due.After(r.Until) }
				if !dues[name][due.Unix()] && !slices.ContainsFunc(ranges, in) {
					w.found("job %s: %s has no record", name, due.Format("02 15:04:05"))
				}
			}
		}
	}
	w.endNotices()
	return w.problems
}

// endNotices looks for what nobody was told.
func (w *witness) endNotices() {
	w.mail.mu.Lock()
	defer w.mail.mu.Unlock()
	for _, m := range w.mail.got {
		delete(w.expects, m.Run+" "+string(m.Event))
		delete(w.promised, m.Key+"/ops")
	}
	for id := range w.promised {
		w.found("notice %s never arrived", id)
	}
	for which := range w.expects {
		w.found("nobody was told of %s", which)
	}
}

// dues are the due times of the span that are owed by then.
func (s span) dues(then time.Time) []time.Time {
	if !s.until.IsZero() && s.until.Before(then) {
		then = s.until
	}
	when, err := schedule.Parse(s.when)
	if err != nil {
		panic(err)
	}
	return between(when, s.from, then)
}
