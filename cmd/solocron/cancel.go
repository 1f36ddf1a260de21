package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/web"
)

func newCancelCommand(g *globals) *cobra.Command {
	var kill bool
	cmd := &cobra.Command{
		Use:   "cancel RUN",
		Short: "End a run",
		Long: `End a run: at once if its command has not started, else by asking it to end
(TERM) and killing it after the job's grace, with everything it started. RUN is
a run's ID or a beginning of it that no other run shares.

It returns when the host has been asked; "solocron show" tells how the run
ended. A run that is over stays as it is, which is an error.

Exit codes: 0 done, 1 error, 2 usage.`,
		Args:              words(1, 1, "one run"),
		ValidArgsFunction: g.completeRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			id, err := findRun(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			r, err := c.Cancel(cmd.Context(), id, web.Ask{By: asker(), Kill: kill})
			if err != nil {
				return err
			}
			return g.print(cmd, r, func(s screen) string { return viewOutcome(r, s) })
		},
	}
	cmd.Flags().BoolVar(&kill, "kill", false, "without grace")
	return cmd
}

// viewOutcome is a run after an order was given, in one line.
func viewOutcome(r web.Run, s screen) string {
	state := s.paint(stateInk[r.State], string(r.State))
	switch {
	case r.State.Open() && r.Cancel != "":
		return fmt.Sprintf("%s is %s and was asked to end: %s\n", r.ID, state, sanitize(r.Cancel))
	case r.Reason != "":
		return fmt.Sprintf("%s is %s: %s\n", r.ID, state, sanitize(r.Reason))
	}
	return fmt.Sprintf("%s is %s\n", r.ID, state)
}
