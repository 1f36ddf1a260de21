package deploy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/schedule"
)

// jobDiff is what has to happen to the ledger's jobs.
type jobDiff struct {
	changes   []JobChange // by name
	unchanged int
	paused    []string // those of the file that are, and by whom
	do        dispatch.Deployment
}

// diffJobs compares the file's jobs with those of the ledger.
func diffJobs(file []job.Job, have []dispatch.Deployed, prune bool, now time.Time) (jobDiff, error) {
	d := jobDiff{changes: []JobChange{}}
	standing := map[string]dispatch.Deployed{}
	for _, h := range have {
		standing[h.Name] = h
	}
	for _, j := range file {
		h, known := standing[j.Name]
		delete(standing, j.Name)
		inForce := known && h.Retired.IsZero()
		if h.Paused != "" {
			d.paused = append(d.paused, j.Name+", by "+h.Paused)
		}
		if inForce && h.Hash == j.Hash() {
			d.unchanged++
			continue
		}
		c, err := changeJob(j, h, inForce, now)
		if err != nil {
			return d, err
		}
		d.changes = append(d.changes, c)
		edit := dispatch.Edit{Body: j.Body()}
		if inForce {
			edit.From = h.Hash
		}
		d.do.Put = append(d.do.Put, edit)
	}
	for _, name := range slices.Sorted(maps.Keys(standing)) {
		h := standing[name]
		if !h.Retired.IsZero() {
			continue
		}
		c := JobChange{Action: Leave, Name: name, Paused: h.Paused}
		if prune {
			c.Action = Delete
			d.do.Retire = append(d.do.Retire, dispatch.Leaver{Name: name, From: h.Hash})
		}
		if j, err := readJob(h); err == nil {
			c.Zone = j.When.Zone
			c.Before = nextDue(j.When, now)
		}
		d.changes = append(d.changes, c)
	}
	slices.SortFunc(d.changes, func(a, b JobChange) int { return cmp.Compare(a.Name, b.Name) })
	return d, nil
}

// changeJob is a job that is new, or not as the ledger has it.
func changeJob(j job.Job, h dispatch.Deployed, inForce bool, now time.Time) (JobChange, error) {
	when, err := schedule.Parse(j.When)
	if err != nil {
		return JobChange{}, fmt.Errorf("job %s: %w", j.Name, err)
	}
	c := JobChange{Action: Create, Name: j.Name, Paused: h.Paused, After: next(when, now), Zone: when.Location().String()}
	if c.Timers, err = when.Timers(); err != nil {
		return c, fmt.Errorf("job %s: %w", j.Name, err)
	}
	if !inForce {
		return c, nil
	}
	c.Action = Update
	// What another version of solocron wrote may not be read in full. Then the
	// job is replaced all the same, and the fields say what is known.
	if old, err := readJob(h); err == nil {
		c.Before = nextDue(old.When, now)
		c.Fields = fieldChanges(old, j)
	}
	return c, nil
}

func readJob(h dispatch.Deployed) (j job.Job, err error) {
	err = json.Unmarshal(h.Body, &j)
	return j, err
}

// shown is how many due times a plan shows of a job.
const shown = 3

func nextDue(spec schedule.Spec, now time.Time) []time.Time {
	when, err := schedule.Parse(spec)
	if err != nil {
		return nil
	}
	return next(when, now)
}

func next(when *schedule.Schedule, now time.Time) (due []time.Time) {
	for t, ok := when.Next(now); ok && len(due) < shown; t, ok = when.Next(t) {
		due = append(due, t)
	}
	return due
}

// Bounds of one call of Jobs.Deploy.
const (
	maxJobs  = 200
	maxBytes = 1 << 20
)

// chunks cuts a deployment into parts that one call can take. All that goes
// comes after all that is put.
func chunks(d dispatch.Deployment) []dispatch.Deployment {
	var all []dispatch.Deployment
	var c dispatch.Deployment
	size := 0
	room := func(bytes int) {
		if n := len(c.Put) + len(c.Retire); n > 0 && (n == maxJobs || size+bytes > maxBytes) {
			all = append(all, c)
			c, size = dispatch.Deployment{}, 0
		}
		size += bytes
	}
	const envelope = 128 // around a job, in JSON
	for _, e := range d.Put {
		room(len(e.Body) + envelope)
		c.Put = append(c.Put, e)
	}
	for _, l := range d.Retire {
		room(len(l.Name) + envelope)
		c.Retire = append(c.Retire, l)
	}
	if len(c.Put)+len(c.Retire) > 0 {
		all = append(all, c)
	}
	return all
}
