package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

// The exit codes of "run --wait" besides the command's own.
const (
	codeTimedOut = 124 // as timeout(1)
	codeNoResult = 255 // as ssh(1)
)

func newRunCommand(g *globals) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "run JOB",
		Short: "Start a job now",
		Long: `Start a job now, as an occurrence of its own, and print the run's ID. The overlap
policy applies; a pause does not.

With --wait it prints the command's output as it comes and ends when the run
does. With --output json it prints the run as "solocron runs" does, and no
output. Interrupting it leaves the run alone.

Exit codes: 0 done, 1 error, 2 usage. With --wait the command's own code; 124 if
it ran into its timeout; 255 if it could not be started, was skipped, cancelled
or lost, or if nobody could say how it ended; 130 if interrupted.`,
		Args:              words(1, 1, "one job"),
		ValidArgsFunction: g.completeJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wait {
				return g.runAndWait(cmd, args[0])
			}
			r, err := g.runNow(cmd, args[0])
			if err != nil {
				return err
			}
			return g.print(cmd, r, func(screen) string { return r.ID + "\n" })
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "print the output and end with the command's exit code")
	return cmd
}

func (g *globals) runNow(cmd *cobra.Command, name string) (web.Run, error) {
	c, err := g.client()
	if err != nil {
		return web.Run{}, err
	}
	return c.RunNow(cmd.Context(), name, web.Ask{By: asker()})
}

// runAndWait returns an error that holds the exit code, unless that is 0.
func (g *globals) runAndWait(cmd *cobra.Command, name string) error {
	r, err := g.runNow(cmd, name)
	if err != nil {
		return noResult(err)
	}
	talk := talkTo(cmd)
	talk("run %s", r.ID)
	if r, err = g.await(cmd, r, talk); err != nil {
		return noResult(stillGoing(r.ID, err))
	}
	if g.output == formatJSON {
		err = g.print(cmd, r, nil)
	}
	talk("%s", outcome(r))
	if code := waitCode(r); err == nil && code != 0 {
		return &exitError{code: code}
	}
	return err
}

// await follows the run to its end.
func (g *globals) await(cmd *cobra.Command, r web.Run, talk func(string, ...any)) (web.Run, error) {
	c, err := g.client()
	if err != nil {
		return r, err
	}
	f := follower{client: c, out: shown(cmd.OutOrStdout()), talk: talk}
	if g.output != formatJSON {
		return f.follow(cmd.Context(), r)
	}
	for r.State.Open() && err == nil {
		var next web.Run
		if next, err = f.wait(cmd.Context(), r); err == nil {
			r = next
		}
	}
	return r, err
}

// stillGoing says what becomes of the run when its follower leaves.
func stillGoing(id string, err error) error {
	if errors.Is(err, context.Canceled) {
		return &hintError{err, "the run goes on; solocron cancel " + id + " ends it"}
	}
	return &hintError{err, "solocron show " + id + " tells how the run ended"}
}

// noResult gives an error the exit code that no command's own may be mistaken
// for. An interruption keeps its own.
func noResult(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &exitError{err, codeNoResult}
}

// waitCode is the exit code of "run --wait" for a run that is over.
func waitCode(r web.Run) int {
	switch {
	case r.State == run.Succeeded:
		return 0
	case r.State == run.TimedOut:
		return codeTimedOut
	case r.State == run.Failed && r.ExitCode != nil && *r.ExitCode != 0:
		return *r.ExitCode
	}
	return codeNoResult
}

// outcome is how a run ended, in a few words.
func outcome(r web.Run) string {
	text := string(r.State)
	if r.State == run.Failed && r.ExitCode != nil {
		text += fmt.Sprintf(" with exit code %d", *r.ExitCode)
	}
	if r.Host != "" {
		text += " on " + r.Host
	}
	if t := took(r.StartedAt, r.EndedAt); t != "" {
		text += " after " + t
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

// talkTo returns a function that tells people something on standard error.
func talkTo(cmd *cobra.Command) func(format string, args ...any) {
	return func(format string, args ...any) {
		cmd.PrintErrf("solocron: %s\n", sanitize(fmt.Sprintf(format, args...)))
	}
}
