package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/stack/deploy"
)

func newApplyCommand(g *globals) *cobra.Command {
	var o deployOptions
	var yes bool
	c := &cobra.Command{
		Use:   "apply",
		Short: "Make AWS as the jobs file says",
		Long: `Make AWS as the jobs file says: show the plan, ask, then make or change the stack,
put the jobs into the ledger and their schedules in place. Only what differs is
touched. Jobs that left the file stay until --prune; a job that was paused stays
paused.

A plan that no longer fits, because somebody else changed something meanwhile, is
refused. An apply that was interrupted is made up for by the next.

Exit codes: 0 done, 1 error, or not confirmed, 2 usage.`,
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, p, err := g.showPlan(cmd, o)
			if err != nil || !p.Changed() {
				return err
			}
			if !yes {
				if err := confirm(cmd, "Type yes to apply this: ", "yes", "--yes"); err != nil {
					return err
				}
			}
			tell := newProgress(cmd.ErrOrStderr())
			a.Progress = tell.step
			err = a.Apply(cmd.Context(), a.installation, p, a.options)
			tell.end()
			if err == nil {
				cmd.PrintErrln("applied")
			}
			return err
		},
	}
	o.flags(c)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "don't ask")
	return c
}

// confirm asks on the terminal for a word. Without a terminal it is an error
// that names the flag instead.
func confirm(cmd *cobra.Command, question, want, flag string) error {
	if terminal(cmd.ErrOrStderr()) == nil {
		return usagef("nobody can be asked here; say it with %s", flag)
	}
	cmd.PrintErr(question)
	said := make(chan string, 1)
	go func() { // ends with the program if nobody answers
		line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		said <- strings.TrimSpace(line)
	}()
	select {
	case answer := <-said:
		if answer == want {
			return nil
		}
		return fmt.Errorf("not confirmed, nothing was changed")
	case <-cmd.Context().Done():
		return context.Cause(cmd.Context())
	}
}

// progress shows steps: each on a line of its own, and what is counted on one
// line that a terminal shows anew.
type progress struct {
	to      io.Writer
	live    bool // a terminal
	counted bool // the line that is shown anew has no end yet
}

func newProgress(to io.Writer) *progress { return &progress{to: to, live: terminal(to) != nil} }

func (p *progress) step(s deploy.Step) {
	if s.Total == 0 {
		p.end()
		fmt.Fprintf(p.to, "%s: %s\n", s.Part, sanitize(s.Text))
		return
	}
	if !p.live {
		if s.Done == s.Total {
			fmt.Fprintf(p.to, "%s: %d of %d\n", s.Part, s.Done, s.Total)
		}
		return
	}
	fmt.Fprintf(p.to, "\r%s: %d of %d\x1b[K", s.Part, s.Done, s.Total)
	p.counted = true
	if s.Done == s.Total {
		p.end()
	}
}

// end ends the line that is shown anew.
func (p *progress) end() {
	if p.counted {
		fmt.Fprintln(p.to)
		p.counted = false
	}
}
