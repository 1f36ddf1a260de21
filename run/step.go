package run

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Event is something that happened to a run.
type Event interface{ event() }

// The events.
type (
	// Intend picks a host for the next attempt. It is written before anything
	// is sent.
	Intend struct {
		Host, Token, Ref string
		Protects         bool
	}
	// Go allows attempt N to start. It is written before the guard is told.
	// Delivered says that the host has had the attempt before, so that what counts
	// is what became of it, however late it is by now.
	Go struct {
		N         int
		Delivered bool
	}
	// Refused proves that attempt N never started and never will. Revoked says
	// that it was the scheduler who took it back.
	Refused struct {
		N       int
		Proof   string
		Revoked bool
	}
	// Ended is the true result of attempt N. As is Succeeded, Failed, TimedOut
	// or Cancelled.
	Ended struct {
		N                  int
		As                 State
		Code               int
		StartedAt, EndedAt time.Time
		Reason, Note       string
	}
	// Vanished says that attempt N may have run and that its end can't be known
	// from its host, at least for now.
	//
	// Forgotten says that the ledger went back in time. Then that holds for an
	// attempt without go too, and the run, also one that is lost already, never
	// starts again by itself, whatever its host says: it may have done so before.
	Vanished struct {
		N         int
		Reason    string
		Forgotten bool
	}
	// Replan makes a planned run that never began one of the job as it stands now:
	// it was planned ahead, and the job was edited before it came due.
	Replan struct {
		Spec    string
		Policy  Policy
		StartBy time.Time
	}
	// Wait holds a planned run back, for example behind an earlier run.
	Wait struct {
		Until  time.Time
		Reason string
	}
	// Skip ends a planned run that was never started.
	Skip struct{ Reason string }
	// GiveUp ends a planned run none of whose attempts could start.
	GiveUp struct{ Reason string }
	// Cancel asks for the end, by a person or a policy. Why becomes the reason.
	Cancel struct{ Why string }
	// Resolve is a person's word on what a lost run came to. As is Succeeded,
	// Failed or Cancelled.
	Resolve struct {
		As  State
		Why string
	}
	// Rerun is a person's word that a lost run may start again.
	Rerun struct{ Why string }
)

func (Intend) event()   {}
func (Go) event()       {}
func (Refused) event()  {}
func (Ended) event()    {}
func (Vanished) event() {}
func (Replan) event()   {}
func (Wait) event()     {}
func (Skip) event()     {}
func (GiveUp) event()   {}
func (Cancel) event()   {}
func (Resolve) event()  {}
func (Rerun) event()    {}

// Effect is what the caller does once the step's run is in the ledger.
type Effect uint8

// The effects.
const (
	// Send the current attempt's order to its host.
	Send Effect = iota + 1
	// Stop the command of the current attempt.
	Stop
	// Again: look for a host, not before the run's NotBefore.
	Again
	// Tell people, as far as the job asks for it.
	Tell
	// Free the job's slot. A lost run keeps it: its command may be running.
	Free
)

// MoveError says that an event does not apply to a run as it stands.
type MoveError struct {
	ID    string
	State State
	Event Event
	Why   string
}

func (e *MoveError) Error() string {
	return fmt.Sprintf("run %s is %s: %T does not apply: %s", e.ID, e.State, e.Event, e.Why)
}

// Step is the life of a run: it returns the run after the event, and what
// follows from it. The given run is not changed. now is UTC. An event that does
// not apply, such as a duplicate or one from an earlier attempt, is a
// [*MoveError] and changes nothing.
func Step(r Run, e Event, now time.Time) (Run, []Effect, error) {
	r.Attempts = slices.Clone(r.Attempts)
	s := step{Run: &r, event: e, now: now}
	var effects []Effect
	var err error
	switch e := e.(type) {
	case Intend:
		effects, err = s.intend(e)
	case Go:
		err = s.grant(e)
	case Refused:
		effects, err = s.refused(e)
	case Ended:
		effects, err = s.ended(e)
	case Vanished:
		effects, err = s.vanished(e)
	case Replan:
		effects, err = s.replan(e)
	case Wait:
		effects, err = s.wait(e)
	case Skip:
		effects, err = s.giveUp(Skipped, e.Reason)
	case GiveUp:
		effects, err = s.giveUp(Failed, e.Reason)
	case Cancel:
		effects, err = s.cancel(e)
	case Resolve:
		effects, err = s.resolve(e)
	case Rerun:
		effects, err = s.rerun(e)
	default:
		err = s.not("unknown event")
	}
	return r, effects, err
}

// step is one application of an event to a run that is the step's own copy.
type step struct {
	*Run
	event Event
	now   time.Time
}

func (s step) not(why string) error {
	return &MoveError{ID: s.ID, State: s.State, Event: s.event, Why: why}
}

func (s step) intend(e Intend) ([]Effect, error) {
	switch {
	case s.State != Planned:
		return nil, s.not("only a planned run gets an attempt")
	case s.now.Before(s.NotBefore):
		return nil, s.not("it is held back until " + s.NotBefore.Format(time.RFC3339))
	case s.spent():
		return nil, s.not("its attempts are used up")
	case s.Late(s.now):
		return nil, s.not("its time to start is over")
	}
	s.Attempts = append(s.Attempts, Attempt{
		N: len(s.Attempts) + 1, Host: e.Host, Token: e.Token, Ref: e.Ref, Protects: e.Protects,
		State: AttemptStarting, Intended: s.now,
	})
	s.State, s.Reason, s.NotBefore = Starting, "", time.Time{}
	return []Effect{Send}, nil
}

func (s step) grant(e Go) error {
	switch {
	case s.State != Starting || s.Attempt().N != e.N:
		return s.not(fmt.Sprintf("attempt %d is not waiting for go", e.N))
	case s.Late(s.now) && !e.Delivered:
		return s.not("its time to start is over")
	}
	// The go of a prepared attempt is written a moment before it is given.
	at := s.now
	if at.Before(s.Due) {
		at = s.Due
	}
	a := s.Attempt()
	a.State, a.StartedAt = AttemptRunning, at
	s.State, s.StartedAt = Running, at
	return nil
}

// refused takes an attempt back. Before go that is a revocation: whoever writes
// first, this or go, has decided.
func (s step) refused(e Refused) ([]Effect, error) {
	a := s.Attempt()
	if s.State != Starting && s.State != Running && s.State != Lost || a.N != e.N {
		return nil, s.not(fmt.Sprintf("attempt %d is not under way", e.N))
	}
	a.State, a.Reason, a.StartedAt, a.EndedAt = AttemptNotStarted, e.Proof, time.Time{}, s.now
	a.Revoked = e.Revoked
	s.StartedAt = time.Time{}
	switch {
	case s.Cancel != "":
		return s.end(Cancelled, s.Cancel)
	case s.spent():
		return s.end(Failed, "could not start: "+e.Proof)
	case s.Late(s.now):
		return s.end(Skipped, ReasonLate+": "+e.Proof)
	}
	s.State, s.Reason, s.EndedAt = Planned, fmt.Sprintf("attempt %d did not start: %s", e.N, e.Proof), time.Time{}
	if s.now.Before(s.Due) {
		return []Effect{Again, Free}, nil // until it comes due others of its job go first
	}
	return []Effect{Again}, nil
}

func (s step) ended(e Ended) ([]Effect, error) {
	if e.N < 1 || e.N > len(s.Attempts) {
		return nil, s.not(fmt.Sprintf("there is no attempt %d", e.N))
	}
	a := &s.Attempts[e.N-1]
	if a.State != AttemptRunning && a.State != AttemptLost {
		return nil, s.not(fmt.Sprintf("attempt %d is %s", e.N, a.State))
	}
	was := a.State
	code := e.Code
	a.State, a.ExitCode, a.Reason, a.Note = AttemptState(e.As), &code, e.Reason, e.Note
	a.EndedAt = e.EndedAt
	if !e.StartedAt.IsZero() {
		a.StartedAt = e.StartedAt
	}
	if e.N != len(s.Attempts) || s.State != Running && s.State != Lost {
		return nil, nil // a lost attempt was heard of after its rerun: recorded, decides nothing
	}
	s.StartedAt, s.ExitCode = a.StartedAt, a.ExitCode
	if was == AttemptRunning && s.retries(e.As) {
		return s.again(e.As)
	}
	reason := e.Reason
	if e.As == Cancelled && s.Cancel != "" {
		reason = s.Cancel
	}
	s.State, s.Reason, s.EndedAt = e.As, reason, a.EndedAt
	return []Effect{Tell, Free}, nil
}

func (s step) vanished(e Vanished) ([]Effect, error) {
	unheard := s.State == Running || e.Forgotten && (s.State == Starting || s.State == Lost)
	if !unheard || s.Attempt().N != e.N {
		return nil, s.not(fmt.Sprintf("attempt %d is not running", e.N))
	}
	a := s.Attempt()
	if e.Forgotten {
		s.Cancel = cmp.Or(s.Cancel, e.Reason)
	}
	switch s.State {
	case Starting: // at any time until now
		a.StartedAt, s.StartedAt = s.now, s.now
	case Lost:
		return []Effect{Tell}, nil
	}
	a.State, a.Reason, a.EndedAt = AttemptLost, e.Reason, s.now
	if s.Cancel == "" && s.Policy.Idempotent && !s.spent() {
		s.State, s.Reason = Planned, fmt.Sprintf("attempt %d was lost; the job is idempotent", e.N)
		return []Effect{Tell, Again}, nil
	}
	s.State, s.Reason, s.EndedAt = Lost, e.Reason, s.now
	return []Effect{Tell}, nil
}

func (s step) replan(e Replan) ([]Effect, error) {
	if s.State != Planned || s.Begun() {
		return nil, s.not("only a planned run that never began follows its job")
	}
	s.Spec, s.Policy, s.StartBy = e.Spec, e.Policy, e.StartBy
	return []Effect{Again}, nil
}

func (s step) wait(e Wait) ([]Effect, error) {
	if s.State != Planned {
		return nil, s.not("only a planned run waits")
	}
	s.NotBefore, s.Reason = e.Until, e.Reason
	return []Effect{Again}, nil
}

func (s step) giveUp(as State, reason string) ([]Effect, error) {
	if s.State != Planned {
		return nil, s.not("it is on its way, or over")
	}
	if as == Skipped && len(s.Attempts) > 0 && s.Begun() {
		as = Failed // it did start once: its retries came to nothing
	}
	return s.end(as, reason)
}

func (s step) cancel(e Cancel) ([]Effect, error) {
	switch s.State {
	case Planned:
		return s.end(Cancelled, e.Why)
	case Starting:
		// Before go: this write and the one of go exclude each other.
		a := s.Attempt()
		a.State, a.Reason, a.EndedAt, a.Revoked = AttemptNotStarted, "cancelled before go", s.now, true
		return s.end(Cancelled, e.Why)
	case Running:
		if s.Cancel == "" {
			s.Cancel = e.Why
		}
		return []Effect{Stop}, nil
	case Lost:
		return nil, s.not("nobody knows whether it runs; resolve it instead")
	}
	return nil, s.not("it is over")
}

func (s step) resolve(e Resolve) ([]Effect, error) {
	if s.State != Lost {
		return nil, s.not("only a lost run needs a person's word")
	}
	if e.As != Succeeded && e.As != Failed && e.As != Cancelled {
		return nil, s.not("a lost run resolves to succeeded, failed or cancelled")
	}
	return s.end(e.As, e.Why)
}

func (s step) rerun(e Rerun) ([]Effect, error) {
	if s.State != Lost {
		return nil, s.not("only a lost run is started again by hand")
	}
	s.State, s.Reason, s.EndedAt, s.Cancel = Planned, e.Why, time.Time{}, ""
	s.Policy.MaxAttempts = max(s.Policy.MaxAttempts, s.used()+1)
	return []Effect{Again}, nil
}

func (s step) end(as State, reason string) ([]Effect, error) {
	s.State, s.Reason, s.EndedAt = as, reason, s.now
	s.NotBefore = time.Time{}
	return []Effect{Tell, Free}, nil
}

// used is how many attempts count against the policy.
func (s step) used() int {
	n := 0
	for i := range s.Attempts {
		if !s.Attempts[i].Revoked {
			n++
		}
	}
	return n
}

func (s step) spent() bool { return s.used() >= s.Policy.MaxAttempts }

// retries reports whether the policy tries again after such an end.
func (s step) retries(as State) bool {
	return s.Cancel == "" && slices.Contains(s.Policy.RetryOn, as) &&
		s.Failures < s.Policy.Retries && !s.spent()
}

func (s step) again(as State) ([]Effect, error) {
	s.Failures++
	s.State = Planned
	s.NotBefore = s.now.Add(s.Policy.backoff(s.Failures))
	s.Reason = fmt.Sprintf("attempt %d %s; retry %d of %d", len(s.Attempts), as, s.Failures, s.Policy.Retries)
	return []Effect{Again}, nil
}

// backoff is the pause before the n-th retry, n from 1.
func (p Policy) backoff(n int) time.Duration {
	d := p.Backoff
	for i := 1; i < n && d < p.MaxBackoff; i++ {
		d *= 2
	}
	if p.MaxBackoff > 0 {
		d = min(d, p.MaxBackoff)
	}
	return d
}

// The words that begin the reason of a skipped run.
const (
	ReasonLate    = "late"    // could not start by its StartBy
	ReasonMissed  = "missed"  // came due while no scheduler ran
	ReasonOverlap = "overlap" // an earlier run of the job was in the way
	ReasonNoHost  = "no host" // no candidate
	ReasonPaused  = "paused"  // by an operator
	ReasonRemoved = "removed" // its job is not in force any more

	ReasonForgotten = "forgotten" // the ledger went back in time: whether it ran is not known
)

// Late reports whether the run's first start would come after its StartBy. A
// run that has begun once is never late: its retries may take their time.
func (r *Run) Late(now time.Time) bool {
	return !r.StartBy.IsZero() && now.After(r.StartBy) && !r.Begun()
}

// Begun reports whether any attempt may have started.
func (r *Run) Begun() bool {
	for i := range r.Attempts {
		switch r.Attempts[i].State {
		case AttemptStarting, AttemptNotStarted:
		default:
			return true
		}
	}
	return false
}
