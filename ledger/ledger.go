// Package ledger is the port to the durable record of jobs, runs, the slots
// that keep a job's runs apart, and outgoing notices.
//
// Everything rests on conditional writes. A run is created once per ID and
// afterwards changed only by a writer that knows its current version; a job's
// slot is held by one run at a time; both are decided in the one transaction
// that also stores the notices. Any number of schedulers may share a ledger
// that allows it: the conditions decide, no leader does. Clocks and ownership
// only save work, they are never what keeps a command from starting twice.
//
// A write that was acknowledged survives the death of the process and of the
// machine.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/run"
)

// The errors that callers tell apart.
var (
	ErrNotFound = errors.New("not found in the ledger")
	ErrExists   = errors.New("the run exists already")
	ErrStale    = errors.New("the run was changed by another writer")
	// ErrMoved: a job's entry is not the one that the change is made for.
	ErrMoved = errors.New("changed by somebody else in the meantime")
	// ErrLocked: another process has the SQLite file open as its ledger.
	ErrLocked = errors.New("the ledger is in use by another process")
	// ErrCorrupt: the ledger's content can't be trusted; it was not touched.
	ErrCorrupt = errors.New("the ledger is corrupt")
	// ErrFull: there is no room to write; nothing was written.
	ErrFull = errors.New("no space left for the ledger")
	// ErrNewer: a newer solocron wrote this ledger's schema.
	ErrNewer = errors.New("the ledger was made by a newer solocron")
)

// BusyError says that the job's slot is held by another run.
type BusyError struct{ Job, Holder string }

func (e *BusyError) Error() string {
	return fmt.Sprintf("slot of job %s is held by run %s", e.Job, e.Holder)
}

// Ledger is the durable record. Methods are safe for concurrent use. Stored
// times are UTC with millisecond precision. Reads see every write that was
// acknowledged before they began. A ledger that finds out that it has lost one
// of its own says [ErrWentBack]. Errors that are none of this package's
// sentinels mean that the ledger could not be reached or did not answer; a
// write has then either happened or not, and repeating it tells which.
type Ledger interface {
	// Write applies each change on its own: all of a change or nothing of it is
	// stored, and one change's refusal does not touch the others. The outcomes are in the
	// changes' order. An error means that no outcome is known. A commit whose
	// acknowledgement was lost is looked up before that is said.
	Write(ctx context.Context, changes ...Change) ([]Outcome, error)

	// Run returns one run, or ErrNotFound.
	Run(ctx context.Context, id string) (run.Run, error)
	// Runs returns the runs that match, the latest due first, then by ID.
	Runs(ctx context.Context, q Query) ([]run.Run, error)
	// Details returns what is kept beside each attempt of a run, by attempt.
	Details(ctx context.Context, id string) ([]Detail, error)
	// Busy counts the open attempts (starting or running) by host.
	Busy(ctx context.Context) (map[string]int, error)

	// PutJobs puts the jobs in force as they stand in the file. A job not in
	// force before, or whose When changed, is owed from now on: its Since becomes
	// now. Jobs not named are left alone. Nothing is changed of a job whose From
	// is not met; the error is then ErrMoved and names all of those, and the
	// others have been put. Repeating is safe.
	PutJobs(ctx context.Context, now time.Time, jobs ...JobSpec) error
	// Retire takes a job out of force that stands under the hash; ErrNotFound for
	// an unknown job, ErrMoved if it stands under another. It keeps its runs, its
	// pause and its slot. Repeating is safe, the first time stays.
	Retire(ctx context.Context, now time.Time, job, hash string) error
	// Jobs returns every job ever put, by name, those that were retired included.
	Jobs(ctx context.Context) ([]Job, error)
	// Job returns one job, or ErrNotFound.
	Job(ctx context.Context, name string) (Job, error)
	// Check records that every due time of the job up to the given one has its
	// run; ErrNotFound for an unknown job. It never goes back. Repeating is
	// safe.
	Check(ctx context.Context, job string, through time.Time) error
	// Spec returns the body that was put under the hash, or ErrNotFound.
	Spec(ctx context.Context, hash string) ([]byte, error)
	// Pause sets or clears a job's pause; ErrNotFound for an unknown job.
	// Repeating is safe, the first pause's author and time stay.
	Pause(ctx context.Context, job string, p Pause) error

	// Beat says that owner lives until now+ttl, and returns the ledger's mark,
	// which has grown by this beat. Repeating is what it is for.
	Beat(ctx context.Context, owner string, now time.Time, ttl time.Duration) (Mark, error)
	// Mark returns the ledger's mark as it stands, zero for a DynamoDB table that
	// has had no beat.
	Mark(ctx context.Context) (Mark, error)
	// Halt records that the ledger went back and that nobody may schedule by it:
	// its mark says why from now on. Repeating is safe, the first reason stays.
	Halt(ctx context.Context, why string) error
	// Resume makes a ledger that went back one to schedule by: every job in force
	// is owed from now on, every job's last fencing number grows by fences, and
	// last of all the mark becomes m, without Halted. m.Beats must be above all
	// that was seen. Repeating is safe.
	Resume(ctx context.Context, now time.Time, fences int64, m Mark) error
	// Owners returns the owners whose last beat has not run out at now, sorted.
	Owners(ctx context.Context, now time.Time) ([]string, error)
	// Leave forgets an owner at once, so that others take over without waiting.
	Leave(ctx context.Context, owner string) error

	// TakeNotices hands out up to limit notices to the target that are due at
	// now, oldest first, and keeps them from other takers until now+lease. A
	// notice may be handed out again after that: delivery is at least once.
	TakeNotices(ctx context.Context, target string, now time.Time, lease time.Duration, limit int) ([]Notice, error)
	// SettleNotice records what became of one delivery. Repeating is safe.
	SettleNotice(ctx context.Context, id string, s Settlement) error
	// Notices returns the notices of a run, by ID, settled ones included.
	Notices(ctx context.Context, runID string) ([]Notice, error)

	// Prune removes final runs that ended before the given time, with their
	// details and settled notices, in small transactions, and returns how many
	// runs went. The latest scheduled run of every job stays, because it tells
	// from where the job is owed; so do open and lost runs.
	Prune(ctx context.Context, before time.Time) (int, error)

	// Close waits for writes under way and releases the ledger.
	Close() error
}

// Change is one conditional write about one run. With Run.Version 0 the run is
// created (else ErrExists); otherwise the stored version must equal it (else
// ErrStale). The stored run gets the next version.
type Change struct {
	Run     run.Run
	Slot    Slot
	Detail  *Detail // joined with what is stored: a nil Pick or Output leaves the stored one
	Notices []Notice
}

// Outcome is what became of a change: the run as stored, or Err, one of
// ErrExists, ErrStale, ErrNotFound or a *BusyError. With ErrExists and
// ErrStale, Run is the stored run that stood in the way.
type Outcome struct {
	Run run.Run
	Err error
}

// Slot is what a change does to its job's slot.
type Slot struct {
	Op SlotOp
	// From names a run whose hold Take may replace; empty for none.
	From string
}

// SlotOp is an operation on a job's slot. Take and Share also give the run's
// current attempt the job's next fencing number.
type SlotOp uint8

// The operations.
const (
	SlotKeep    SlotOp = iota // nothing
	SlotTake                  // hold the slot; a *BusyError if another run does
	SlotShare                 // don't hold it, only take a fencing number
	SlotRelease               // free the slot if this run holds it
)

// Detail is what is kept beside an attempt, apart from the run so that lists
// stay small.
type Detail struct {
	Attempt int           `json:"attempt"` // 0 for a pick that found no host
	Pick    *fleet.Pick   `json:"pick,omitempty"`
	Output  *guard.Output `json:"output,omitempty"`
}

// Query selects runs. Zero fields select everything.
type Query struct {
	Job    string
	States []run.State
	Owner  string
	Since  time.Time // due at or after
	Until  time.Time // due before
	Limit  int       // 0 for all
	// Without are runs, by ID, that the caller knows: they are left out, most of them
	// unread. Not with Limit.
	Without map[string]bool
}

// JobSpec is a job as it stands in the file.
type JobSpec struct {
	Name string
	Hash string // of Body
	When string // hash of the part that decides the due times
	Body []byte // the job as JSON, without secrets' values
	// From, if it is set, is the hash of the entry that this one takes the place
	// of, empty if no job of the name is in force. An entry that stands already is
	// put all the same: it may have been put by this very call before.
	From *string
}

// Meets reports whether the job, as it is in the ledger, is what From says.
func (s *JobSpec) Meets(j Job) bool {
	current := j.Current()
	return s.From == nil || *s.From == current || s.Hash == current
}

// Job is what the ledger knows of a job.
type Job struct {
	Name  string    `json:"name"`
	Hash  string    `json:"hash"`
	When  string    `json:"when"`
	Since time.Time `json:"since"` // due times after this are owed
	// Retired is when the job was taken out of force: no due time after it is
	// owed. Zero while the job is in force.
	Retired time.Time `json:"retired_at,omitzero"`
	// Through is the latest due time that has a scheduled or caught-up run (its
	// Until for a range), zero if there is none.
	Through time.Time `json:"through,omitzero"`
	// Checked is how far Check has come, zero if it was never called.
	Checked time.Time `json:"checked,omitzero"`
	Pause   Pause     `json:"pause"`
	Holder  string    `json:"holder,omitempty"` // the run that holds the slot
	Fence   int64     `json:"fence"`            // the last fencing number given
}

// Current is the hash of the entry in force, empty if there is none.
func (j *Job) Current() string {
	if !j.Retired.IsZero() {
		return ""
	}
	return j.Hash
}

// Pause says that a job's due times are skipped, by whose order and since when.
type Pause struct {
	On   bool      `json:"on"`
	By   string    `json:"by,omitempty"`
	At   time.Time `json:"at,omitzero"`
	Note string    `json:"note,omitempty"`
}

// Notice is one message on its way to one target.
type Notice struct {
	ID      string    `json:"id"` // same ID, same notice: a second Put is ignored
	Run     string    `json:"run"`
	Target  string    `json:"target"`
	Body    []byte    `json:"body"` // a notifier.Message as JSON
	Created time.Time `json:"created_at"`
	Due     time.Time `json:"due"`             // of the next delivery
	Tries   int       `json:"tries"`           // deliveries begun, one under way included
	Error   string    `json:"error,omitempty"` // of the last delivery
	Settled time.Time `json:"settled_at,omitzero"`
	Dead    bool      `json:"dead,omitempty"` // settled without having arrived
}

// Settlement is what became of one delivery of a notice: delivered (zero
// Retry, empty Error), to be tried again at Retry, or dead (Error, zero Retry).
type Settlement struct {
	At    time.Time
	Retry time.Time
	Error string
}
