package main

import (
	"github.com/spf13/cobra"

	"github.com/solocron/solocron/stack/deploy"
)

// codeChanges is what plan --detailed-exitcode exits with if there is something
// to apply, as Terraform does.
const codeChanges = 2

func newPlanCommand(g *globals) *cobra.Command {
	var o deployOptions
	var detailed bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would change in AWS",
		Long: `Show what apply would change in AWS: the stack, as a change set of CloudFormation
tells it; jobs that are added, changed or removed, with their next due times
before and after; the hosts that match now, and why others don't; the rights that
roles get or lose; what it costs in a month; and what is worth a warning.

Nothing is changed. The change set is deleted again.

Exit codes: 0 done, 1 error, 2 usage. With --detailed-exitcode: 0 nothing to
change, 1 error, 2 there are changes.`,
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, p, err := g.showPlan(cmd, o)
			if err != nil {
				return err
			}
			if p.Changed() {
				cmd.PrintErrln("solocron apply does this")
			}
			if detailed && p.Changed() {
				return &exitError{code: codeChanges}
			}
			return nil
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 if there is something to change")
	return c
}

// showPlan makes the plan and prints it.
func (g *globals) showPlan(cmd *cobra.Command, o deployOptions) (*account, *deploy.Plan, error) {
	a, err := g.openAccount(cmd.Context(), o)
	if err != nil {
		return nil, nil, err
	}
	p, err := a.plan(cmd.Context())
	if err != nil {
		return nil, nil, err
	}
	return a, p, g.print(cmd, p, func(s screen) string { return viewPlan(p, s) })
}
