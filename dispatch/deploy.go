package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Deployed is a job as the ledger holds it.
type Deployed struct {
	Name    string          `json:"name"`
	Hash    string          `json:"hash"`
	Body    json.RawMessage `json:"body"`             // the job.Job
	Paused  string          `json:"paused,omitempty"` // by whom
	Retired time.Time       `json:"retired,omitzero"`
}

// Deployment is a change of the ledger's jobs.
type Deployment struct {
	Put    []Edit   `json:"put,omitempty"`
	Retire []Leaver `json:"retire,omitempty"`
}

// Edit puts a job in the place of the one with the given hash; an empty one
// stands for no job, or one that was retired.
type Edit struct {
	From string          `json:"from"`
	Body json.RawMessage `json:"body"` // the job.Job
}

// Leaver is a job that leaves, as it stands.
type Leaver struct {
	Name string `json:"name"`
	From string `json:"from"`
}

// ErrMoved: a job is not as the deployment expects it; nothing was changed.
var ErrMoved = errors.New("somebody else changed the jobs")

// Deployed lists all jobs, by name, those that were retired included.
func (d *Dispatcher) Deployed(ctx context.Context) ([]Deployed, error) { panic("not written yet") }

// Deploy changes the ledger's jobs.
func (d *Dispatcher) Deploy(ctx context.Context, change Deployment) error { panic("not written yet") }
