package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

func newResolveCommand(g *globals) *cobra.Command {
	var ask web.Ask
	var as string
	cmd := &cobra.Command{
		Use:   "resolve RUN --as STATE | --rerun",
		Short: "Say what a lost run came to, or start it again",
		Long: `Say what a lost run came to. A run is lost when its command may have run and
nobody can know how it ended; with most overlap policies it keeps the job's next
runs from starting until its host comes back with the result or a person decides
here.

Find out first: with --rerun the command starts again, and if the lost one is
still running there are two of them. RUN is a run's ID or a beginning of it that
no other run shares.

Exit codes: 0 done, 1 error (also if the run is not lost), 2 usage.`,
		Example: `  solocron resolve nightly@20261122T023000Z --as succeeded --note "saw the report"
  solocron resolve nightly@20261122T023000Z --rerun`,
		Args:              words(1, 1, "one run"),
		ValidArgsFunction: g.completeRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			ask.By, ask.As = asker(), run.State(as)
			if err := checkResolve(ask); err != nil {
				return err
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			id, err := findRun(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			r, err := c.Resolve(cmd.Context(), id, ask)
			if err != nil {
				return err
			}
			return g.print(cmd, r, func(s screen) string { return viewOutcome(r, s) })
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "what it came to: succeeded, failed or cancelled")
	cmd.Flags().BoolVar(&ask.Rerun, "rerun", false, "start it again")
	cmd.Flags().StringVar(&ask.Note, "note", "", "how you know, for the record")
	_ = cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions([]string{"succeeded", "failed", "cancelled"}, noFiles))
	return cmd
}

func checkResolve(ask web.Ask) error {
	results := []run.State{run.Succeeded, run.Failed, run.Cancelled}
	switch {
	case ask.Rerun == (ask.As != ""):
		return usagef("give one of --as and --rerun")
	case ask.As != "" && !slices.Contains(results, ask.As):
		return usagef("--as: want succeeded, failed or cancelled, got %q", ask.As)
	}
	return nil
}
