package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/schedule"
)

// nextOptions are the flags of next.
type nextOptions struct {
	from, until moment
	count       int
	dst         bool
	spec        schedule.Spec // from the flags, if its Expr is set
	gap, fold   string
}

func newNextCommand(g *globals) *cobra.Command {
	o := nextOptions{}
	cmd := &cobra.Command{
		Use:   "next [JOB]",
		Short: "Show the coming due times",
		Long: `Show the coming due times of a job or of all jobs, the earliest first. It needs
no scheduler: due times follow from the jobs file alone. Pauses and jitter are
not counted in.

With --dst it also shows every change of clocks in the year to come (or up to
--until), which due times it touches and what happens to them.

With --schedule it needs no jobs file either; the expression stands in for the
job's name.

With --output json it prints an array of objects with job, due (UTC), local and
timezone; a change of clocks has a null due and local and the object change.

Exit codes: 0 done, 1 error, 2 usage.`,
		Example: `  solocron next nightly --count 3
  solocron next --dst --from 2027-01-01
  solocron next --schedule "30 2 * * *" --timezone Europe/Berlin --dst`,
		Args:              words(0, 1, "at most one job"),
		ValidArgsFunction: g.completeJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			plans, err := o.plans(g, args)
			if err != nil {
				return err
			}
			return showNext(g, cmd, o, plans)
		},
	}
	f := cmd.Flags()
	f.Var(&o.from, "from", "show what is due after this time (default now)")
	f.Var(&o.until, "until", "and not after this one")
	f.IntVar(&o.count, "count", 10, "how many due times; 0 for all up to --until")
	f.BoolVar(&o.dst, "dst", false, "show changes of clocks and what happens then")
	f.StringVar(&o.spec.Expr, "schedule", "", "an expression to look at instead of the jobs file")
	f.StringVar(&o.spec.Zone, "timezone", "", "its IANA time zone (default UTC)")
	f.StringVar(&o.spec.Seed, "seed", "", "the job's name, which decides what ~ stands for")
	f.StringArrayVar(&o.spec.Except, "except", nil, "dates that it leaves out; may be repeated")
	f.StringVar(&o.gap, "gap", "", "for local times that the clock jumps over: next or skip")
	f.StringVar(&o.fold, "fold", "", "for local times that the clock shows twice: first, last or both")
	return cmd
}

// plan is one schedule under the name that it is shown by.
type plan struct {
	job  string
	zone string
	when *schedule.Schedule
}

// plans are the schedules to look at: of the flags, or of the jobs file.
func (o nextOptions) plans(g *globals, args []string) ([]plan, error) {
	switch {
	case o.count < 0 || o.count == 0 && o.until.IsZero():
		return nil, usagef("--count: want a number above 0, or 0 together with --until")
	case o.spec.Expr != "" && len(args) > 0:
		return nil, usagef("give a job or --schedule, not both")
	case o.spec.Expr != "":
		o.spec.Gap, o.spec.Fold = schedule.Gap(o.gap), schedule.Fold(o.fold)
		when, err := schedule.Parse(o.spec)
		if err != nil {
			return nil, usageError{fmt.Errorf("--schedule: %w", err)}
		}
		return []plan{{cmp.Or(o.spec.Seed, o.spec.Expr), when.Location().String(), when}}, nil
	case o.spec.Zone+o.spec.Seed+o.gap+o.fold != "" || o.spec.Except != nil:
		return nil, usagef("--timezone, --seed, --except, --gap and --fold go with --schedule; a job has its own")
	}
	f, err := job.Load(g.file)
	if err != nil {
		return nil, err
	}
	var plans []plan
	for _, j := range f.Jobs {
		if len(args) > 0 && j.Name != args[0] {
			continue
		}
		when, err := schedule.Parse(j.When)
		if err != nil {
			return nil, fmt.Errorf("job %s: %w", j.Name, err)
		}
		plans = append(plans, plan{j.Name, when.Location().String(), when})
	}
	if len(plans) == 0 {
		return nil, unknownJob(f, args[0])
	}
	return plans, nil
}

// coming is one due time, or one change of clocks.
type coming struct {
	Job      string           `json:"job"`
	Due      *time.Time       `json:"due"`
	Local    *string          `json:"local"` // RFC 3339
	Timezone string           `json:"timezone"`
	Change   *schedule.Change `json:"change,omitempty"`

	clock string // the local time as people read it
}

// dueTimes merges the plans' due times, the earliest first and at most count.
func dueTimes(plans []plan, from, until time.Time, count int) []coming {
	upcoming := make([]time.Time, len(plans)) // of each plan; zero if there is none
	advance := func(i int, after time.Time) {
		due, ok := plans[i].when.Next(after)
		if !ok || !until.IsZero() && due.After(until) {
			due = time.Time{}
		}
		upcoming[i] = due
	}
	for i := range plans {
		advance(i, from)
	}
	list := []coming{}
	for count == 0 || len(list) < count {
		first := -1
		for i, due := range upcoming {
			if !due.IsZero() && (first < 0 || due.Before(upcoming[first])) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		list = append(list, plans[first].at(upcoming[first]))
		advance(first, upcoming[first])
	}
	return list
}

func (p plan) at(due time.Time) coming {
	local := due.In(p.when.Location())
	text := local.Format(time.RFC3339)
	return coming{Job: p.job, Due: &due, Local: &text, Timezone: p.zone, clock: local.Format("Mon 2006-01-02 15:04:05 MST")}
}
