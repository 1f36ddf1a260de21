package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/schedule"
	"github.com/solocron/solocron/web"
)

func newCheckCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Say everything that is wrong with the jobs file",
		Long: `Say everything that is wrong with the jobs file, each problem with its line and
what to write instead. Nothing that the file names is opened or asked.

With --output json the problems are an array of objects with file, line, column,
source, message and hint. Warnings go to standard error and change no exit code.

Exit codes: 0 no problems, 1 problems or no file, 2 usage.`,
		Args: words(0, 1, "at most one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := g.file
			if len(args) == 1 {
				path = args[0]
			}
			return check(g, cmd, path)
		},
	}
}

// problemView is a problem of a jobs file as scripts see it.
type problemView struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Source  string `json:"source"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

func check(g *globals, cmd *cobra.Command, path string) error {
	f, err := job.Load(path)
	var problems job.Problems
	if err != nil && (g.output != formatJSON || !errors.As(err, &problems)) {
		return err
	}
	views := make([]problemView, 0, len(problems))
	for _, p := range problems {
		views = append(views, problemView(p))
	}
	if f != nil {
		for _, w := range warnings(f, time.Now()) {
			cmd.PrintErrf("%s: warning: %s\n", path, sanitize(w))
		}
	}
	err = g.print(cmd, views, func(screen) string {
		return fmt.Sprintf("%s: %s, %s, no problems\n", path, counted(len(f.Jobs), "job"), fleetSize(f.Fleet))
	})
	if err == nil && len(problems) > 0 {
		return &exitError{code: codeError}
	}
	return err
}

func fleetSize(f job.Fleet) string {
	switch {
	case f.EC2 != nil:
		return "EC2 instances in " + f.EC2.Region
	case f.Command != "":
		return "hosts from a command"
	}
	return counted(len(f.Hosts), "host")
}

// warnings are what a valid file says and its author hardly means.
func warnings(f *job.File, now time.Time) (found []string) {
	for _, j := range f.Jobs {
		when, err := schedule.Parse(j.When)
		if err != nil {
			continue // a problem, which the file does not have
		}
		if _, ok := when.Next(now); !ok {
			found = append(found, fmt.Sprintf("job %s: %s is never due again", j.Name, when))
		}
		if len(f.Fleet.Hosts) > 0 && !matchesAny(f.Fleet, j) {
			found = append(found, fmt.Sprintf("job %s: no host of the fleet has the tags it asks for", j.Name))
		}
	}
	if err := web.CheckSocket(web.Socket(f)); err != nil {
		found = append(found, err.Error())
	}
	return found
}

func matchesAny(f job.Fleet, j job.Job) bool {
	for _, h := range f.Hosts {
		if _, ok := j.Hosts.Match(h.Tags); ok {
			return true
		}
	}
	return false
}
