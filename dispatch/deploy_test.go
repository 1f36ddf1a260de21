package dispatch

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// edit puts the job in the place of another, which is nil for none.
func edit(was *job.Job, j job.Job) Deployment {
	e := Edit{Body: j.Body()}
	if was != nil {
		e.From = was.Hash()
	}
	return Deployment{Put: []Edit{e}}
}

func leave(j job.Job) Deployment {
	return Deployment{Retire: []Leaver{{Name: j.Name, From: j.Hash()}}}
}

func (c *cloud) deploy(change Deployment) {
	c.t.Helper()
	d := c.fresh()
	if err := errors.Join(d.Deploy(c.t.Context(), change), d.Settle(c.t.Context())); err != nil {
		c.t.Error(err)
	}
}

// ring delivers what a schedule that was made for the entry rings.
func (c *cloud) ring(j job.Job, at time.Time) {
	c.t.Helper()
	d := c.fresh()
	if err := errors.Join(d.Due(c.t.Context(), j.Name, j.Hash(), at), d.Settle(c.t.Context())); err != nil {
		c.t.Error(err)
	}
}

// dues are the due times that have a run, each with the command it is for.
func (c *cloud) dues(name string) (list []string) {
	c.t.Helper()
	for _, r := range c.runs(name) {
		body, err := c.ledger.Spec(c.t.Context(), r.Spec)
		if err != nil {
			c.t.Fatal(err)
		}
		command := "true"
		if bytes.Contains(body, []byte(`"command":"new"`)) {
			command = "new"
		}
		list = append(list, r.Due.Format("15:04 ")+command+" "+string(r.State))
	}
	return list
}

func clock(hour, minute, second int) time.Time {
	return midnight.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second)
}

// Whatever a timer delivers around an edit, every due time has one run: by the
// old entry until the edit, by the new one from then on.
func TestEditAndLateEvents(t *testing.T) {
	old := aJob("j", "0 * * * *")
	faster, command := old, old
	faster.When.Expr, faster.Command = "*/20 * * * *", "new"
	command.Command = "new"
	type event struct {
		at   time.Time // when it is delivered
		of   job.Job
		due  time.Time
		edit *job.Job // instead
	}
	at := clock
	tests := map[string]struct {
		events []event
		want   []string // of all that came due until 02:10
	}{
		"edited between due time and delivery": {
			[]event{{at: at(1, 0, 5), edit: &faster}, {at: at(1, 0, 20), of: old, due: at(1, 0, 0)}},
			[]string{"01:00 true succeeded", "01:20 new succeeded", "01:40 new succeeded", "02:00 new succeeded"}},
		"the old event never comes": {
			[]event{{at: at(1, 0, 5), edit: &faster}},
			[]string{"01:00 true succeeded", "01:20 new succeeded", "01:40 new succeeded", "02:00 new succeeded"}},
		"both rang": {
			[]event{{at: at(0, 59, 0), edit: &faster}, {at: at(1, 0, 1), of: old, due: at(1, 0, 0)}, {at: at(1, 0, 2), of: faster, due: at(1, 0, 0)}},
			[]string{"01:00 new succeeded", "01:20 new succeeded", "01:40 new succeeded", "02:00 new succeeded"}},
		"the old schedule rings on": {
			[]event{{at: at(0, 50, 0), edit: &faster}, {at: at(1, 0, 1), of: old, due: at(1, 0, 0)}, {at: at(2, 0, 30), of: old, due: at(2, 0, 0)}},
			[]string{"01:00 new succeeded", "01:20 new succeeded", "01:40 new succeeded", "02:00 new succeeded"}},
		"the old schedule rings what is none any more": {
			[]event{{at: at(0, 10, 0), edit: &faster}, {at: at(0, 15, 0), edit: &old}, {at: at(0, 20, 1), of: faster, due: at(0, 20, 0)},
				{at: at(0, 50, 0), of: faster, due: at(0, 40, 0)}},
			[]string{"01:00 true succeeded", "02:00 true succeeded"}},
		"two edits after the due time": {
			[]event{{at: at(0, 10, 0), edit: &faster}, {at: at(0, 20, 5), edit: &old}, {at: at(0, 20, 10), edit: &faster},
				{at: at(0, 25, 0), of: old, due: at(0, 20, 0)}, {at: at(0, 25, 0), of: faster, due: at(0, 20, 0)}},
			[]string{"00:20 new succeeded", "00:40 new succeeded", "01:00 new succeeded", "01:20 new succeeded", "01:40 new succeeded", "02:00 new succeeded"}},
		"an event of what was not in force between two edits": {
			[]event{{at: at(0, 10, 0), edit: &faster}, {at: at(0, 15, 0), edit: &old}, {at: at(0, 45, 0), edit: &faster},
				{at: at(0, 45, 5), of: faster, due: at(0, 40, 0)}},
			[]string{"01:00 new succeeded", "01:20 new succeeded", "01:40 new succeeded", "02:00 new succeeded"}},
		"another command": {
			[]event{{at: at(1, 0, 5), edit: &command}, {at: at(1, 0, 20), of: old, due: at(1, 0, 0)}},
			[]string{"01:00 new succeeded", "02:00 new succeeded"}},
		"too late to start": {
			[]event{{at: at(1, 0, 5), edit: &faster}, {at: at(1, 15, 0), edit: &old}, {at: at(1, 16, 0), of: old, due: at(1, 0, 0)}},
			[]string{"01:00 true succeeded", "02:00 true succeeded"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inCloud(t, []string{"a"}, []job.Job{old}, func(t *testing.T, c *cloud) {
				now, next := old, test.events
				for minute := range 130 {
					for len(next) > 0 && next[0].at.Before(clock(0, minute+1, 0)) {
						pass(time.Until(next[0].at))
						if e := next[0].edit; e != nil {
							c.deploy(edit(&now, *e))
							now = *e
						} else {
							c.ring(next[0].of, next[0].due)
						}
						next = next[1:]
					}
					pass(time.Until(clock(0, minute+1, 0)))
					if err := c.fresh().Sweep(t.Context()); err != nil {
						t.Error(err)
					}
				}
				if got := c.dues("j"); !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
				c.once(len(test.want))
			})
		})
	}
}

// What the old schedule owed and nobody started is on record when the new one
// begins.
func TestEditSettles(t *testing.T) {
	for name, change := range map[string]func(was job.Job) Deployment{
		"edited":  func(was job.Job) Deployment { j := was; j.When.Expr = "30 3 * * *"; return edit(&was, j) },
		"retired": leave,
	} {
		t.Run(name, func(t *testing.T) {
			j := aJob("j", "@hourly")
			inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
				pass(2*time.Hour + 5*time.Minute) // nothing was delivered, and nobody swept
				c.deploy(change(j))
				for range 3 {
					c.sweep()
				}
				if got, want := c.states("j"), []run.State{run.Skipped, run.Succeeded}; !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
				c.ring(j, clock(1, 0, 0))
				c.ring(j, clock(2, 0, 0))
				c.once(1)
			})
		})
	}
}

// An edit that nobody settled, as a ledger may show that others write to: the
// entry that the timer was made for still knows its due times.
func TestEditUnsettled(t *testing.T) {
	old := aJob("j", "0 * * * *")
	inCloud(t, []string{"a"}, []job.Job{old}, func(t *testing.T, c *cloud) {
		pass(time.Hour + 5*time.Second)
		edited := old
		edited.When.Expr = "30 * * * *"
		c.put(edited)
		c.ring(old, clock(1, 0, 0))
		c.sweep()
		if got, want := c.dues("j"), []string{"01:00 true succeeded"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A job stays paused while it is settled, too.
func TestEditOfAPausedJob(t *testing.T) {
	j := aJob("j", "@hourly")
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		if err := c.fresh().Pause(t.Context(), "j", ledger.Pause{On: true, By: "ann", At: now()}); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour + time.Second)
		daily := j
		daily.When.Expr = "@daily"
		c.deploy(edit(&j, daily))
		if r := c.only("j"); r.State != run.Skipped || !strings.HasPrefix(r.Reason, run.ReasonPaused) {
			t.Errorf("%s %s", r.State, r.Reason)
		}
	})
}

// What stands in the ledger can be replaced, whatever it is.
func TestEditOfWhatCantBeRead(t *testing.T) {
	for name, body := range map[string]string{"no JSON": "{", "a schedule of another version": `{"name":"j","when":{"expr":"someday"}}`} {
		t.Run(name, func(t *testing.T) {
			inCloud(t, []string{"a"}, nil, func(t *testing.T, c *cloud) {
				spec := ledger.JobSpec{Name: "j", Hash: "h", When: "w", Body: []byte(body)}
				if err := c.ledger.PutJobs(t.Context(), now(), spec); err != nil {
					t.Fatal(err)
				}
				pass(time.Minute)
				if err := c.fresh().Sweep(t.Context()); !errors.Is(err, ledger.ErrCorrupt) {
					t.Errorf("sweep: %v", err)
				}
				j := aJob("j", "@hourly")
				e := edit(nil, j)
				e.Put[0].From = "h"
				c.deploy(e)
				c.sweep()
			})
		})
	}
}

// What settled an edit is not repeated once it was pruned.
func TestLateEventAfterPrune(t *testing.T) {
	j := aJob("j", "@hourly")
	j.StartWithin = 12 * time.Hour
	inCloud(t, []string{"a"}, []job.Job{j}, func(t *testing.T, c *cloud) {
		pass(time.Hour + time.Second)
		faster := j
		faster.When.Expr = "*/30 * * * *"
		c.deploy(edit(&j, faster))
		for range 60 {
			c.sweep()
		}
		if n, err := c.ledger.Prune(t.Context(), now().Add(-30*time.Minute)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		c.ring(j, clock(1, 0, 0))
		c.sweep()
		if got := c.dues("j"); slices.Contains(got, "01:00 true succeeded") {
			t.Errorf("started again: %q", got)
		}
	})
}

// Nothing is changed if anything is not as expected.
func TestDeployRefuses(t *testing.T) {
	a, b := aJob("a", "@hourly"), aJob("b", "@hourly")
	gone, fresh := aJob("gone", "@hourly"), aJob("fresh", "@hourly")
	a2, b2, gone2 := a, b, gone
	a2.Command, b2.Command, gone2.Command = "new", "new", "new"
	join := func(all ...Deployment) (d Deployment) {
		for _, c := range all {
			d.Put, d.Retire = append(d.Put, c.Put...), append(d.Retire, c.Retire...)
		}
		return d
	}
	raw := func(body string) Deployment { return Deployment{Put: []Edit{{Body: []byte(body)}}} }
	nameless, dashed, never := fresh, fresh, fresh
	nameless.Name, dashed.Name, never.When.Expr = "", "-x", "61 * * * *"
	tests := map[string]struct {
		change Deployment
		want   error
		says   string
	}{
		"edited by another":   {join(edit(nil, fresh), edit(&a2, b2), edit(&b, a2)), ErrMoved, "jobs a, b:"},
		"made by another":     {join(edit(&b, b2), edit(nil, a2)), ErrMoved, "jobs a:"},
		"retired by another":  {join(edit(&b, b2), edit(&gone, gone2)), ErrMoved, "jobs gone:"},
		"never there":         {join(edit(&b, b2), edit(&fresh, fresh)), ErrMoved, "jobs fresh:"},
		"edited, to be gone":  {join(edit(&b, b2), leave(a2)), ErrMoved, "jobs a:"},
		"unknown, to be gone": {join(edit(&b, b2), leave(fresh)), ErrMoved, "jobs fresh:"},
		"an unknown field":    {join(edit(&b, b2), raw(strings.Replace(string(a2.Body()), `"pick"`, `"extra":1,"pick"`, 1))), ErrBadJob, "extra"},
		"not its own form":    {join(edit(&b, b2), raw(strings.Replace(string(a2.Body()), `,"pick"`, `, "pick"`, 1))), ErrBadJob, ""},
		"a default left out":  {join(edit(&b, b2), raw(`{"name":"a"}`)), ErrBadJob, ""},
		"no job":              {join(edit(&b, b2), raw(`null`)), ErrBadJob, ""},
		"nothing":             {join(edit(&b, b2), raw(``)), ErrBadJob, ""},
		"no name":             {join(edit(&b, b2), edit(nil, nameless)), ErrBadJob, "name"},
		"no name for a run":   {join(edit(&b, b2), edit(nil, dashed)), ErrBadJob, "name"},
		"no schedule":         {join(edit(&b, b2), edit(nil, never)), ErrBadJob, "schedule"},
		"put twice":           {join(edit(&b, b2), edit(nil, fresh), edit(nil, fresh)), ErrBadJob, "twice"},
		"put and retired":     {join(edit(&b, b2), leave(b)), ErrBadJob, "twice"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inCloud(t, []string{"a"}, []job.Job{a, b, gone}, func(t *testing.T, c *cloud) {
				c.deploy(leave(gone))
				before, err := c.ledger.Jobs(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				pass(time.Hour)
				err = c.fresh().Deploy(t.Context(), test.change)
				if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("error %v, want %v with %q in it", err, test.want, test.says)
				}
				after, err := c.ledger.Jobs(t.Context())
				if err != nil || !slices.Equal(before, after) {
					t.Errorf("before %+v, after %+v, %v", before, after, err)
				}
			})
		})
	}
}
