package deploy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/stack"
)

// plan makes a plan that has to succeed.
func plan(t testing.TB, a *Account, i *stack.Installation, o Options) *Plan {
	t.Helper()
	p, err := a.Plan(t.Context(), i, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// apply does what a new plan says, which has to leave nothing to do.
func apply(t testing.TB, a *Account, i *stack.Installation, o Options) *Plan {
	t.Helper()
	p := plan(t, a, i, o)
	if err := a.Apply(t.Context(), i, p, o); err != nil {
		t.Fatal(err)
	}
	if after := plan(t, a, i, o); after.Changed() {
		t.Fatalf("after apply there is something to do: %+v", after)
	}
	return p
}

// check holds what is in the account against what is to be.
func (c *cloud) check(t testing.TB, i *stack.Installation) {
	t.Helper()
	want := map[string]wanted{}
	for _, j := range i.File.Jobs {
		if h := c.ledger[j.Name]; h.Hash != j.Hash() || !h.Retired.IsZero() {
			t.Errorf("job %s is %+v in the ledger, want %s", j.Name, h, j.Hash())
		}
		list, err := stack.Schedules(j)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			want[s.Name] = wanted{Schedule: s}
		}
	}
	place := stack.Place{Partition: "aws", Region: i.Region, Account: "123456789012"}
	for name, w := range want {
		if s := c.schedules[name]; s == nil {
			t.Errorf("schedule %s is missing", name)
		} else if !isAs(&s.GetScheduleOutput, i, place, w.Schedule) {
			t.Errorf("schedule %s is not as it should be: %+v", name, s)
		}
	}
	for name := range c.schedules {
		if _, ok := want[name]; !ok {
			t.Errorf("schedule %s is too much", name)
		}
	}
}

func TestLife(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		at(t, "2026-11-22T12:00:00Z")
		c := newCloud()
		a := c.account()
		var steps []Step
		a.Progress = func(s Step) { steps = append(steps, s) }

		i := installation(t, daily("a"), daily("b"))
		p := plan(t, a, i, Options{})
		if p.Stack.Action != Create || p.Stack.Adopted || !p.Stack.Make || !p.Stack.Upload || p.Stack.Bucket != "cron-123456789012-eu-central-1" || len(p.Stack.Resources) == 0 || p.Account != "123456789012" {
			t.Errorf("plan of the stack is %+v", p.Stack)
		}
		if len(p.Jobs) != 2 || p.Jobs[0].Action != Create || p.Jobs[0].Name != "a" || len(p.Jobs[0].After) != 3 || p.Schedules.Create != 2 {
			t.Errorf("plan of the jobs is %+v, %+v", p.Jobs, p.Schedules)
		}
		if len(p.Rights) == 0 || p.Rights[0].Action != Create || p.Rights[0].Statement.Needs == "" {
			t.Errorf("plan of the rights is %+v", p.Rights)
		}
		if len(p.Hosts) != 1 || !slices.Equal(p.Hosts[0].Match, []string{"i-1"}) || p.Hosts[0].Others[0] != (Rejected{"i-2", "has no tag cron"}) {
			t.Errorf("plan of the hosts is %+v", p.Hosts)
		}
		for _, s := range c.stacks {
			if s.status != cfntypes.StackStatusDeleteComplete || len(s.sets) > 0 {
				t.Errorf("the plan left stack %+v", s)
			}
		}

		apply(t, a, i, Options{})
		c.check(t, i)
		if b := c.buckets[p.Stack.Bucket]; b == nil || !b.closed || len(b.tags) != 1 || len(b.objects) != 1 {
			t.Errorf("bucket is %+v", b)
		}
		if len(steps) == 0 || steps[len(steps)-1] != (Step{"schedules", "in place", 2, 2}) {
			t.Errorf("last step was %+v", steps)
		}

		changed := daily("b")
		changed.When.Expr, changed.Retry.Attempts = "45 3 * * *", 2
		i = installation(t, daily("a"), changed)
		c.ledger["b"] = paused(c.ledger["b"], "ann")
		p = apply(t, a, i, Options{})
		if p.Stack.Action != None || p.Unchanged != 1 || p.Schedules.Create != 1 || p.Schedules.Delete != 1 || p.Schedules.Keep != 1 {
			t.Errorf("plan of an edit is %+v", p)
		}
		want := []FieldChange{{"schedule", "30 2 * * *", "45 3 * * *"}, {"retry.attempts", "0", "2"}}
		if len(p.Jobs) != 1 || p.Jobs[0].Action != Update || p.Jobs[0].Paused != "ann" || !slices.Equal(p.Jobs[0].Fields, want) || p.Jobs[0].Before[0].Equal(p.Jobs[0].After[0]) {
			t.Errorf("change of the job is %+v", p.Jobs)
		}
		c.check(t, i)
		if c.ledger["b"].Paused != "ann" {
			t.Error("apply touched a pause")
		}

		d, err := a.PlanDestroy(t.Context(), i, DestroyOptions{})
		if err != nil || d.Stack != "CREATE_COMPLETE" || len(d.Jobs) != 2 || d.Schedules != 2 || d.Table != "cron" || d.DeleteTable || d.Bucket == "" {
			t.Errorf("plan to destroy is %+v, %v", d, err)
		}
		for range 2 {
			if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: "cron"}); err != nil {
				t.Fatal(err)
			}
		}
		if !c.table || c.function || len(c.schedules) > 0 || len(c.buckets) > 0 || c.ledger["a"].Retired.IsZero() {
			t.Errorf("after destroy there is %+v", c)
		}
		if d, err := a.PlanDestroy(t.Context(), i, DestroyOptions{}); err != nil || !d.Empty() {
			t.Errorf("plan to destroy what is gone is %+v, %v", d, err)
		}

		p = apply(t, a, i, Options{})
		if !p.Stack.Adopted || p.Stack.Action != Create || !c.table {
			t.Errorf("plan of a stack for a table that is there is %+v", p.Stack)
		}
		c.check(t, i)
		if c.ledger["b"].Paused != "ann" {
			t.Error("a pause did not outlive the stack")
		}
		if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: "cron", DeleteLedger: true}); err != nil || c.table {
			t.Errorf("destroy with the ledger: %v, table is there: %v", err, c.table)
		}
	})
}

func paused(j dispatch.Deployed, by string) dispatch.Deployed {
	j.Paused = by
	return j
}

// What left the file stays until somebody prunes.
func TestPrune(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		apply(t, a, installation(t, daily("a"), daily("b")), Options{})
		i := installation(t, daily("a"))
		p := plan(t, a, i, Options{})
		if p.Changed() || len(p.Jobs) != 1 || p.Jobs[0].Action != Leave || p.Jobs[0].Name != "b" || len(p.Jobs[0].Before) != 3 {
			t.Errorf("plan without --prune is %+v", p)
		}
		p = apply(t, a, i, Options{Prune: true})
		if len(p.Jobs) != 1 || p.Jobs[0].Action != Delete || p.Schedules.Delete != 1 {
			t.Errorf("plan with --prune is %+v", p)
		}
		c.check(t, i)
		if c.ledger["b"].Retired.IsZero() {
			t.Error("the job is still in force")
		}

		// An apply that was interrupted before the schedules went.
		list, err := stack.Schedules(daily("b"))
		if err != nil {
			t.Fatal(err)
		}
		w := wanted{Schedule: list[0]}
		place := stack.Place{Partition: "aws", Region: i.Region, Account: "123456789012"}
		if err := a.createSchedule(t.Context(), i, place, w, false); err != nil {
			t.Fatal(err)
		}
		if p := apply(t, a, i, Options{}); p.Schedules.Delete != 1 {
			t.Errorf("plan for a retired job's schedule is %+v", p.Schedules)
		}

		// And back.
		i = installation(t, daily("a"), daily("b"))
		if p := apply(t, a, i, Options{}); len(p.Jobs) != 1 || p.Jobs[0].Action != Create {
			t.Errorf("plan for a job that comes back is %+v", p.Jobs)
		}
		c.check(t, i)
	})
}

// A plan that somebody else made stale changes nothing.
func TestStale(t *testing.T) {
	for what, meddle := range map[string]func(*cloud, *Options, **stack.Installation){
		"the stack": func(c *cloud, _ *Options, _ **stack.Installation) {
			for _, s := range c.stacks {
				s.updated = aws.Time(time.Now())
			}
		},
		"the jobs": func(c *cloud, _ *Options, _ **stack.Installation) {
			c.ledger["c"] = dispatch.Deployed{Name: "c", Hash: "h"}
		},
		"the schedules": func(c *cloud, _ *Options, _ **stack.Installation) {
			for _, s := range c.schedules {
				s.State = types.ScheduleStateDisabled
			}
		},
		"the file": func(_ *cloud, _ *Options, i **stack.Installation) { (*i).File.Jobs[0].Command = "false" },
	} {
		t.Run(what, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				c := newCloud()
				a := c.account()
				i, o := installation(t, daily("a")), Options{}
				apply(t, a, i, o)
				i = installation(t, daily("a"), daily("b"))
				p := plan(t, a, i, o)
				time.Sleep(time.Minute)
				meddle(c, &o, &i)
				c.reset()
				err := a.Apply(t.Context(), i, p, o)
				if !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), what) {
					t.Errorf("apply of a stale plan: %v", err)
				}
				if writes := c.changed(); len(writes) > 0 {
					t.Errorf("it called %v", writes)
				}
			})
		})
	}
}

// Of two who apply at once, the ledger lets one of them.
func TestMovedWhileApplied(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		apply(t, a, installation(t, daily("a")), Options{})
		mine, theirs := daily("a"), daily("a")
		mine.Command, theirs.Command = "mine", "theirs"
		i := installation(t, mine)
		p := plan(t, a, i, Options{})
		c.before = func(_ int, op string) error {
			if op == "Deploy" {
				c.ledger["a"] = dispatch.Deployed{Name: "a", Hash: theirs.Hash(), Body: theirs.Body()}
			}
			return nil
		}
		if err := a.Apply(t.Context(), i, p, Options{}); !errors.Is(err, ErrStale) || !errors.Is(err, dispatch.ErrMoved) {
			t.Errorf("apply beside another: %v", err)
		}
	})
}
