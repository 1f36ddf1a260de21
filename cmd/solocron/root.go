package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// globals are the flags that every command has.
type globals struct {
	file     string
	socket   string
	function string
	output   format
	noColor  bool
}

const defaultFile = "solocron.yaml"

// The headings of the command list.
const (
	groupFile  = "file"
	groupServe = "serve"
	groupAWS   = "aws"
	groupRuns  = "runs"
	groupJobs  = "jobs"
)

func newRootCommand() *cobra.Command {
	g := &globals{output: formatTable}
	root := &cobra.Command{
		Use:   "solocron",
		Short: "Cron that runs on exactly one server of your fleet",
		Long: `Cron that runs on exactly one server of your fleet.

A running scheduler is found at its unix socket; or, with --function, in AWS
Lambda. A function is asked by invoking it with the ordinary AWS credentials:
who is allowed lambda:InvokeFunction on it may do everything.

Every flag can also be given as a variable: --no-color as SOLOCRON_NO_COLOR=1.
Only --attempt can't, since SOLOCRON_ATTEMPT is what a job's command is told.

Exit codes: 0 done, 1 error, 2 usage, 130 interrupted. The help of a command
names its further ones.`,
		Version:       version(),
		Args:          knownCommand,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return fromEnvironment(cmd.Flags())
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVarP(&g.file, "file", "f", defaultFile, "jobs file")
	flags.StringVar(&g.socket, "socket", "", "unix socket of the scheduler (default: beside the ledger of the jobs file)")
	flags.StringVar(&g.function, "function", "", "name or ARN of the Lambda function that schedules, instead of a socket; needs lambda:InvokeFunction on it")
	flags.VarP(&g.output, "output", "o", "table or json")
	flags.BoolVar(&g.noColor, "no-color", false, "no colors; as NO_COLOR does")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(formatTable), string(formatJSON)}, cobra.ShellCompDirectiveNoFileComp))

	root.AddGroup(
		&cobra.Group{ID: groupFile, Title: "Write the jobs file:"},
		&cobra.Group{ID: groupServe, Title: "Run the scheduler:"},
		&cobra.Group{ID: groupAWS, Title: "Run it in AWS:"},
		&cobra.Group{ID: groupRuns, Title: "Look after runs:"},
		&cobra.Group{ID: groupJobs, Title: "Look after jobs and hosts:"},
	)
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group(groupFile, newInitCommand(g), newCheckCommand(g), newNextCommand(g), newSimulateCommand(g), newSchemaCommand())
	group(groupServe, newServeCommand(g), newStatusCommand(g), newLedgerCommand(g))
	group(groupAWS, newPlanCommand(g), newApplyCommand(g), newDestroyCommand(g), newDoctorCommand(g), newTemplateCommand(g), newIAMCommand(g))
	group(groupRuns, newRunCommand(g), newRunsCommand(g), newShowCommand(g), newLogsCommand(g), newCancelCommand(g), newResolveCommand(g))
	group(groupJobs, newHostsCommand(g), newPauseCommand(g), newResumeCommand(g))
	root.AddCommand(newVersionCommand(g))
	root.InitDefaultCompletionCmd()
	strict(root)
	return root
}

// knownCommand sees only words that are no command.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("there is no command %q", args[0])
	root.SuggestionsMinimumDistance = 2
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		message += fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
	}
	return errors.New(message)
}

// notFromEnvironment are the flags whose variable means something else: what
// the guard tells a job's command, which may itself call solocron, or what an
// image is tagged with.
var notFromEnvironment = map[string]bool{"attempt": true, "help": true, "version": true}

// fromEnvironment sets the flags that the command line left out.
func fromEnvironment(flags *pflag.FlagSet) error {
	var problems []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "SOLOCRON_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := os.Getenv(name)
		if f.Changed || value == "" || notFromEnvironment[f.Name] {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			problems = append(problems, fmt.Errorf("%s=%s: %w", name, value, cmp.Or(errors.Unwrap(err), err)))
		}
	})
	if len(problems) > 0 {
		return usageError{errors.Join(problems...)}
	}
	return nil
}

// format is how a command prints what it was asked for.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
)

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "FORMAT" }

func (f *format) Set(s string) error {
	if s != string(formatTable) && s != string(formatJSON) {
		return fmt.Errorf("want table or json, got %q", s)
	}
	*f = format(s)
	return nil
}
