package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/web"
)

func newPauseCommand(g *globals) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "pause JOB",
		Short: "Keep a job's due times from running",
		Long: `Keep a job's due times from running until it is resumed. Each of them is recorded
as skipped (paused). A run under way goes on, and "solocron run" still works. A
pause outlives restarts and edits of the jobs file. Repeating it changes nothing.

Exit codes: 0 done, 1 error, 2 usage.`,
		Args:              words(1, 1, "one job"),
		ValidArgsFunction: g.completeJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			if err := c.Pause(cmd.Context(), args[0], web.Ask{By: asker(), Note: note}); err != nil {
				return err
			}
			return g.printPause(cmd, pauseView{args[0], true})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why, for whoever finds it paused")
	return cmd
}

func newResumeCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "resume JOB",
		Short: "Let a paused job's due times run again",
		Long: `Let a paused job's due times run again, from the next one on. What came due in
the pause stays skipped. Repeating it changes nothing.

Exit codes: 0 done, 1 error, 2 usage.`,
		Args:              words(1, 1, "one job"),
		ValidArgsFunction: g.completeJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			if err := c.Resume(cmd.Context(), args[0], web.Ask{By: asker()}); err != nil {
				return err
			}
			return g.printPause(cmd, pauseView{args[0], false})
		},
	}
}

// pauseView is what pause and resume print.
type pauseView struct {
	Job    string `json:"job"`
	Paused bool   `json:"paused"`
}

func (g *globals) printPause(cmd *cobra.Command, v pauseView) error {
	return g.print(cmd, v, func(screen) string {
		if v.Paused {
			return fmt.Sprintf("%s is paused\n", sanitize(v.Job))
		}
		return fmt.Sprintf("%s is not paused\n", sanitize(v.Job))
	})
}
