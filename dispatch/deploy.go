package dispatch

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// A stepwise dispatcher has no jobs file: its jobs are those of the ledger, and
// whoever has a file deploys them. See docs/adr/0010-deployment.md.

// Deployed is a job as the ledger holds it.
type Deployed struct {
	Name    string          `json:"name"`
	Hash    string          `json:"hash"`
	Body    json.RawMessage `json:"body,omitempty"`   // the job.Job; absent if it can't be read
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
	Body json.RawMessage `json:"body"` // the job.Job, byte for byte as its Body
}

// Leaver is a job that leaves, as it stands.
type Leaver struct {
	Name string `json:"name"`
	From string `json:"from"`
}

// Why a deployment is refused.
var (
	// ErrMoved: jobs are not as the deployment expects them. The error names
	// them, and they were left as they are.
	ErrMoved = ledger.ErrMoved
	// ErrBadJob: what is to be put is not a job that this version would write.
	ErrBadJob = errors.New("not a job as this version writes it")
)

// Deployed lists all jobs, by name, those that were retired included. One that
// can't be read has no body, so that it can be put anew, or retired.
func (d *Dispatcher) Deployed(ctx context.Context) ([]Deployed, error) {
	known, err := d.Ledger.Jobs(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Deployed, len(known))
	var bare []*Deployed
	for i, k := range known {
		list[i] = Deployed{Name: k.Name, Hash: k.Hash, Retired: k.Retired}
		if k.Pause.On {
			list[i].Paused = cmp.Or(k.Pause.By, "somebody")
		}
		bare = append(bare, &list[i])
	}
	err = each(d.Abreast, bare, func(j *Deployed) error {
		body, err := d.Ledger.Spec(ctx, j.Hash)
		switch {
		case errors.Is(err, ledger.ErrCorrupt), errors.Is(err, ledger.ErrNotFound), err == nil && !json.Valid(body):
			d.Log.Error("a job can't be read; it can be put anew", "job", j.Name, "spec", j.Hash, "error", err)
		case err != nil:
			return fmt.Errorf("job %s: %w", j.Name, err)
		default:
			j.Body = body
		}
		return nil
	})
	return list, err
}

// Deploy changes the ledger's jobs, all of them or, after an error, perhaps
// some. Nothing is changed if a job is not as its change expects it (ErrMoved)
// or is none (ErrBadJob); of two deployments at once, the one that comes second
// to a job leaves it (ErrMoved) but may have changed others. Pauses stay, and so
// do runs under way.
//
// A job whose due times change, or end, is settled first: what it has owed
// until now starts if it is within its start-within, else is recorded as missed.
//
// Repeating is safe and completes what was interrupted: what is as it should be
// already is left alone.
func (d *Dispatcher) Deploy(ctx context.Context, change Deployment) error {
	specs, err := change.specs()
	if err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	jobs, err := d.Ledger.Jobs(ctx)
	if err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	at := d.now() // after the read, so that no job's Since goes back
	p := compare(jobs, specs, change.Retire)
	if len(p.moved) > 0 {
		return fmt.Errorf("deploy: jobs %s: %w", strings.Join(p.moved, ", "), ErrMoved)
	}
	if err := each(d.Abreast, p.settle, func(k ledger.Job) error { return d.windUp(ctx, k, at) }); err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	err = errors.Join(
		d.Ledger.PutJobs(ctx, at, specs...),
		each(d.Abreast, p.retire, func(l Leaver) error { return d.Ledger.Retire(ctx, at, l.Name, l.From) }),
	)
	if err == nil {
		// Nothing is owed any more up to at, whatever a timer brings later.
		err = each(d.Abreast, p.closed, func(name string) error { return d.Ledger.Check(ctx, name, at) })
	}
	if err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	return nil
}

// windUp settles what a job owes by its present entry. One that can't be read must
// not keep a better one out.
func (d *Dispatcher) windUp(ctx context.Context, k ledger.Job, at time.Time) error {
	err := d.settle(ctx, k, at)
	if errors.Is(err, ledger.ErrCorrupt) {
		d.Log.Error("what the job owed is not known", "job", k.Name, "error", err)
		return nil
	}
	return err
}

// specs are the jobs to put.
func (c *Deployment) specs() ([]ledger.JobSpec, error) {
	named := map[string]bool{}
	var specs []ledger.JobSpec
	for _, e := range c.Put {
		j, err := readJob(e.Body)
		if err == nil && named[j.Name] {
			err = fmt.Errorf("named twice: %w", ErrBadJob)
		}
		if err != nil {
			return nil, fmt.Errorf("job %q: %w", j.Name, err)
		}
		named[j.Name] = true
		specs = append(specs, ledger.JobSpec{Name: j.Name, Hash: j.Hash(), When: j.WhenHash(), Body: e.Body, From: &e.From})
	}
	for _, l := range c.Retire {
		if named[l.Name] {
			return nil, fmt.Errorf("job %q: named twice: %w", l.Name, ErrBadJob)
		}
		named[l.Name] = true
	}
	return specs, nil
}

// readJob decodes a job strictly. What a newer version added to jobs would
// otherwise be lost here without a word, and the hash would name something else.
func readJob(body []byte) (j job.Job, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return j, fmt.Errorf("%w: %w", ErrBadJob, err)
	}
	if !bytes.Equal(j.Body(), body) {
		return j, ErrBadJob
	}
	if _, _, err := run.ParseID(run.ID(j.Name, time.Time{})); err != nil {
		return j, fmt.Errorf("%w: its name can't be part of a run's ID", ErrBadJob)
	}
	if _, err := schedule.Parse(j.When); err != nil {
		return j, fmt.Errorf("%w: schedule: %w", ErrBadJob, err)
	}
	return j, nil
}

// comparison is what a deployment means for the jobs as they stand.
type comparison struct {
	moved  []string     // not as expected
	settle []ledger.Job // in force, and about to have other due times or none
	retire []Leaver     // still in force
	closed []string     // were known, and have other due times from now on, or none
}

func compare(jobs []ledger.Job, specs []ledger.JobSpec, leavers []Leaver) comparison {
	known := make(map[string]ledger.Job, len(jobs))
	for _, k := range jobs {
		known[k.Name] = k
	}
	var c comparison
	for _, s := range specs {
		k, ok := known[s.Name]
		switch {
		case !s.Meets(k):
			c.moved = append(c.moved, s.Name)
		case !ok:
		case k.Current() == "":
			c.closed = append(c.closed, s.Name)
		case k.When != s.When:
			c.settle, c.closed = append(c.settle, k), append(c.closed, s.Name)
		}
	}
	for _, l := range leavers {
		k, ok := known[l.Name]
		switch {
		case ok && k.Current() == "":
		case !ok || k.Hash != l.From:
			c.moved = append(c.moved, l.Name)
		default:
			c.settle, c.retire, c.closed = append(c.settle, k), append(c.retire, l), append(c.closed, l.Name)
		}
	}
	slices.Sort(c.moved)
	return c
}
