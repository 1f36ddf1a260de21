package main

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/solocron/solocron/config"
	"github.com/solocron/solocron/config/cloud"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/deploy"
	"github.com/solocron/solocron/stack/function"
	"github.com/solocron/solocron/web"
)

// deployOptions are the flags of plan and apply.
type deployOptions struct {
	deploy.Options
	code string
}

func (o *deployOptions) flags(c *cobra.Command) {
	c.Flags().BoolVar(&o.Prune, "prune", false, "remove the jobs that left the file")
	o.where(c)
}

// where are the flags that say which code there should be, and where.
func (o *deployOptions) where(c *cobra.Command) {
	c.Flags().BoolVar(&o.JobsOnly, "jobs-only", false, "leave the stack to who made it by solocron template: only jobs and their schedules")
	c.Flags().StringVar(&o.Bucket, "bucket", "", "bucket for the function's code (default: one is made)")
	c.Flags().StringVar(&o.code, "code", "", "zip with the function's code (default: the one inside of this program)")
}

// account is the place that a jobs file is put to in AWS.
type account struct {
	*deploy.Account
	cfg          aws.Config
	installation *stack.Installation
	options      deploy.Options
}

// openAccount is openAccountOnly with the code that the function is to run.
func (g *globals) openAccount(ctx context.Context, o deployOptions) (*account, error) {
	var code function.Code
	if !o.JobsOnly {
		var err error
		if code, err = openCode(o.code); err != nil {
			return nil, err
		}
	}
	a, err := g.openAccountOnly(ctx)
	if err != nil {
		return nil, err
	}
	a.Code, a.options = code, o.Options
	return a, nil
}

// openAccountOnly reads the jobs file and finds the credentials. AWS is not
// asked for anything yet.
func (g *globals) openAccountOnly(ctx context.Context) (*account, error) {
	f, err := job.Load(g.file)
	if err != nil {
		return nil, err
	}
	i, err := stack.New(f)
	if err != nil {
		return nil, err
	}
	cfg, err := config.AWS(ctx, i.Region)
	if err != nil {
		return nil, err
	}
	a := deploy.New(cfg)
	a.Jobs = ledgerJobs{newFunctionClient(i.Name, i.Region)}
	a.Hosts = cloud.New(cfg, f.Fleet.EC2).Fleet()
	return &account{Account: a, cfg: cfg, installation: i}, nil
}

// ledgerJobs are the jobs and runs of the ledger, as the function tells them.
type ledgerJobs struct{ *web.Client }

// OpenRuns implements [deploy.Runs].
func (l ledgerJobs) OpenRuns(ctx context.Context) ([]string, error) {
	states := slices.DeleteFunc(slices.Clone(run.States), func(s run.State) bool { return !s.Open() })
	runs, err := l.Runs(ctx, web.Select{States: states})
	var open []string
	for _, r := range runs {
		open = append(open, r.ID)
	}
	slices.Sort(open)
	return open, err
}

func openCode(path string) (function.Code, error) {
	if path == "" {
		return function.Embedded()
	}
	return function.Open(path)
}

func (a *account) plan(ctx context.Context) (*deploy.Plan, error) {
	return a.Plan(ctx, a.installation, a.options)
}
