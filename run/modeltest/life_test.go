package modeltest

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/memledger"
	"github.com/solocron/solocron/run"
	"pgregory.net/rapid"
)

// A run has to get far before much can go wrong with it.
func init() {
	for name, value := range map[string]string{"rapid.checks": "2500", "rapid.steps": "60", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
}

// TestLife drives run.Step with events in any order, late and repeated ones
// too. Hosts are true: what they say of an attempt has happened.
func TestLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t)
		t.Repeat(map[string]func(*rapid.T){
			"scheduler": l.scheduler,
			"host":      l.host,
			"news":      l.news,
			"again":     l.again,
			"person":    l.person,
			"silence": func(t *rapid.T) {
				l.step(t, run.Vanished{N: rapid.IntRange(0, len(l.truth)).Draw(t, "attempt"), Reason: "no answer"})
			},
			"time": func(t *rapid.T) {
				l.now = l.now.Add(rapid.SampledFrom([]time.Duration{0, 1, time.Second, time.Minute}).Draw(t, "passes"))
			},
			"": l.check,
		})
	})
}

// life is a run and what is true of its attempts.
type life struct {
	run    run.Run
	now    time.Time
	truth  []truth // by attempt
	past   []run.Event
	leave  bool // a person, or the policy, has given leave for a second start
	starts int

	resolved bool
}

type truth struct {
	granted, denied, started, over, told bool
	ended                                run.Event
}

// mayRun: nobody can exclude that the attempt runs, or will.
func (a truth) mayRun() bool { return a.granted && !a.denied && !a.over }

func newLife(t *rapid.T) *life {
	p := run.Policy{
		Timeout: time.Minute, MaxAttempts: rapid.IntRange(1, 4).Draw(t, "most"), Idempotent: rapid.Bool().Draw(t, "idempotent"),
		Retries: rapid.IntRange(0, 2).Draw(t, "retries"), RetryOn: []run.State{run.Failed, run.TimedOut}, Backoff: time.Second,
	}
	return &life{
		run: run.Run{ID: run.ID("nightly", due), Job: "nightly", Due: due, State: run.Planned, StartBy: due.Add(time.Minute), Policy: p},
		now: due, leave: p.Idempotent,
	}
}

// step applies an event and compares what changed with what may.
func (l *life) step(t *rapid.T, e run.Event) {
	was := text(t, l.run)
	next, effects, err := run.Step(l.run, e, l.now)
	if text(t, l.run) != was {
		t.Fatalf("%#v changed the run that it was given", e)
	}
	var move *run.MoveError
	if err != nil {
		if !errors.As(err, &move) || len(effects) > 0 {
			t.Fatalf("%#v: effects %v, error %v", e, effects, err)
		}
		return
	}
	l.past = append(l.past, e)
	before := l.run
	l.run = next
	if before.State.Final() {
		before.Attempts, next.Attempts = nil, nil // news of a lost one is written down
		if diff := cmp.Diff(before, next); diff != "" {
			t.Fatalf("%#v changed a final run:\n%s", e, diff)
		}
		return
	}
	if final := next.State.Final(); final != slices.Contains(effects, run.Free) {
		t.Fatalf("%#v: %s after %s, effects %v", e, next.State, before.State, effects)
	}
	if !next.State.Open() && before.State.Open() && !slices.Contains(effects, run.Tell) {
		t.Fatalf("%#v: nobody is told of %s", e, next.State)
	}
	l.witness(t, before, e)
}

// witness keeps what is true after an accepted event.
func (l *life) witness(t *rapid.T, before run.Run, e run.Event) {
	switch e := e.(type) {
	case run.Intend:
		if before.Late(l.now) || l.now.Before(before.NotBefore) {
			t.Fatalf("an attempt at %v, which is too late or too early", l.now)
		}
		for n, a := range l.truth {
			if a.mayRun() && !l.leave {
				t.Fatalf("attempt %d may be running, and another begins", n+1)
			}
		}
		l.truth = append(l.truth, truth{})
	case run.Go:
		current(t, before, e.N)
		if before.Late(l.now) || before.Cancel != "" || l.truth[e.N-1].denied || l.truth[e.N-1].granted {
			t.Fatalf("go for attempt %d of %+v", e.N, before)
		}
		l.truth[e.N-1].granted = true
	case run.Vanished:
		current(t, before, e.N)
	case run.Refused:
		current(t, before, e.N)
		l.truth[e.N-1].denied = true // before go: the ledger's word, and go can't come any more
	case run.Cancel:
		if before.State == run.Starting {
			l.truth[len(l.truth)-1].denied = true
		}
	case run.Ended:
		if e.N != len(before.Attempts) && l.run.State != before.State {
			t.Fatalf("the result of attempt %d made a run of %d attempts %s", e.N, len(before.Attempts), l.run.State)
		}
		if l.truth[e.N-1].told {
			t.Fatalf("the result of attempt %d was taken twice", e.N)
		}
		if l.truth[e.N-1].told = true; before.State == run.Lost && e.N == len(before.Attempts) && !l.run.State.Final() {
			t.Fatalf("a run that was lost is %s after its result", l.run.State)
		}
	case run.Rerun:
		if before.State != run.Lost {
			t.Fatalf("a run that is %s starts again by hand", before.State)
		}
		l.leave = true
	case run.Resolve:
		l.resolved = true
		if before.State != run.Lost || !l.run.State.Final() {
			t.Fatalf("a run that is %s becomes %s by a person's word", before.State, l.run.State)
		}
	}
}

// current: news of an earlier attempt must not move the run.
func current(t *rapid.T, r run.Run, n int) {
	if n != len(r.Attempts) {
		t.Fatalf("news of attempt %d moved a run of %d attempts", n, len(r.Attempts))
	}
}

// scheduler mostly does what gets the run on.
func (l *life) scheduler(t *rapid.T) {
	n := len(l.run.Attempts)
	events := []run.Event{run.Intend{Host: "web-1", Token: "t"}, run.Go{N: n}}
	if rarely(t) {
		n = rapid.IntRange(0, n+1).Draw(t, "attempt")
		events = []run.Event{
			run.Go{N: n},
			run.Wait{Until: l.now.Add(time.Second), Reason: "behind another"}, run.Skip{Reason: run.ReasonOverlap}, run.GiveUp{Reason: "no host"},
		}
		// Before go the scheduler takes an attempt back by writing so.
		if n >= 1 && n <= len(l.truth) && !l.truth[n-1].granted {
			events = []run.Event{run.Refused{N: n, Proof: "no go was given", Revoked: true}}
		}
	}
	l.step(t, pick(t, events))
}

func rarely(t *rapid.T) bool { return rapid.IntRange(0, 3).Draw(t, "rarely") == 0 }

// host does what the host of an attempt does: it starts, ends, or refuses.
func (l *life) host(t *rapid.T) {
	if len(l.truth) == 0 {
		t.Skip("no attempt")
	}
	n := rapid.IntRange(1, len(l.truth)).Draw(t, "attempt")
	a := &l.truth[n-1]
	switch {
	case a.mayRun() && !a.started && rarely(t):
		a.denied = true
	case a.mayRun() && !a.started:
		a.started = true
		if l.starts++; l.starts > 1 && !l.leave && l.run.Failures == 0 {
			t.Fatalf("the command was started %d times", l.starts)
		}
	case a.started && !a.over:
		as := rapid.SampledFrom([]run.State{run.Succeeded, run.Failed, run.TimedOut, run.Cancelled}).Draw(t, "as")
		a.over, a.ended = true, run.Ended{N: n, As: as, StartedAt: l.now, EndedAt: l.now}
	}
}

// news tells what is true of an attempt, of one that nobody has heard of first.
func (l *life) news(t *rapid.T) {
	if len(l.truth) == 0 {
		t.Skip("no attempt")
	}
	n := 1 + slices.IndexFunc(l.truth, func(a truth) bool { return a.over && !a.told })
	if n == 0 {
		n = rapid.IntRange(1, len(l.truth)).Draw(t, "attempt")
	}
	switch a := l.truth[n-1]; {
	case a.denied:
		l.step(t, run.Refused{N: n, Proof: "guard: no go was given"})
	case a.over:
		l.step(t, a.ended)
	}
}

// again repeats an earlier event, as a late delivery would.
func (l *life) again(t *rapid.T) {
	if len(l.past) == 0 {
		t.Skip("no event")
	}
	switch e := pick(t, l.past).(type) {
	case run.Rerun, run.Resolve, run.Intend: // those are decided anew, on the version that was read
	default:
		l.step(t, e)
	}
}

func (l *life) person(t *rapid.T) {
	if l.run.State != run.Lost && !rarely(t) {
		t.Skip("nobody cares")
	}
	l.step(t, pick(t, []run.Event{
		run.Cancel{Why: "by ann"}, run.Rerun{Why: "by ann"}, run.Resolve{As: run.Succeeded, Why: "by ann"},
		run.Resolve{As: run.Lost, Why: "by ann"},
	}))
}

func (l *life) check(t *rapid.T) {
	underWay := 0
	for i, a := range l.run.Attempts {
		switch a.State {
		case run.AttemptStarting, run.AttemptRunning:
			underWay++
			if i != len(l.run.Attempts)-1 {
				t.Fatalf("attempt %d is %s and not the last", a.N, a.State)
			}
		case run.AttemptNotStarted:
			if a.Reason == "" || !l.truth[i].denied || l.truth[i].started || !a.StartedAt.IsZero() {
				t.Fatalf("attempt %d is recorded as not started: %+v, but %+v", a.N, a, l.truth[i])
			}
		case run.AttemptSucceeded, run.AttemptFailed, run.AttemptTimedOut, run.AttemptCancelled:
			if !l.truth[i].over {
				t.Fatalf("attempt %d has a result that it does not have: %+v", a.N, a)
			}
		}
		if a.N != i+1 {
			t.Fatalf("attempt %d has the number %d", i+1, a.N)
		}
	}
	if live := l.run.State == run.Starting || l.run.State == run.Running; (underWay == 1) != live || underWay > 1 {
		t.Fatalf("%d attempts under way of a run that is %s", underWay, l.run.State)
	}
	l.checkEnd(t)
}

// checkEnd: what the run came to is what its last attempt did, or a person said.
func (l *life) checkEnd(t *rapid.T) {
	state := l.run.State
	if state == run.Skipped && l.starts > 0 {
		t.Fatal("a run that was started is recorded as skipped")
	}
	if state != run.Succeeded && state != run.TimedOut || l.resolved {
		return
	}
	last := l.truth[len(l.truth)-1]
	if e, ok := last.ended.(run.Ended); !ok || e.As != state {
		t.Fatalf("the run is %s, its last attempt %+v", state, last)
	}
}

// TestFences writes the runs of one job by several writers that know old
// versions: none of their writes is taken twice, and fences grow.
func TestFences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &fences{ledger: memledger.New(), seen: map[string][]run.Run{}, of: map[string]int64{}}
		t.Repeat(map[string]func(*rapid.T){"write": f.write})
	})
}

type fences struct {
	ledger ledger.Ledger
	seen   map[string][]run.Run // every version of each run
	of     map[string]int64     // by attempt
	last   int64
}

func (f *fences) write(t *rapid.T) {
	at := due.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "run")) * time.Hour)
	id := run.ID("nightly", at)
	versions := f.seen[id]
	was := run.Run{
		ID: id, Job: "nightly", Due: at, Trigger: run.Scheduled, State: run.Planned, Attempts: []run.Attempt{},
		Policy: run.Policy{Timeout: time.Minute, MaxAttempts: 4},
	}
	old := len(versions) > 0
	if known := rapid.IntRange(-1, len(versions)-1).Draw(t, "version"); known >= 0 {
		was, old = versions[known], known < len(versions)-1
	}
	n := len(was.Attempts)
	e := pick(t, []run.Event{
		run.Intend{Host: "web-1"}, run.Go{N: n}, run.Refused{N: n, Proof: "no go was given"}, run.Vanished{N: n, Reason: "no answer"},
		run.Ended{N: n, As: run.Succeeded, EndedAt: at}, run.Rerun{Why: "by ann"}, run.Cancel{Why: "by ann"},
	})
	next, effects, err := run.Step(was, e, at)
	if err != nil {
		t.Skip("does not apply")
	}
	c := ledger.Change{Run: next}
	if slices.Contains(effects, run.Send) {
		c.Slot.Op = rapid.SampledFrom([]ledger.SlotOp{ledger.SlotTake, ledger.SlotShare}).Draw(t, "slot")
	}
	if slices.Contains(effects, run.Free) {
		c.Slot.Op = ledger.SlotRelease
	}
	outcomes, err := f.ledger.Write(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	out := outcomes[0]
	switch {
	case out.Err != nil:
		return
	case old:
		t.Fatalf("%s: a write on an old version was taken", id)
	}
	f.seen[id] = append(versions, out.Run)
	f.check(t, out.Run, slices.Contains(effects, run.Send))
}

func (f *fences) check(t *rapid.T, r run.Run, began bool) {
	for _, a := range r.Attempts {
		name := fmt.Sprint(r.ID, a.N)
		fence, known := f.of[name]
		switch {
		case known && fence != a.Fence:
			t.Fatalf("attempt %s had fence %d and has %d", name, fence, a.Fence)
		case !known && (!began || a.Fence <= f.last):
			t.Fatalf("attempt %s got fence %d after %d", name, a.Fence, f.last)
		case !known:
			f.of[name], f.last = a.Fence, a.Fence
		}
	}
}

func pick[T any](t *rapid.T, from []T) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(t, "which")]
}

func text(t *rapid.T, r run.Run) string {
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
