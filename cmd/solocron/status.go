package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/web"
)

// statusView is what status prints.
type statusView struct {
	Scheduler web.Status `json:"scheduler"`
	Jobs      []web.Job  `json:"jobs"`
}

func newStatusCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the scheduler and its jobs",
		Long: `Show the scheduler that is listening, and its jobs with their next due time, the
run under way and by whom they are paused.

Exit codes: 0 a scheduler answered, 1 none did, 2 usage.`,
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			var v statusView
			if v.Scheduler, err = c.Status(cmd.Context()); err != nil {
				return err
			}
			if v.Jobs, err = c.Jobs(cmd.Context()); err != nil {
				return err
			}
			return g.print(cmd, v, func(s screen) string { return viewStatus(v, s) })
		},
	}
}

func viewStatus(v statusView, s screen) string {
	about := table{}
	about.add(row("scheduler", v.Scheduler.Owner)...)
	about.add(row("version", v.Scheduler.Version)...)
	if v.Scheduler.File != "" { // a function has none
		about.add(row("jobs file", v.Scheduler.File)...)
	}
	about.add(row("ledger", v.Scheduler.Ledger)...)
	about.add(row("since", stamp(v.Scheduler.Started))...)
	about.add(row("running", counted(v.Scheduler.Running, "attempt"))...)
	if v.Scheduler.Halted != "" {
		about.add(cell{text: "halted"}, cell{v.Scheduler.Halted, red})
	}
	jobs := table{head: []string{"JOB", "SCHEDULE", "TIMEZONE", "NEXT", "RUNNING", "PAUSED"}}
	for _, j := range v.Jobs {
		next := "never"
		if j.Next != nil {
			next = stamp(*j.Next)
		}
		jobs.add(cell{text: j.Name}, cell{text: j.Schedule}, cell{text: j.Timezone}, cell{text: next},
			cell{j.Holder, cyan}, cell{paused(j.Pause), yellow})
	}
	return about.render(s) + "\n" + jobs.render(s)
}

func paused(p ledger.Pause) string {
	if !p.On {
		return ""
	}
	text := fmt.Sprintf("by %s since %s", p.By, stamp(p.At))
	if p.Note != "" {
		text += ": " + p.Note
	}
	return text
}
