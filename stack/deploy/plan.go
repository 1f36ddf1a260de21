// Package deploy puts an installation into an AWS account, changes it there and
// takes it away: the stack through CloudFormation, the jobs through the
// function, their schedules through EventBridge Scheduler.
//
// A [Plan] is made by reading alone (but for a change set, which is deleted
// again) and says all that [Account.Apply] would do. Apply takes up where one
// before it was interrupted: everything it does may be repeated.
//
// The order of things is what keeps due times from being lost or run by what
// isn't there yet: the code before the stack, the stack before the jobs, a job
// in the ledger before its schedules, new schedules before the old ones go, and
// a job out of the ledger before its schedules go. Pauses live in the ledger and
// are never touched.
//
// What can go wrong: CloudFormation takes a failed change back by itself, which
// may fail in turn; then somebody has to look ([StateError]). What somebody else
// changes between plan and apply is found out ([ErrStale]); what he changes
// during apply is found out for the jobs alone.
package deploy

import (
	"time"

	"github.com/solocron/solocron/schedule"
	"github.com/solocron/solocron/stack/cost"
	"github.com/solocron/solocron/stack/policy"
)

// Action is what a plan does to a thing.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
	Leave  Action = "leave" // it is there, the file doesn't have it, and --prune wasn't given
	None   Action = "none"
)

// Plan is what applying a file would change. The same account and file give the
// same plan.
type Plan struct {
	Name    string `json:"name"`
	Region  string `json:"region"`
	Account string `json:"account"`

	Stack     StackChange   `json:"stack"`
	Jobs      []JobChange   `json:"jobs"` // those that change or are left, by name
	Unchanged int           `json:"unchanged"`
	Paused    []string      `json:"paused,omitempty"` // all jobs of the file that are: "nightly, by ann"
	Schedules Schedules     `json:"schedules"`
	Hosts     []Hosts       `json:"hosts"` // per selector of the file's jobs
	Rights    []Right       `json:"rights"`
	Cost      cost.Estimate `json:"cost"`
	Warnings  []string      `json:"warnings"`

	// Base names the state that the plan was made from. Apply refuses a plan
	// whose base is no longer what is there.
	Base string `json:"base"`
}

// Changed reports whether there is anything to apply.
func (p *Plan) Changed() bool {
	if p.Stack.Action != None || p.Stack.Document != "" || p.Schedules.Create+p.Schedules.Delete+len(p.Schedules.Edited) > 0 {
		return true
	}
	for _, j := range p.Jobs {
		if j.Action != Leave {
			return true
		}
	}
	return false
}

// StackChange is what the change set says.
type StackChange struct {
	Action    Action     `json:"action"`           // Create, Update or None
	Status    string     `json:"status,omitempty"` // the stack's now; empty if there is none
	Resources []Resource `json:"resources"`
	// Elsewhere says that the stack is left to somebody else.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// Adopted says that the table is there already and is not made by the stack.
	Adopted bool `json:"adopted,omitempty"`
	// Bucket is where the code goes, Made whether it has to be made.
	Bucket string `json:"bucket"`
	Make   bool   `json:"make_bucket,omitempty"`
	Upload bool   `json:"upload,omitempty"` // the code is not in the bucket yet
	Code   string `json:"code"`             // the code's key: its hash
	// Document is the version of the SSM document that becomes its default, which
	// an interrupted apply left undone; empty for none.
	Document string `json:"document,omitempty"`
}

// Resource is one resource of the stack that changes.
type Resource struct {
	Action      Action   `json:"action"`
	ID          string   `json:"id"`   // logical
	Type        string   `json:"type"` // AWS::Lambda::Function
	Replacement bool     `json:"replacement,omitempty"`
	Properties  []string `json:"properties,omitempty"` // that change, as the change set names them
}

// JobChange is what becomes of a job.
type JobChange struct {
	Action Action        `json:"action"`
	Name   string        `json:"name"`
	Fields []FieldChange `json:"fields,omitempty"` // of an update, as in the jobs file
	Paused string        `json:"paused,omitempty"` // by whom; it stays so
	// Before and After are the next due times, UTC, at most three.
	Before []time.Time `json:"next_before,omitempty"`
	After  []time.Time `json:"next_after,omitempty"`
	Zone   string      `json:"zone,omitempty"` // of the job as it will be
	// Timers are the schedules that will be in place.
	Timers []schedule.Timer `json:"timers,omitempty"`
}

// FieldChange is one key of a job, as text; empty if it isn't set.
type FieldChange struct {
	Key    string `json:"key"` // as in the jobs file: retry.attempts
	Before string `json:"before"`
	After  string `json:"after"`
}

// Schedules counts what happens in the schedule group.
type Schedules struct {
	Create  int      `json:"create"`
	Delete  int      `json:"delete"`
	Keep    int      `json:"keep"`
	Foreign []string `json:"foreign,omitempty"` // not solocron's: never touched
	// Edited were changed by hand since they were made: they are made anew.
	Edited []string `json:"edited,omitempty"`
	// Disabled were switched off by hand, and stay so.
	Disabled []string `json:"disabled,omitempty"`
}

// Hosts is what the fleet looks like to the jobs that share a selector.
type Hosts struct {
	Selector map[string]string `json:"selector"`
	Jobs     []string          `json:"jobs"`
	Match    []string          `json:"match"`
	Others   []Rejected        `json:"others"`
	// Error says why the fleet could not be listed.
	Error string `json:"error,omitempty"`
}

// Rejected is a host that a job doesn't run on now.
type Rejected struct {
	Host   string `json:"host"`
	Reason string `json:"reason"`
}

// Right is a statement that a role gets or loses.
type Right struct {
	Action    Action           `json:"action"` // Create, Update or Delete
	Role      string           `json:"role"`
	Statement policy.Statement `json:"statement"`
	// Before is the statement that an update replaces.
	Before *policy.Statement `json:"before,omitempty"`
}
