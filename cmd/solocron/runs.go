package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

func newRunsCommand(g *globals) *cobra.Command {
	var states []string
	var since, until moment
	var limit int
	cmd := &cobra.Command{
		Use:   "runs [JOB]",
		Short: "List runs, the latest first",
		Long: `List the runs of a job or of all jobs, the latest due time first.

With --output json it prints an array of objects with id, job, due, state,
reason, host, exit_code, started_at, ended_at, attempts (each with n, host,
state, reason, exit_code, started_at, ended_at, fence) and further ones. Times
are RFC 3339 in UTC; what is not known is null. These names are stable.

The states are ` + stateNames() + `.

Exit codes: 0 done (also if there is no run), 1 error, 2 usage.`,
		Example: `  solocron runs nightly --limit 5
  solocron runs --state failed,lost --since 2d -o json`,
		Args:              words(0, 1, "at most one job"),
		ValidArgsFunction: g.completeJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			q := web.Select{Job: strings.Join(args, ""), Since: since.Time, Until: until.Time, Limit: limit}
			if limit < 0 {
				return usagef("--limit: want a number, 0 for all")
			}
			for _, s := range states {
				if !slices.Contains(run.States, run.State(s)) {
					return usagef("--state %q: the states are %s", s, stateNames())
				}
				q.States = append(q.States, run.State(s))
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			runs, err := c.Runs(cmd.Context(), q)
			if err != nil {
				return err
			}
			return g.print(cmd, runs, func(s screen) string { return viewRuns(runs, s) })
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&states, "state", nil, "only runs in these states, with commas between them")
	f.Var(&since, "since", "only runs due at or after this time: 2026-11-22T02:30:00Z, 2026-11-22, or 2h or 3d ago")
	f.Var(&until, "until", "only runs due before this time")
	f.IntVar(&limit, "limit", 50, "how many; 0 for all")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(strings.Split(stateNames(), ", "), noFiles))
	return cmd
}

func stateNames() string {
	var names []string
	for _, s := range run.States {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func viewRuns(runs []web.Run, s screen) string {
	if len(runs) == 0 {
		return "no runs\n"
	}
	t := table{cut: true, head: []string{"ID", "DUE", "STATE", "HOST", "EXIT", "TOOK", "REASON"}}
	for _, r := range runs {
		t.add(cell{text: r.ID}, cell{text: stamp(r.Due)}, stateCell(r.State), cell{text: r.Host},
			cell{text: exitText(r.ExitCode)}, cell{text: took(r.StartedAt, r.EndedAt)}, cell{text: reason(r)})
	}
	return t.render(s)
}

// reason is why the run is as it is; of a record for many due times, how many.
func reason(r web.Run) string {
	if r.Count > 1 && r.Until != nil {
		return fmt.Sprintf("%s (%d due times until %s)", cmp.Or(r.Reason, string(r.State)), r.Count, stamp(*r.Until))
	}
	return r.Reason
}

func exitText(code *int) string {
	if code == nil {
		return ""
	}
	return fmt.Sprint(*code)
}

// took is the time between two instants; empty unless both are known.
func took(start, end *time.Time) string {
	if start == nil || end == nil {
		return ""
	}
	return length(end.Sub(*start))
}

// tookText is took for the middle of a sentence.
func tookText(start, end *time.Time) string {
	if t := took(start, end); t != "" {
		return "after " + t
	}
	return ""
}
