package run

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)

// a run in each state, with an attempt 1 where the state implies one.
func in(state State) Run {
	r := Run{
		ID: ID("nightly", t0), Job: "nightly", Due: t0, State: state, StartBy: t0.Add(10 * time.Minute),
		Policy: Policy{Timeout: time.Hour, MaxAttempts: 5},
	}
	attempt := map[State]AttemptState{
		Starting: AttemptStarting, Running: AttemptRunning, Succeeded: AttemptSucceeded, Failed: AttemptFailed,
		TimedOut: AttemptTimedOut, Cancelled: AttemptCancelled, Lost: AttemptLost,
	}
	if as, ok := attempt[state]; ok {
		r.Attempts = []Attempt{{N: 1, Host: "web-1", State: as}}
	}
	return r
}

// Every state × every event: the state that follows, or "" where the event
// does not apply and must change nothing.
func TestStepTable(t *testing.T) {
	events := []Event{
		Intend{Host: "web-2"}, Go{N: 1}, Refused{N: 1, Proof: "p"},
		Ended{N: 1, As: Succeeded}, Ended{N: 1, As: Failed, Code: 3}, Ended{N: 1, As: TimedOut}, Ended{N: 1, As: Cancelled},
		Vanished{N: 1}, Wait{Reason: "w"}, Skip{Reason: "s"}, GiveUp{Reason: "g"}, Cancel{Why: "c"},
		Resolve{As: Succeeded}, Resolve{As: Failed}, Resolve{As: Skipped}, Rerun{}, Vanished{N: 1, Forgotten: true}, Replan{Spec: "s"},
	}
	//                  intend    go       refused  ok         fail    timeout   cancel'd   vanish wait     skip     giveup  cancel     res ok     res fail res skip rerun  forgot replan
	want := map[State][]State{
		Planned:   {Starting, "", "", "", "", "", "", "", Planned, Skipped, Failed, Cancelled, "", "", "", "", "", Planned},
		Starting:  {"", Running, Planned, "", "", "", "", "", "", "", "", Cancelled, "", "", "", "", Lost, ""},
		Running:   {"", "", Planned, Succeeded, Failed, TimedOut, Cancelled, Lost, "", "", "", Running, "", "", "", "", Lost, ""},
		Lost:      {"", "", Planned, Succeeded, Failed, TimedOut, Cancelled, "", "", "", "", "", Succeeded, Failed, "", Planned, Lost, ""},
		Skipped:   make([]State, 18),
		Succeeded: make([]State, 18),
		Failed:    make([]State, 18),
		TimedOut:  make([]State, 18),
		Cancelled: make([]State, 18),
	}
	for _, state := range States {
		for i, e := range events {
			t.Run(fmt.Sprintf("%s/%T/%d", state, e, i), func(t *testing.T) {
				before := in(state)
				after, effects, err := Step(before, e, t0.Add(time.Second))
				if want[state][i] == "" {
					var move *MoveError
					if !errors.As(err, &move) || len(effects) > 0 {
						t.Fatalf("got %s, effects %v, error %v; want a MoveError", after.State, effects, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if after.State != want[state][i] {
					t.Errorf("got %s, want %s", after.State, want[state][i])
				}
				if after.State.Final() != slices.Contains(effects, Free) {
					t.Errorf("%s with effects %v: a final state frees the slot, no other does", after.State, effects)
				}
				if after.State.Open() == slices.Contains(effects, Tell) {
					t.Errorf("%s with effects %v: an end is told, nothing else is", after.State, effects)
				}
			})
		}
	}
}

// An attempt that is taken back before the run is due leaves the slot to others;
// a go that is committed before is one of the due time.
func TestBeforeItIsDue(t *testing.T) {
	for at, free := range map[time.Time]bool{t0.Add(-1): true, t0: false} {
		r, effects, err := Step(in(Starting), Refused{N: 1, Proof: "p", Revoked: true}, at)
		if err != nil || r.State != Planned || slices.Contains(effects, Free) != free {
			t.Errorf("at %s: %s, %v, %v", at, r.State, effects, err)
		}
	}
	for at, started := range map[time.Time]time.Time{t0.Add(-time.Second): t0, t0.Add(time.Second): t0.Add(time.Second)} {
		r, _, err := Step(in(Starting), Go{N: 1}, at)
		if err != nil || !r.StartedAt.Equal(started) || !r.Attempt().StartedAt.Equal(started) {
			t.Errorf("go at %s: started at %s, %v", at, r.StartedAt, err)
		}
	}
}

// A run that never began follows its job; one that did stays as it was planned.
func TestReplan(t *testing.T) {
	edited := Replan{Spec: "new", Policy: Policy{Timeout: time.Minute, MaxAttempts: 3}, StartBy: t0.Add(time.Minute)}
	r := follow(t, in(Starting), Refused{N: 1, Proof: "p", Revoked: true}, edited)
	if r.Spec != "new" || r.Policy.Timeout != time.Minute || !r.StartBy.Equal(edited.StartBy) || len(r.Attempts) != 1 {
		t.Errorf("%+v", r)
	}
	r = in(Running)
	r.Policy.Retries, r.Policy.RetryOn = 2, []State{Failed}
	r = follow(t, r, Ended{N: 1, As: Failed, Code: 1})
	if _, _, err := Step(r, edited, t0); err == nil {
		t.Error("a retry took another command")
	}
}

// follow applies events one by one, a second apart, and returns the last run.
func follow(t *testing.T, r Run, events ...Event) Run {
	t.Helper()
	for i, e := range events {
		var err error
		if r, _, err = Step(r, e, t0.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	return r
}

func TestStepLeavesTheGivenRunAlone(t *testing.T) {
	r := in(Running)
	if _, _, err := Step(r, Ended{N: 1, As: Failed, Code: 1}, t0); err != nil {
		t.Fatal(err)
	}
	if r.State != Running || r.Attempts[0].State != AttemptRunning || r.Attempts[0].ExitCode != nil {
		t.Errorf("Step changed its argument: %+v", r)
	}
}

func TestRetryBacksOffAndEnds(t *testing.T) {
	r := in(Running)
	r.Policy.Retries, r.Policy.RetryOn = 2, []State{Failed}
	r.Policy.Backoff, r.Policy.MaxBackoff = 10*time.Second, 15*time.Second

	r = follow(t, r, Ended{N: 1, As: Failed, Code: 1})
	if r.State != Planned || r.NotBefore.Sub(t0) != 10*time.Second {
		t.Fatalf("after the first failure: %s, not before %v", r.State, r.NotBefore)
	}
	if _, _, err := Step(r, Intend{Host: "web-2"}, r.NotBefore.Add(-1)); err == nil {
		t.Error("a retry before its backoff is over was allowed")
	}
	for n, backoff := range map[int]time.Duration{2: 15 * time.Second} {
		at := r.NotBefore
		for _, e := range []Event{Intend{Host: "web-2"}, Go{N: n}, Ended{N: n, As: Failed, Code: 1, EndedAt: at}} {
			var err error
			if r, _, err = Step(r, e, at); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.NotBefore.Sub(at); got != backoff {
			t.Errorf("retry %d waits %v, want %v", n, got, backoff)
		}
	}
	at := r.NotBefore
	for _, e := range []Event{Intend{Host: "web-2"}, Go{N: 3}, Ended{N: 3, As: Failed, Code: 7, EndedAt: at}} {
		var err error
		if r, _, err = Step(r, e, at); err != nil {
			t.Fatal(err)
		}
	}
	if r.State != Failed || *r.ExitCode != 7 || len(r.Attempts) != 3 {
		t.Errorf("got %s, code %v, %d attempts; want failed, 7, 3", r.State, r.ExitCode, len(r.Attempts))
	}
}

func TestARetryIsNeverLate(t *testing.T) {
	r := in(Running)
	r.Policy.Retries, r.Policy.RetryOn = 1, []State{Failed}
	r = follow(t, r, Ended{N: 1, As: Failed, Code: 1})
	if r.Late(r.StartBy.Add(time.Hour)) {
		t.Error("a run that began in time is late for its retry")
	}
}

func TestLate(t *testing.T) {
	r := in(Planned)
	late := r.StartBy.Add(time.Millisecond)
	if _, _, err := Step(r, Intend{Host: "web-1"}, late); err == nil {
		t.Error("an intent after start-by was allowed")
	}
	r, _, _ = Step(r, Intend{Host: "web-1"}, t0)
	if _, _, err := Step(r, Go{N: 1}, late); err == nil {
		t.Error("a go after start-by was allowed")
	}
	if r, _, err := Step(r, Go{N: 1, Delivered: true}, late); err != nil || r.State != Running {
		t.Errorf("of an attempt that its host has had: %s, %v", r.State, err)
	}
	r, _, err := Step(r, Refused{N: 1, Proof: "host refused the connection"}, late)
	if err != nil || r.State != Skipped || r.Reason != "late: host refused the connection" {
		t.Errorf("got %s %q, %v", r.State, r.Reason, err)
	}
}

func TestUnstartedAttemptsAreBounded(t *testing.T) {
	r := in(Planned)
	for n := 1; n <= r.Policy.MaxAttempts; n++ {
		r = follow(t, r, Intend{Host: "web-1"}, Refused{N: n, Proof: "no route"})
	}
	if r.State != Failed || r.Reason != "could not start: no route" {
		t.Errorf("got %s %q", r.State, r.Reason)
	}
}

func TestRevokedAttemptsDoNotCount(t *testing.T) {
	r := in(Planned)
	for n := 1; n <= 2*r.Policy.MaxAttempts; n++ {
		r = follow(t, r, Intend{Host: "web-1"}, Refused{N: n, Proof: "its scheduler ended", Revoked: true})
	}
	if r.State != Planned {
		t.Errorf("a scheduler that died often ended the run: %s %q", r.State, r.Reason)
	}
}

func TestLostAndFound(t *testing.T) {
	lost := follow(t, in(Running), Vanished{N: 1, Reason: "host did not answer"})

	found := follow(t, lost, Ended{N: 1, As: Failed, Code: 9})
	if found.State != Failed || *found.ExitCode != 9 {
		t.Errorf("the true result: got %s, %v", found.State, found.ExitCode)
	}
	unstarted := follow(t, lost, Refused{N: 1, Proof: "guard: end of input before go"})
	if unstarted.State != Planned {
		t.Errorf("proof after loss: got %s", unstarted.State)
	}
	again := follow(t, lost, Rerun{Why: "by ann"}, Intend{Host: "web-2"}, Go{N: 2})
	late := follow(t, again, Ended{N: 1, As: Succeeded})
	if late.State != Running || late.Attempts[0].State != AttemptSucceeded {
		t.Errorf("news of an attempt that was rerun: run %s, attempt %s", late.State, late.Attempts[0].State)
	}
}

func TestIdempotentLostRunStartsAgain(t *testing.T) {
	r := in(Running)
	r.Policy.Idempotent = true
	r, effects, err := Step(r, Vanished{N: 1, Reason: "gone"}, t0)
	if err != nil || r.State != Planned || !slices.Contains(effects, Tell) || slices.Contains(effects, Free) {
		t.Errorf("got %s, effects %v, %v", r.State, effects, err)
	}
	r.Cancel = "by ann"
	r.State, r.Attempts[0].State = Running, AttemptRunning
	if r, _, _ = Step(r, Vanished{N: 1}, t0); r.State != Lost {
		t.Errorf("a cancelled run was started again: %s", r.State)
	}
}

func TestCancelledBeforeTheProof(t *testing.T) {
	r := follow(t, in(Running), Cancel{Why: "by ann"}, Refused{N: 1, Proof: "guard: end of input before go"})
	if r.State != Cancelled || r.Reason != "by ann" {
		t.Errorf("got %s %q", r.State, r.Reason)
	}
	r = follow(t, in(Running), Cancel{Why: "by ann"}, Ended{N: 1, As: Cancelled, Code: 143})
	if r.State != Cancelled || r.Reason != "by ann" {
		t.Errorf("got %s %q", r.State, r.Reason)
	}
	r = follow(t, in(Running), Cancel{Why: "by ann"}, Ended{N: 1, As: Succeeded})
	if r.State != Succeeded {
		t.Errorf("it had ended well before it was told: got %s", r.State)
	}
}

func TestID(t *testing.T) {
	for id, ok := range map[string]bool{
		ID("nightly-aggregate", t0):         true,
		ManualID("a.b_c", t0, "x7k2"):       true,
		"nightly":                           false,
		"@20261122T023000Z":                 false,
		"../x@20261122T023000Z":             false,
		".hidden@20261122T023000Z":          false,
		"-rf@20261122T023000Z":              false,
		"a b@20261122T023000Z":              false,
		"a@20261122T023000Z-":               false,
		"a@20261122T023000Z-x7k2/../../etc": false,
		"a@20261322T023000Z":                false,
	} {
		job, due, err := ParseID(id)
		if (err == nil) != ok {
			t.Errorf("ParseID(%q): error %v, want ok %v", id, err, ok)
		}
		if err == nil && (job == "" || !due.Equal(t0)) {
			t.Errorf("ParseID(%q) = %q, %v", id, job, due)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("nightly@20261122T023000Z")
	f.Add("a@20261122T023000Z-x7k2")
	f.Fuzz(func(t *testing.T, id string) {
		job, due, err := ParseID(id)
		if err != nil {
			return
		}
		if filepath.Base(id) != id || filepath.Clean(id) != id || id == "." || id == ".." || strings.ContainsAny(id, " '\"$`;&|<>*?\\\n\x00") {
			t.Errorf("%q is no plain name of a file", id)
		}
		if rest := id[len(ID(job, due)):]; ID(job, due)+rest != id || len(rest) > 9 {
			t.Errorf("ParseID(%q) = %q, %v", id, job, due)
		}
	})
}

// After the ledger went back, what was under way never starts again by itself:
// neither for being idempotent, nor for a retry, nor because its host says that
// this attempt did not start.
func TestForgotten(t *testing.T) {
	for _, state := range []State{Starting, Running, Lost} {
		r := in(state)
		r.Policy.Idempotent, r.Policy.Retries, r.Policy.RetryOn = true, 3, []State{Failed}
		r = follow(t, r, Vanished{N: 1, Reason: "forgotten: restored", Forgotten: true})
		if r.State != Lost || r.Attempts[0].State != AttemptLost {
			t.Fatalf("%s became %s", state, r.State)
		}
		if state == Starting && r.Attempts[0].StartedAt.IsZero() {
			t.Error("a starting attempt holds the slot from no time on")
		}
		if got := follow(t, r, Refused{N: 1, Proof: "guard: disk full"}); got.State != Cancelled {
			t.Errorf("%s, then refused by its host: %s", state, got.State)
		}
		if got := follow(t, r, Ended{N: 1, As: Failed, Code: 1}); got.State != Failed {
			t.Errorf("%s, then failed: %s", state, got.State)
		}
		if got := follow(t, r, Rerun{Why: "checked"}); got.State != Planned || got.Cancel != "" {
			t.Errorf("%s, then started again by a person: %s, %q", state, got.State, got.Cancel)
		}
	}
}
