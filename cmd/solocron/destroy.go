package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/stack/deploy"
)

func newDestroyCommand(g *globals) *cobra.Command {
	var name string
	var deleteLedger, jobsOnly bool
	c := &cobra.Command{
		Use:   "destroy",
		Short: "Take the stack of the jobs file out of AWS",
		Long: `Take the stack of the jobs file out of AWS: no job is started any more, the
schedules, the function, its rights and its code go. The ledger, which is the
table with the record of all runs, stays unless --delete-ledger says otherwise; a
later apply takes it up again, and owes nothing of the time between. Commands
that run on hosts go on.

The installation's name has to be typed, or given with --confirm.

Exit codes: 0 done, 1 error, or not confirmed, 2 usage.`,
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := deploy.DestroyOptions{Confirm: name, DeleteLedger: deleteLedger, JobsOnly: jobsOnly}
			return destroy(cmd, g, o)
		},
	}
	c.Flags().StringVar(&name, "confirm", "", "the installation's name, instead of being asked for it")
	c.Flags().BoolVar(&deleteLedger, "delete-ledger", false, "delete the table, too, and with it the record of all runs")
	c.Flags().BoolVar(&jobsOnly, "jobs-only", false, "leave the stack to who made it: only jobs and their schedules go")
	return c
}

func destroy(cmd *cobra.Command, g *globals, o deploy.DestroyOptions) error {
	a, err := g.openAccountOnly(cmd.Context())
	if err != nil {
		return err
	}
	p, err := a.PlanDestroy(cmd.Context(), a.installation, o)
	if err != nil {
		return err
	}
	if err := g.print(cmd, p, func(s screen) string { return viewDestroyPlan(p, s) }); err != nil || p.Empty() {
		return err
	}
	if o.Confirm == "" {
		if err := confirm(cmd, "Type "+p.Name+" to destroy this: ", p.Name, "--confirm "+p.Name); err != nil {
			return err
		}
		o.Confirm = p.Name
	}
	tell := newProgress(cmd.ErrOrStderr())
	a.Progress = tell.step
	err = a.Destroy(cmd.Context(), a.installation, o)
	tell.end()
	if err == nil {
		cmd.PrintErrln("destroyed")
	}
	return err
}

func viewDestroyPlan(p *deploy.DestroyPlan, s screen) string {
	v := &page{screen: s}
	fmt.Fprintf(v, "%s in %s, account %s\n", v.paint(bold, p.Name), p.Region, p.Account)
	if p.Empty() {
		v.WriteString("\nThere is nothing to destroy.\n")
		v.keeps(p)
		return v.String()
	}
	v.section("Goes")
	for _, gone := range []struct {
		there bool
		text  string
	}{
		{p.Stack != "", "the stack, which is " + p.Stack},
		{len(p.Jobs) > 0, counted(len(p.Jobs), "job") + ": " + strings.Join(p.Jobs[:min(len(p.Jobs), longest)], ", ")},
		{p.Schedules > 0, counted(p.Schedules, "schedule")},
		{p.Bucket != "", "the bucket " + p.Bucket},
		{p.Table != "" && p.DeleteTable, "the table " + p.Table + ", and with it the record of all runs"},
	} {
		if gone.there {
			fmt.Fprintf(v, "  %s %s\n", v.paint(red, "-"), sanitize(gone.text))
		}
	}
	v.keeps(p)
	for _, name := range p.Foreign {
		fmt.Fprintf(v, "  %s schedule %s is not solocron's: move it to another group first\n", v.paint(yellow, "!"), sanitize(name))
	}
	v.warnings(p.Warnings)
	return v.String()
}

// keeps tells what outlives the installation.
func (v *page) keeps(p *deploy.DestroyPlan) {
	if p.Table != "" && !p.DeleteTable {
		v.section("Stays")
		fmt.Fprintf(v, "  the table %s with the record of all runs; --delete-ledger deletes it\n", p.Table)
	}
}
