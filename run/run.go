// Package run says what became of one due time of one job.
//
// A [Run] is the whole record of an occurrence. [Step] is the only way in which
// a run changes: a pure function from a run, an event and a time to the next
// run and the effects that follow. Callers write the new run to the ledger
// first and perform the effects afterwards, so a crash in between loses
// nothing that a later read of the ledger cannot bring back.
package run

import (
	"fmt"
	"strings"
	"time"
)

// State is where a run stands.
type State string

// The states of a run. Planned, Starting and Running are open; Lost is ended
// for its users but may still turn into the true result; the others are final.
const (
	Planned   State = "planned"   // due, and not yet on its way to a host
	Starting  State = "starting"  // the intent is recorded; no go was given
	Running   State = "running"   // go was committed: the command may be running
	Skipped   State = "skipped"   // never started; Reason says why
	Succeeded State = "succeeded" // exit code 0
	Failed    State = "failed"    // another exit code, or no attempt could start
	TimedOut  State = "timed_out" // ended by the guard at its timeout
	Cancelled State = "cancelled" // ended by a person or by an overlap policy
	Lost      State = "lost"      // may have run; what became of it is unknown
)

// States lists every state in the order of a run's life.
var States = []State{Planned, Starting, Running, Skipped, Succeeded, Failed, TimedOut, Cancelled, Lost}

// Open reports whether the run still has work ahead of it.
func (s State) Open() bool { return s == Planned || s == Starting || s == Running }

// Final reports whether the state never changes again. Lost is neither open
// nor final.
func (s State) Final() bool { return !s.Open() && s != Lost }

// AttemptState is where one try on one host stands.
type AttemptState string

// The states of an attempt. NotStarted always carries a proof in Reason.
const (
	AttemptStarting   AttemptState = "starting"
	AttemptRunning    AttemptState = "running"
	AttemptNotStarted AttemptState = "not_started"
	AttemptSucceeded  AttemptState = "succeeded"
	AttemptFailed     AttemptState = "failed"
	AttemptTimedOut   AttemptState = "timed_out"
	AttemptCancelled  AttemptState = "cancelled"
	AttemptLost       AttemptState = "lost"
)

// Trigger says what made the occurrence.
type Trigger string

// The triggers.
const (
	Scheduled Trigger = "schedule" // the job's own schedule
	CaughtUp  Trigger = "catchup"  // the schedule, after the scheduler was down
	Manual    Trigger = "manual"   // a person
)

// Attempt is one try of a run on one host, numbered from 1.
type Attempt struct {
	N         int          `json:"n"`
	Host      string       `json:"host"`
	State     AttemptState `json:"state"`
	Reason    string       `json:"reason,omitempty"`  // proof, refusal or cause, for people
	Revoked   bool         `json:"revoked,omitempty"` // not_started by the scheduler's own doing: nothing against the host
	Token     string       `json:"token,omitempty"`   // what go must name; single use, worthless afterwards
	Fence     int64        `json:"fence,omitempty"`   // SOLOCRON_FENCE: grows with every attempt of the job
	Intended  time.Time    `json:"intended_at,omitzero"`
	StartedAt time.Time    `json:"started_at,omitzero"`
	EndedAt   time.Time    `json:"ended_at,omitzero"`
	ExitCode  *int         `json:"exit_code,omitempty"`
	Ref       string       `json:"ref,omitempty"`      // how the executor finds the attempt again
	Protects  bool         `json:"protects,omitempty"` // its host's scale-in protection is this attempt's, to be taken off again
	Note      string       `json:"note,omitempty"`     // what the guard had to say, such as "output detached"
}

// Run is the record of one occurrence. Times are UTC; Due to the second, the
// others to the millisecond.
type Run struct {
	ID      string    `json:"id"`
	Job     string    `json:"job"`
	Due     time.Time `json:"due"`
	Trigger Trigger   `json:"trigger"`
	By      string    `json:"by,omitempty"` // who asked, for a manual run

	State     State     `json:"state"`
	Reason    string    `json:"reason,omitempty"`
	Attempts  []Attempt `json:"attempts"`
	ExitCode  *int      `json:"exit_code,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"` // of the attempt that decided
	EndedAt   time.Time `json:"ended_at,omitzero"`

	// NotBefore holds a planned run back: jitter, or the backoff of a retry.
	NotBefore time.Time `json:"not_before,omitzero"`
	// StartBy is the last instant at which a first go may be given.
	StartBy time.Time `json:"start_by,omitzero"`
	// Until and Count stand for a whole range of missed due times, Due being
	// the first: one record, Count occurrences. Zero for a single occurrence.
	Until time.Time `json:"until,omitzero"`
	Count int       `json:"count,omitempty"`

	// Cancel is why a cancellation was asked for; empty if none was.
	Cancel string `json:"cancel,omitempty"`
	// Failures counts the ends that used up a retry; a start with proof of not
	// having happened does not.
	Failures int    `json:"failures,omitempty"`
	Policy   Policy `json:"policy"`
	Spec     string `json:"spec"` // hash of the job as it stood when the run was planned

	Owner   string    `json:"owner,omitempty"` // the daemon that drives it
	Version int64     `json:"version"`         // compare-and-set counter, set by the ledger
	Created time.Time `json:"created_at,omitzero"`
}

// Policy is the part of the job that decides a run's moves, copied when the
// run is planned so that an edit of the file never changes a run under way.
type Policy struct {
	Timeout     time.Duration `json:"timeout"`
	Grace       time.Duration `json:"grace"`
	Idempotent  bool          `json:"idempotent,omitempty"`
	Unclaimed   bool          `json:"unclaimed,omitempty"`   // the job's claim is off: see guard.Attempt
	Protect     bool          `json:"protect,omitempty"`     // keep the host from being scaled in during the run
	Retries     int           `json:"retries,omitempty"`     // further attempts after a failed one
	RetryOn     []State       `json:"retry_on,omitempty"`    // of Failed, TimedOut
	Backoff     time.Duration `json:"backoff,omitempty"`     // before the first retry; doubles
	MaxBackoff  time.Duration `json:"max_backoff,omitempty"` // where the doubling ends
	MaxAttempts int           `json:"max_attempts"`          // all attempts together, unstarted ones too, revoked ones not
}

// MaxJobName is how long a job's name may be, so that a run's ID fits every
// place that must hold it (an SSM comment has 100 characters).
const MaxJobName = 60

const idTime = "20060102T150405Z"

// ID names the occurrence of job that is due at due: "nightly@20261122T023000Z".
func ID(job string, due time.Time) string {
	return job + "@" + due.UTC().Format(idTime)
}

// ManualID names an occurrence made by hand at the given time. The suffix of
// 4 to 8 lower-case letters or digits keeps two within one second apart.
func ManualID(job string, at time.Time, suffix string) string {
	return ID(job, at) + "-" + suffix
}

// ParseID takes an ID apart and refuses anything that [ID] and [ManualID] do
// not make. An ID is safe as a file name and as a word of a shell command.
func ParseID(id string) (job string, due time.Time, err error) {
	job, rest, ok := strings.Cut(id, "@")
	if !ok || job == "" || len(job) > MaxJobName || strings.Trim(job, nameAlphabet) != "" || job[0] == '.' || job[0] == '-' {
		return "", time.Time{}, fmt.Errorf("run id %q: want JOB@YYYYMMDDTHHMMSSZ", id)
	}
	stamp, suffix, manual := strings.Cut(rest, "-")
	due, err = time.Parse(idTime, stamp)
	if err != nil || manual && (len(suffix) < 4 || len(suffix) > 8 || strings.Trim(suffix, suffixAlphabet) != "") {
		return "", time.Time{}, fmt.Errorf("run id %q: want JOB@YYYYMMDDTHHMMSSZ", id)
	}
	return job, due, nil
}

const (
	suffixAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	nameAlphabet   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + suffixAlphabet + "._-"
)

// Attempt returns the current attempt, or nil before the first.
func (r *Run) Attempt() *Attempt {
	if len(r.Attempts) == 0 {
		return nil
	}
	return &r.Attempts[len(r.Attempts)-1]
}

// Host is the host of the current attempt, or empty.
func (r *Run) Host() string {
	if a := r.Attempt(); a != nil {
		return a.Host
	}
	return ""
}
