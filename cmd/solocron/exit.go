package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/web"
)

// The exit codes of every command. Those of "run --wait" are in run.go.
const (
	codeError       = 1
	codeUsage       = 2
	codeInterrupted = 130 // as a shell reports SIGINT
)

// usageError says what is wrong with the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hintError is an error with the next step to take.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// exitError ends the program with a code of its own. Without an error in it
// nothing is printed.
type exitError struct {
	error
	code int
}

func (e *exitError) Unwrap() error { return e.error }

// report prints a command's error and returns the program's exit code.
func report(cmd *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	code := codeError
	var exit *exitError
	var usage usageError
	switch {
	case errors.As(err, &exit):
		code = exit.code
		if exit.error == nil {
			return code
		}
	case errors.As(err, &usage):
		code = codeUsage
	case errors.Is(err, context.Canceled):
		code = codeInterrupted
	}
	cmd.PrintErr(explain(cmd, err))
	return code
}

// explain is the error as people read it: the problems of a jobs file with
// their source lines, one line that says what went wrong, and a hint.
func explain(cmd *cobra.Command, err error) string {
	var b strings.Builder
	message, hint := err.Error(), ""
	var problems job.Problems
	var problem *web.Problem
	var hinted *hintError
	var usage usageError
	switch {
	case errors.As(err, &problems):
		fmt.Fprintln(&b, problems)
		message = counted(len(problems), "problem") + " in " + problems[0].File
	case errors.Is(err, context.Canceled):
		message = "interrupted"
	}
	switch {
	case errors.As(err, &hinted):
		hint = hinted.hint
	case errors.As(err, &problem):
		hint = problem.Hint
	case errors.As(err, &usage):
		hint = "see " + cmd.CommandPath() + " --help"
	}
	fmt.Fprintf(&b, "solocron: %s\n", block(message))
	if hint != "" {
		fmt.Fprintf(&b, "hint: %s\n", block(hint))
	}
	return b.String()
}

// words checks the number of arguments and names them when it is wrong.
func words(least, most int, names string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) >= least && len(args) <= most:
			return nil
		case most == 0:
			return fmt.Errorf("want no arguments, got %q", args)
		}
		return fmt.Errorf("want %s, got %s", names, counted(len(args), "argument"))
	}
}

// strict makes usage errors of what a command and those below it say about
// their arguments.
func strict(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		strict(c)
	}
}

// counted is "1 job", "2 jobs".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
