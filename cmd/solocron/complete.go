package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/web"
)

const noFiles = cobra.ShellCompDirectiveNoFileComp

// completeJob completes the names of the jobs file's jobs.
func (g *globals) completeJob(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 || fromEnvironment(cmd.Flags()) != nil {
		return nil, noFiles
	}
	f, err := job.Load(g.file)
	if err != nil {
		return nil, noFiles
	}
	var names []cobra.Completion
	for _, j := range f.Jobs {
		names = append(names, cobra.CompletionWithDesc(j.Name, sanitize(j.When.Expr)))
	}
	return names, noFiles
}

// completeRun completes the IDs of the latest runs, if a scheduler answers
// before the person at the keyboard wonders.
func (g *globals) completeRun(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 || fromEnvironment(cmd.Flags()) != nil {
		return nil, noFiles
	}
	c, err := g.client()
	if err != nil {
		return nil, noFiles
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	runs, err := c.Runs(ctx, web.Select{Limit: 50})
	if err != nil {
		return nil, noFiles
	}
	var ids []cobra.Completion
	for _, r := range runs {
		ids = append(ids, cobra.CompletionWithDesc(r.ID, string(r.State)))
	}
	return ids, noFiles | cobra.ShellCompDirectiveKeepOrder
}

// unknownJob says that a jobs file has no such job, and which ones it has.
func unknownJob(f *job.File, name string) error {
	const most = 10
	names := make([]string, 0, len(f.Jobs))
	for _, j := range f.Jobs {
		names = append(names, j.Name)
	}
	slices.Sort(names)
	hint := "its jobs are " + strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		hint += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return &hintError{fmt.Errorf("%s has no job %s", f.Path, name), hint}
}
