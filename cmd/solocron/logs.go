package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/web"
)

func newLogsCommand(g *globals) *cobra.Command {
	var follow bool
	var attempt int
	cmd := &cobra.Command{
		Use:   "logs RUN",
		Short: "Print a run's output",
		Long: `Print the output of a run's latest attempt. RUN is a run's ID, a beginning of it
that no other run shares, or a job for its latest run.

It comes byte for byte; only on a terminal marks stand for what that would obey,
such as colors and movements of the cursor. "solocron logs RUN | cat" shows them.

While the host can be reached the output comes from there, whole up to the job's
output-limit; else from the ledger, which keeps the beginning and the end.

With --follow it prints the output of every attempt as it comes, until the run
is over. The exit code says nothing about the run's end: see "solocron show".

Exit codes: 0 done, 1 error, 2 usage, 130 interrupted.`,
		Args:              words(1, 1, "one run"),
		ValidArgsFunction: g.completeRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			if attempt < 0 {
				return usagef("--attempt: want a number from 1")
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			id, err := findLatest(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			v, err := c.Run(cmd.Context(), id)
			if err != nil {
				return err
			}
			if attempt > len(v.Attempts) && !(follow && v.State.Open()) {
				return fmt.Errorf("run %s has no attempt %d, only %d", id, attempt, len(v.Attempts))
			}
			f := follower{client: c, out: shown(cmd.OutOrStdout()), talk: talkTo(cmd), only: attempt}
			if follow {
				_, err := f.follow(cmd.Context(), v.Run)
				return err
			}
			return f.printOnce(cmd, v.Run)
		},
	}
	// Here -f is what it is for tail(1), so --file has to do without it.
	cmd.Flags().StringVar(&g.file, "file", defaultFile, "jobs file")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run is over")
	cmd.Flags().IntVar(&attempt, "attempt", 0, "only this attempt's output, from 1 (default: the latest, with --follow all)")
	return cmd
}

// printOnce writes the output that there is by now.
func (f *follower) printOnce(cmd *cobra.Command, r web.Run) error {
	n := f.only
	if n == 0 {
		n = len(r.Attempts)
	}
	if n == 0 {
		f.talk("run %s is %s and has no output", r.ID, r.State)
		return nil
	}
	_, trouble, err := f.drain(cmd.Context(), r.ID, n, 0)
	if err == nil {
		err = trouble
	}
	return err
}
