package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

func newShowCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "show RUN",
		Short: "Tell the story of a run: attempts, why this host, output, notices",
		Long: `Tell the story of a run: when and how it ended, every attempt, every candidate
host with the reason it was or wasn't chosen, the output's beginning and end, and
who was told. RUN is a run's ID, a beginning of it that no other run shares, or a
job for its latest run.

Exit codes: 0 done, 1 error, 2 usage.`,
		Args:              words(1, 1, "one run"),
		ValidArgsFunction: g.completeRun,
		RunE: func(cmd *cobra.Command, args []string) error {
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
			return g.print(cmd, v, func(s screen) string { return viewStory(v, s) })
		},
	}
}

// viewStory is a run from beginning to end: each attempt followed by why its
// host was chosen and by what it printed.
func viewStory(v web.RunView, s screen) string {
	kept := map[int]web.Detail{}
	for _, d := range v.Details {
		kept[d.Attempt] = d
	}
	parts := []string{s.paint(bold, v.ID) + "\n" + viewFacts(v.Run, s)}
	for _, a := range v.Attempts {
		parts = append(parts, viewAttempt(a, s), viewPick(kept[a.N].Pick, s), viewOutput(v.ID, a.N, kept[a.N].Output, s))
	}
	parts = append(parts, viewPick(kept[0].Pick, s), viewNotices(v.Notices, s))
	var told []string
	for _, p := range parts {
		if p != "" {
			told = append(told, p)
		}
	}
	return strings.Join(told, "\n")
}

// facts is a table of names and values that leaves out what is empty.
type facts struct{ table }

func (f *facts) add(name, value string) {
	if value != "" {
		f.table.add(cell{name, faint}, cell{text: value})
	}
}

func viewFacts(r web.Run, s screen) string {
	f := facts{table{indent: "  "}}
	f.add("job", r.Job)
	f.add("due", stamp(r.Due))
	if r.Count > 1 && r.Until != nil {
		f.add("stands for", fmt.Sprintf("%d due times until %s", r.Count, stamp(*r.Until)))
	}
	f.add("trigger", trigger(r))
	f.rows = append(f.rows, []cell{{"state", faint}, stateCell(r.State)})
	f.add("reason", r.Reason)
	f.add("exit code", exitText(r.ExitCode))
	f.add("cancelled", r.Cancel)
	if r.StartedAt != nil {
		late := length(r.StartedAt.Sub(r.Due)) + " after its due time"
		if r.Trigger == run.Manual {
			late = "" // its due time is only the second in which it was asked for
		}
		f.add("started", precise(*r.StartedAt, late))
	}
	if r.EndedAt != nil {
		f.add("ended", precise(*r.EndedAt, tookText(r.StartedAt, r.EndedAt)))
	}
	if r.State == run.Planned && r.NotBefore != nil {
		f.add("not before", stamp(*r.NotBefore))
	}
	if r.State.Open() && r.StartedAt == nil && r.StartBy != nil {
		f.add("start by", stamp(*r.StartBy))
	}
	return f.render(s)
}

func trigger(r web.Run) string {
	words := map[run.Trigger]string{
		run.Scheduled: "the schedule", run.CaughtUp: "the schedule, caught up with", run.Manual: "by hand",
	}
	text := cmp.Or(words[r.Trigger], string(r.Trigger))
	if r.By != "" {
		text += ", " + r.By
	}
	return text
}

func viewAttempt(a web.Attempt, s screen) string {
	ink := stateInk[run.State(a.State)]
	title := fmt.Sprintf("%s %s\n", s.paint(bold, fmt.Sprintf("attempt %d on %s:", a.N, sanitize(a.Host))),
		s.paint(ink, strings.ReplaceAll(string(a.State), "_", " ")))
	f := facts{table{indent: "  "}}
	if a.State == run.AttemptNotStarted {
		f.add("proof", a.Reason)
	} else {
		f.add("reason", a.Reason)
	}
	f.add("exit code", exitText(a.ExitCode))
	if a.StartedAt != nil {
		f.add("started", precise(*a.StartedAt, ""))
	}
	if a.EndedAt != nil {
		f.add("ended", precise(*a.EndedAt, tookText(a.StartedAt, a.EndedAt)))
	}
	if a.Fence > 0 {
		f.add("fence", fmt.Sprint(a.Fence))
	}
	f.add("note", a.Note)
	return title + f.render(s)
}

// viewPick is every candidate and why it was or wasn't chosen.
func viewPick(p *fleet.Pick, s screen) string {
	if p == nil {
		return ""
	}
	title := "why no host"
	if p.Chosen != "" {
		title = "why " + p.Chosen
	}
	t := table{indent: "  ", head: []string{"HOST", "WHY"}}
	for _, c := range p.Candidates {
		ink := noInk
		if c.Host == p.Chosen {
			ink = green
		}
		t.add(cell{c.Host, ink}, cell{cmp.Or(c.Reason, c.Refused), ink})
	}
	if len(p.Candidates) == 0 {
		t = table{indent: "  ", rows: [][]cell{row("the fleet is empty")}}
	}
	return fmt.Sprintf("%s (pick: %s, seed %s)\n%s", s.paint(bold, sanitize(title)), p.Strategy, sanitize(p.Seed), t.render(s))
}

// How many lines of a long output are shown.
const (
	headLines = 15
	tailLines = 30
)

func viewOutput(id string, n int, o *guard.Output, s screen) string {
	if o == nil || o.Bytes == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimRight(block(string(o.Text())), "\n"), "\n")
	if gone := len(lines) - headLines - tailLines; gone > 1 {
		gap := fmt.Sprintf("[… %d lines are not shown …]", gone)
		lines = append(append(lines[:headLines:headLines], gap), lines[headLines+gone:]...)
	}
	title := s.paint(bold, fmt.Sprintf("output of attempt %d", n)) + fmt.Sprintf(" (%s; solocron logs %s --attempt %d)\n", counted(int(o.Bytes), "byte"), id, n)
	return title + "  " + strings.Join(lines, "\n  ") + "\n"
}
