package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/simulate"
	"github.com/solocron/solocron/web"
)

// simulateOptions are the flags of simulate.
type simulateOptions struct {
	from, to moment
	faults   []string
	hosts    []string
	states   []string
	takes    time.Duration
	most     int
}

func newSimulateCommand(g *globals) *cobra.Command {
	o := simulateOptions{}
	cmd := &cobra.Command{
		Use:   "simulate [JOB]",
		Short: "Show what the jobs file would do, and what if a host died",
		Long: `Show what the jobs file would do between two times: every due time of a job or
of all jobs, the earliest first, with its state, host, start, end and reason. The
scheduler is the real one; its clock, its hosts and its ledger are simulated.
Nothing is started, no host is asked and no secret is read. Pauses are not known.

Every command takes --takes and exits with 0, unless a fault says otherwise:

  host-dies HOST @TIME             and what runs there; or TIME..TIME
  host-back HOST @TIME             with its run directories
  scheduler-down TIME..TIME        nobody is there when something comes due
  command-fails JOB                with exit code 1
  command-takes JOB LENGTH
  slow-delivery HOST LENGTH        what is sent to the host takes so long to arrive

The last three may end with @TIME for from then on, or TIME..TIME. A TIME is
2026-11-22T02:01:00Z, 2026-11-22, or 02:01 for the first such time after --from;
all are UTC.

A file whose hosts come from a command or from EC2 needs --host.

With --output json it prints the array of objects that "solocron runs" prints.

Exit codes: 0 done, 1 error, 2 usage.`,
		Example: `  solocron simulate --from 2026-11-22 --to 2026-11-23 --fault "host-dies web-2 @02:01"
  solocron simulate nightly --to +30d --fault "command-takes nightly 26h" --state skipped,timed_out
  solocron simulate --to +1d --host "i-1 role=cron" --host "i-2 role=cron" --fault "slow-delivery i-1 5m"`,
		Args:              words(0, 1, "at most one job"),
		ValidArgsFunction: g.completeJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := o.world(g, args)
			if err != nil {
				return err
			}
			return o.show(g, cmd, w)
		},
	}
	f := cmd.Flags()
	f.Var(&o.from, "from", "simulate what is due after this time (default now)")
	f.Var(&o.to, "to", "and not after this one (default a day after --from)")
	f.StringArrayVar(&o.faults, "fault", nil, "what goes wrong; may be repeated")
	f.StringArrayVar(&o.hosts, "host", nil, `a host with its tags, such as "web-1 role=cron", instead of the file's; may be repeated`)
	f.DurationVar(&o.takes, "takes", time.Second, "how long a command takes")
	f.StringSliceVar(&o.states, "state", nil, "show only runs in these states, with commas between them")
	f.IntVar(&o.most, "most", 100_000, "how many due times to simulate at most")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(strings.Split(stateNames(), ", "), noFiles))
	return cmd
}

// world is what the flags and the jobs file say.
func (o simulateOptions) world(g *globals, args []string) (w simulate.World, err error) {
	w = simulate.World{From: o.from.Time, To: o.to.Time, Takes: o.takes, Most: o.most}
	if w.From.IsZero() {
		w.From = time.Now().UTC().Truncate(time.Second)
	}
	if w.To.IsZero() {
		w.To = w.From.AddDate(0, 0, 1)
	}
	switch {
	case !w.From.Before(w.To):
		return w, usagef("--to: want a time after --from, %s", stamp(w.From))
	case o.takes <= 0:
		return w, usagef("--takes: want a length of time such as 90s, got %s", o.takes)
	case o.most <= 0:
		return w, usagef("--most: want a number above 0")
	}
	for _, s := range o.states {
		if !slices.Contains(run.States, run.State(s)) {
			return w, usagef("--state %q: the states are %s", s, stateNames())
		}
	}
	for _, text := range o.faults {
		fault, err := simulate.ParseFault(text, w.From)
		if err != nil {
			return w, badFault(err)
		}
		w.Faults = append(w.Faults, fault)
	}
	f, err := job.Load(g.file)
	if err != nil {
		return w, err
	}
	if w.Hosts, err = o.fleet(f); err != nil {
		return w, err
	}
	if f.Fleet.EC2 != nil {
		w.ClaimWithin = f.Fleet.EC2.ClaimWithin
	}
	for _, j := range f.Jobs {
		if len(args) == 0 || j.Name == args[0] {
			w.Jobs = append(w.Jobs, j)
		}
	}
	if len(w.Jobs) == 0 && len(args) > 0 {
		return w, unknownJob(f, args[0])
	}
	return w, nil
}

// fleet is the hosts of the flags, or of the file.
func (o simulateOptions) fleet(f *job.File) ([]fleet.Host, error) {
	if len(o.hosts) == 0 {
		if f.Fleet.EC2 == nil && f.Fleet.Command == "" {
			return f.Fleet.Hosts, nil
		}
		return nil, &hintError{
			fmt.Errorf("%s does not list its hosts: they are %s", f.Path, fleetSize(f.Fleet)),
			`name some to simulate: --host "web-1 role=cron" --host "web-2 role=cron"`,
		}
	}
	var list []fleet.Host
	for _, text := range o.hosts {
		words := strings.Fields(text)
		if len(words) == 0 {
			return nil, usagef(`--host: want a name and tags such as "web-1 role=cron"`)
		}
		h := fleet.Host{ID: words[0], Address: "ssh://" + words[0], Tags: map[string]string{}}
		if f.Fleet.EC2 != nil {
			h.Address = fleet.ByAgent
		}
		for _, word := range words[1:] {
			key, value, ok := strings.Cut(word, "=")
			if !ok || key == "" {
				return nil, usagef("--host %s: want tags such as role=cron, got %q", h.ID, word)
			}
			h.Tags[key] = value
		}
		if slices.ContainsFunc(list, func(other fleet.Host) bool { return other.ID == h.ID }) {
			return nil, usagef("--host %s: it is there already", h.ID)
		}
		list = append(list, h)
	}
	return list, nil
}

func (o simulateOptions) show(g *globals, cmd *cobra.Command, w simulate.World) error {
	out, err := simulate.Run(cmd.Context(), w)
	switch {
	case errors.Is(err, simulate.ErrTooMany):
		return &hintError{err, "choose an earlier --to, one job, or a higher --most"}
	case err != nil:
		return badFault(err)
	}
	runs := make([]web.Run, 0, len(out.Runs))
	for _, r := range out.Runs {
		if len(o.states) > 0 && !slices.Contains(o.states, string(r.State)) {
			continue
		}
		v := web.ViewRun(r)
		v.Owner = "" // of a scheduler that there never was
		runs = append(runs, v)
	}
	return g.print(cmd, runs, func(s screen) string { return viewSimulated(runs, out, s) })
}

// badFault gives a fault's error its remedy.
func badFault(err error) error {
	var bad *simulate.FaultError
	if errors.As(err, &bad) {
		return &exitError{&hintError{bad, bad.Remedy}, codeUsage}
	}
	return err
}

func viewSimulated(runs []web.Run, out simulate.Outcome, s screen) string {
	if out.Due == 0 {
		return "nothing is due\n"
	}
	t := table{cut: true, head: []string{"DUE", "JOB", "STATE", "HOST", "START", "END", "REASON"}}
	for _, r := range runs {
		t.add(cell{text: stamp(r.Due)}, cell{text: r.Job}, stateCell(r.State), cell{text: r.Host},
			cell{text: instant(r.StartedAt)}, cell{text: instant(r.EndedAt)}, cell{text: reason(r)})
	}
	count := map[run.State]int{}
	for _, r := range out.Runs {
		count[r.State] += max(1, r.Count)
	}
	var counts []string
	for _, state := range run.States {
		if n := count[state]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, state))
		}
	}
	sum := counted(out.Due, "due time") + ": " + strings.Join(counts, ", ") + "\n"
	if len(runs) == 0 {
		return sum
	}
	return t.render(s) + "\n" + sum
}

// instant is a time for a table, empty if there is none.
func instant(t *time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(*t)
}
