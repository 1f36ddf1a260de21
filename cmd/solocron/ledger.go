package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/config"
	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/lastseen"
	"github.com/solocron/solocron/run"
)

func newLedgerCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "ledger",
		Short: "Look after the ledger",
		Args:  words(1, 1, "a command"),
		RunE: func(c *cobra.Command, args []string) error {
			return usagef("there is no command %q", c.CommandPath()+" "+args[0])
		},
	}
	c.AddCommand(newLedgerResumeCommand(g))
	return c
}

func newLedgerResumeCommand(g *globals) *cobra.Command {
	var accept bool
	c := &cobra.Command{
		Use:   "resume",
		Short: "Go on with a ledger that went back in time",
		Long: `Go on with a ledger that went back in time: one that was restored from a backup,
served by a standby that had not heard of everything, or replaced. It has
forgotten which runs were started since, so schedulers refuse it.

The better way out is the latest copy of the ledger, put back. Without it, this
command shows what is missing, and with --accept-gap makes the ledger one to
schedule by: nothing that may have been started in the gap starts again. Due
times in the gap are recorded as skipped (forgotten), runs that had not started
are skipped, those under way are lost until their hosts tell or a person resolves
them, and every job goes on with the first due time from now on.

A command that was started in the gap may be running still: look at the hosts
first, because the ledger can't keep the job's next run from starting beside it.

Stop the schedulers first. This works on the ledger of the jobs file, on the
machine of the scheduler; it remembers how far the ledger had come. Repeating is
safe.

Exit codes: 0 done, or nothing to do; 1 error, 2 usage.`,
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := g.resumeLedger(cmd.Context(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)), accept)
			if err != nil {
				return err
			}
			return g.print(cmd, v, func(s screen) string { return viewGap(v, s) })
		},
	}
	c.Flags().BoolVar(&accept, "accept-gap", false, "do it: what ran in the gap is not known, and won't be run again")
	return c
}

// gapView is what ledger resume prints.
type gapView struct {
	Ledger  string       `json:"ledger"`
	Problem string       `json:"problem,omitempty"` // empty if there is nothing to do
	Is      ledger.Mark  `json:"is"`
	Seen    *ledger.Mark `json:"seen"`
	Memory  string       `json:"memory"` // the file in which this machine remembers it
	From    time.Time    `json:"from"`
	Until   time.Time    `json:"until"`
	Jobs    []gapJob     `json:"jobs"`
	Runs    []gapRun     `json:"runs"`
	Done    bool         `json:"done"`
}

type gapJob struct {
	Job   string    `json:"job"`
	Count int       `json:"due_times"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

type gapRun struct {
	ID    string    `json:"id"`
	State run.State `json:"state"`
	Host  string    `json:"host,omitempty"`
}

func (g *globals) resumeLedger(ctx context.Context, log *slog.Logger, accept bool) (v gapView, err error) {
	file, err := job.Load(g.file)
	if err != nil {
		return v, err
	}
	memory, err := config.Seen(file)
	if err != nil {
		return v, err
	}
	seen, broken := memory.Read()
	if gone := config.Gone(file, seen); gone != nil && !accept {
		return v, &hintError{fmt.Errorf("ledger %s: %w", file.Ledger, gone), hintGone}
	}
	if config.Missing(file) && !accept {
		return v, fmt.Errorf("ledger %s: there is none", file.Ledger) // opening it would make one
	}
	parts, err := config.Open(ctx, file, log)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, parts.Close()) }()
	if err := alone(ctx, parts); err != nil {
		return v, err
	}
	d := dispatch.New(dispatch.Options{
		Ledger: parts.Ledger, Fleet: parts.Fleet, Executor: parts.Executor, Secret: config.Secret, Log: log,
		Seen: seen, Remember: memory.Write,
	})
	gap, err := d.Gap(ctx)
	if err != nil {
		return v, err
	}
	v = viewOf(parts.Where, gap)
	v.Memory = memory.Path()
	if problem := errors.Join(broken, gap.Ledger.Follows(seen)); problem != nil {
		v.Problem = problem.Error()
	}
	if v.Problem == "" || !accept {
		return v, nil
	}
	if _, err := d.Resume(ctx, file, gap); err != nil {
		return v, fmt.Errorf("ledger %s: resume: %w; repeating it is safe", parts.Where, err)
	}
	v.Done = true
	return v, nil
}

// alone refuses a ledger that somebody is at work on.
func alone(ctx context.Context, parts *config.Parts) error {
	if parts.Sole {
		return nil // it could not have been opened
	}
	owners, err := parts.Ledger.Owners(ctx, time.Now())
	if err != nil || len(owners) == 0 {
		return err
	}
	return &hintError{
		fmt.Errorf("ledger %s: at work on it: %s", parts.Where, strings.Join(owners, ", ")),
		"stop every scheduler first; one that was killed counts for 20 seconds more",
	}
}

func viewOf(where string, gap dispatch.Gap) gapView {
	v := gapView{Ledger: where, Is: gap.Ledger, From: gap.From, Until: gap.Until, Jobs: []gapJob{}, Runs: []gapRun{}}
	if gap.Seen.Ledger != "" {
		v.Seen = &gap.Seen
	}
	for _, j := range gap.Jobs {
		v.Jobs = append(v.Jobs, gapJob{j.Job, j.Count, j.First, j.Last})
	}
	for _, r := range gap.Runs {
		v.Runs = append(v.Runs, gapRun{r.ID, r.State, r.Host()})
	}
	return v
}

func viewGap(v gapView, s screen) string {
	if v.Problem == "" {
		return "the ledger is the latest that was seen; there is nothing to resume\n"
	}
	about := table{}
	about.add(row("ledger", v.Ledger)...)
	about.add(cell{text: "problem"}, cell{v.Problem, red})
	about.add(row("not known", stamp(v.From)+" to "+stamp(v.Until))...)
	text := about.render(s)
	if len(v.Jobs) > 0 {
		jobs := table{head: []string{"JOB", "DUE IN THE GAP", "FIRST", "LAST"}}
		for _, j := range v.Jobs {
			jobs.add(row(j.Job, counted(j.Count, "time"), stamp(j.First), stamp(j.Last))...)
		}
		text += "\n" + jobs.render(s)
	}
	if len(v.Runs) > 0 {
		runs := table{head: []string{"RUN", "STATE", "HOST", "BECOMES"}}
		for _, r := range v.Runs {
			becomes := "lost"
			if r.State == run.Planned {
				becomes = "skipped"
			}
			runs.add(row(r.ID, string(r.State), r.Host, becomes)...)
		}
		text += "\n" + runs.render(s)
	}
	if v.Done {
		return text + "\nthe gap is accepted: start the scheduler again; every job goes on with its first due time from now on\n"
	}
	return text + "\nnothing was changed; look at the hosts for commands that are running still, then give --accept-gap\n"
}

const (
	hintWentBack = "put the latest copy of it back, or see what is missing with solocron ledger resume"
	hintGone     = "put the latest copy of it back, or begin anew with solocron ledger resume --accept-gap"
)

// remembered is what this machine remembers of the file's ledger. It refuses one
// that is gone, and a memory that can't be read.
func remembered(file *job.File) (lastseen.File, ledger.Mark, error) {
	memory, err := config.Seen(file)
	if err != nil {
		return memory, ledger.Mark{}, err
	}
	seen, err := memory.Read()
	if err != nil {
		return memory, seen, &hintError{fmt.Errorf("ledger %s: %w", config.Shown(file.Ledger), err), hintWentBack}
	}
	if err := config.Gone(file, seen); err != nil {
		return memory, seen, &hintError{fmt.Errorf("ledger %s: %w", config.Shown(file.Ledger), err), hintGone}
	}
	return memory, seen, nil
}
