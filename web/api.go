// Package web is how people and scripts talk to a scheduler: an HTTP API of JSON
// documents, served on a unix socket that only its owner can open or carried by
// what else keeps strangers away, and the client that the command line uses.
//
// The names of the JSON fields are stable: scripts depend on them.
package web

import (
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// Run is a run as the API shows it. Absent times and codes are null. Times are
// RFC 3339 in UTC.
type Run struct {
	ID        string      `json:"id"`
	Job       string      `json:"job"`
	Due       time.Time   `json:"due"`
	State     run.State   `json:"state"`
	Reason    string      `json:"reason"`
	Host      string      `json:"host"`
	ExitCode  *int        `json:"exit_code"`
	StartedAt *time.Time  `json:"started_at"`
	EndedAt   *time.Time  `json:"ended_at"`
	Attempts  []Attempt   `json:"attempts"`
	Trigger   run.Trigger `json:"trigger"`
	By        string      `json:"by,omitempty"`
	NotBefore *time.Time  `json:"not_before,omitempty"`
	StartBy   *time.Time  `json:"start_by,omitempty"`
	// Until and Count describe a record that stands for several missed due
	// times, Due being the first.
	Until   *time.Time `json:"until,omitempty"`
	Count   int        `json:"count,omitempty"`
	Cancel  string     `json:"cancel,omitempty"` // why its end was asked for
	Owner   string     `json:"owner"`
	Version int64      `json:"version"`
}

// Attempt is one try on one host.
type Attempt struct {
	N         int              `json:"n"`
	Host      string           `json:"host"`
	State     run.AttemptState `json:"state"`
	Reason    string           `json:"reason"`
	ExitCode  *int             `json:"exit_code"`
	StartedAt *time.Time       `json:"started_at"`
	EndedAt   *time.Time       `json:"ended_at"`
	Fence     int64            `json:"fence"`
	Note      string           `json:"note,omitempty"`
}

// RunView is a run with all that is kept beside it.
type RunView struct {
	Run
	Details []Detail `json:"details"`
	Notices []Notice `json:"notices"`
}

// Detail is the pick and the output of one attempt. Attempt 0 is a look for a
// host that found none.
type Detail struct {
	Attempt int           `json:"attempt"`
	Pick    *fleet.Pick   `json:"pick,omitempty"`
	Output  *guard.Output `json:"output,omitempty"`
}

// Notice is one message about a run and what became of it.
type Notice struct {
	Target    string     `json:"target"`
	Tries     int        `json:"tries"`
	Error     string     `json:"error,omitempty"`
	SettledAt *time.Time `json:"settled_at"`
	Dead      bool       `json:"dead,omitempty"`
	NextAt    *time.Time `json:"next_at,omitempty"`
}

// Job is a job of the file at work.
type Job struct {
	Name     string       `json:"job"`
	Schedule string       `json:"schedule"`
	Timezone string       `json:"timezone"`
	Next     *time.Time   `json:"next"`
	Pause    ledger.Pause `json:"pause"`
	Holder   string       `json:"holder,omitempty"` // the run that is under way
}

// Host is a host of the fleet and what is known of it.
type Host struct {
	ID      string            `json:"id"`
	Address string            `json:"address"`
	Tags    map[string]string `json:"tags"`
	Health  fleet.Health      `json:"health"`
	// Verdict says, for one job, why the host may not be picked; empty if it
	// may, or if no job was asked for.
	Verdict string `json:"verdict,omitempty"`
}

// Status is the scheduler itself.
type Status struct {
	Version string    `json:"version"`
	Owner   string    `json:"owner"`
	File    string    `json:"file"`
	Ledger  string    `json:"ledger"`
	Started time.Time `json:"started_at"`
	Jobs    int       `json:"jobs"`
	Running int       `json:"running"`
	Halted  string    `json:"halted,omitempty"` // why nothing is started any more
}

// Ask is the body of every request that changes something.
type Ask struct {
	By    string    `json:"by"`
	Note  string    `json:"note,omitempty"`
	Kill  bool      `json:"kill,omitempty"`  // cancel: without grace
	As    run.State `json:"as,omitempty"`    // resolve: succeeded, failed or cancelled
	Rerun bool      `json:"rerun,omitempty"` // resolve: start it again
}

// Problem is the body of every answer that is an error.
type Problem struct {
	Message string `json:"error"`
	Hint    string `json:"hint,omitempty"`
	Status  int    `json:"status"`
}

func (p *Problem) Error() string { return p.Message }

// ViewRun shows a run without what is the scheduler's own business.
func ViewRun(r run.Run) Run {
	v := Run{
		ID: r.ID, Job: r.Job, Due: r.Due, State: r.State, Reason: r.Reason, Host: r.Host(),
		ExitCode: r.ExitCode, StartedAt: at(r.StartedAt), EndedAt: at(r.EndedAt),
		Attempts: make([]Attempt, 0, len(r.Attempts)),
		Trigger:  r.Trigger, By: r.By, NotBefore: at(r.NotBefore), StartBy: at(r.StartBy),
		Until: at(r.Until), Count: r.Count, Cancel: r.Cancel, Owner: r.Owner, Version: r.Version,
	}
	for _, a := range r.Attempts {
		v.Attempts = append(v.Attempts, Attempt{
			N: a.N, Host: a.Host, State: a.State, Reason: a.Reason, ExitCode: a.ExitCode,
			StartedAt: at(a.StartedAt), EndedAt: at(a.EndedAt), Fence: a.Fence, Note: a.Note,
		})
	}
	return v
}

// at is t in UTC, or nil for the zero time.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func viewNotice(n ledger.Notice) Notice {
	v := Notice{Target: n.Target, Tries: n.Tries, Error: n.Error, SettledAt: at(n.Settled), Dead: n.Dead}
	if n.Settled.IsZero() {
		v.NextAt = at(n.Due)
	}
	return v
}
