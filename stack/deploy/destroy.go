package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/stack"
)

// DestroyOptions say what goes, and that it is meant.
type DestroyOptions struct {
	// Confirm is the installation's name.
	Confirm string
	// DeleteLedger deletes the table with all that is known of jobs and runs,
	// whoever made it.
	DeleteLedger bool
	// JobsOnly leaves the stack to who made it, and takes away the jobs and their
	// schedules alone.
	JobsOnly bool
}

// DestroyPlan is what Destroy would take away, and what stays.
type DestroyPlan struct {
	Name    string `json:"name"`
	Region  string `json:"region"`
	Account string `json:"account"`

	Stack     string   `json:"stack,omitempty"` // its status; empty if there is none
	Jobs      []string `json:"jobs"`            // those in force, which are retired first
	Schedules int      `json:"schedules"`       // which go with their group
	// Foreign schedules in the group are not solocron's. Destroy refuses to take
	// them along.
	Foreign []string `json:"foreign,omitempty"`

	Table       string `json:"table,omitempty"` // empty if there is none
	DeleteTable bool   `json:"delete_table"`    // else it stays
	Bucket      string `json:"bucket,omitempty"`

	Warnings []string `json:"warnings"`
}

// Empty reports whether there is nothing to take away.
func (p *DestroyPlan) Empty() bool {
	return p.Stack == "" && p.Bucket == "" && (p.Table == "" || !p.DeleteTable) && len(p.Jobs) == 0 && p.Schedules == 0
}

// remains is what there is to be taken away.
type remains struct {
	place     stack.Place
	stack     *standing
	review    string // the ID of a stack of which there is no more than a change set
	table     bool
	bucket    bucket // the installation's own, if it is made
	jobs      []dispatch.Deployed
	deaf      error // why the function could not be asked for the jobs
	schedules []found
}

func (a *Account) remains(ctx context.Context, i *stack.Installation, o DestroyOptions) (r *remains, err error) {
	r = &remains{}
	if r.place, err = a.place(ctx, i); err != nil {
		return nil, err
	}
	if o.JobsOnly {
		if o.DeleteLedger {
			return nil, fmt.Errorf("the ledger's table belongs to the stack, which stays: who made it deletes it")
		}
		r.jobs, r.deaf = a.deployed(ctx)
		if r.schedules, err = a.listed(ctx, i.Group()); err != nil {
			return nil, err
		}
		r.schedules, err = a.lookCloser(ctx, i, r.place, nil, rungFor(r.jobs), r.schedules)
		r.schedules = slices.DeleteFunc(r.schedules, func(f found) bool { return f.job == "" })
		return r, err
	}
	if r.stack, err = a.standing(ctx, i.Name); err != nil {
		return nil, err
	}
	if r.stack == nil {
		if s, err := a.describeStack(ctx, i.Name); err != nil {
			return nil, err
		} else if s != nil {
			r.review = aws.ToString(s.StackId)
		}
	}
	if r.table, err = a.table(ctx, i.Name); err != nil {
		return nil, err
	}
	if r.schedules, err = a.listed(ctx, i.Group()); err != nil {
		return nil, err
	}
	if r.stack.serves() {
		if r.jobs, r.deaf = a.deployed(ctx); !r.table {
			r.deaf = nil // there is no ledger to ask for, and none that stays
		}
	}
	r.bucket, err = a.ownBucket(ctx, i, r.place)
	return r, err
}

// foreign are the schedules in the group that ring for something that stays.
func (r *remains) foreign(i *stack.Installation) (names []string) {
	for _, f := range r.schedules {
		if f.target != r.place.Fill(i.FunctionARN()) {
			names = append(names, f.name)
		}
	}
	return names
}

// inForce are the jobs to retire.
func (r *remains) inForce() (leave []dispatch.Leaver) {
	for _, j := range r.jobs {
		if j.Retired.IsZero() {
			leave = append(leave, dispatch.Leaver{Name: j.Name, From: j.Hash})
		}
	}
	return leave
}

// PlanDestroy says what Destroy would do. It changes nothing.
func (a *Account) PlanDestroy(ctx context.Context, i *stack.Installation, o DestroyOptions) (*DestroyPlan, error) {
	r, err := a.remains(ctx, i, o)
	if err != nil {
		return nil, err
	}
	p := &DestroyPlan{
		Name: i.Name, Region: i.Region, Account: r.place.Account,
		Jobs: []string{}, Schedules: len(r.schedules), Foreign: r.foreign(i), DeleteTable: o.DeleteLedger, Warnings: []string{},
	}
	switch {
	case r.stack != nil:
		p.Stack = r.stack.status
	case r.review != "":
		p.Stack = string(types.StackStatusReviewInProgress)
	}
	for _, l := range r.inForce() {
		p.Jobs = append(p.Jobs, l.Name)
	}
	if r.table {
		p.Table = i.Name
	}
	if r.bucket.made {
		p.Bucket = r.bucket.name
	}
	if r.deaf != nil {
		p.Warnings = append(p.Warnings, r.deaf.Error())
	}
	if runs, ok := a.Jobs.(Runs); ok && (r.stack.serves() || o.JobsOnly) && r.deaf == nil {
		open, err := runs.OpenRuns(ctx)
		switch {
		case err != nil:
			p.Warnings = append(p.Warnings, fmt.Sprintf("nobody can say which runs are open: %v", err))
		case len(open) == 1:
			p.Warnings = append(p.Warnings, "1 open run will not be followed to its end: "+open[0])
		case len(open) > 1:
			p.Warnings = append(p.Warnings, fmt.Sprintf("%d open runs will not be followed to their end: %s", len(open), list(open)))
		}
	}
	return p, nil
}

// Destroy takes the installation away, but for the ledger's table. Jobs are
// retired first: the table may outlive the stack, and who applies the file again
// would else be owed all due times in between. Repeating is safe, after an error
// or an interruption, too.
func (a *Account) Destroy(ctx context.Context, i *stack.Installation, o DestroyOptions) error {
	if o.Confirm != i.Name {
		return fmt.Errorf("destroy %s: %q was confirmed", i.Name, o.Confirm)
	}
	r, err := a.remains(ctx, i, o)
	if err != nil {
		return err
	}
	if o.JobsOnly {
		return a.destroyJobs(ctx, i, r)
	}
	if f := r.foreign(i); len(f) > 0 && r.stack != nil {
		return fmt.Errorf("schedule group %s holds schedules that are not solocron's, and would go with it: %s; move them, or delete them yourself", i.Group(), list(f))
	}
	if r.stack != nil && busy(r.stack.status) && types.StackStatus(r.stack.status) != types.StackStatusDeleteInProgress {
		return r.stack.ready(i.Name)
	}
	if !o.DeleteLedger {
		if err := a.retire(ctx, i, r); err != nil {
			return err
		}
	}
	if err := a.deleteStack(ctx, i, r); err != nil {
		return err
	}
	if err := a.removeBucket(ctx, r.bucket); err != nil {
		return err
	}
	if o.DeleteLedger {
		return a.deleteTable(ctx, i.Name)
	}
	return nil
}

// destroyJobs takes away what an apply with JobsOnly made.
func (a *Account) destroyJobs(ctx context.Context, i *stack.Installation, r *remains) error {
	if err := a.retire(ctx, i, r); err != nil {
		return err
	}
	return a.each(ctx, len(r.schedules), func(ctx context.Context, n int) error {
		return a.deleteSchedule(ctx, i, r.schedules[n].name)
	})
}

// retire takes all jobs out of force.
func (a *Account) retire(ctx context.Context, i *stack.Installation, r *remains) error {
	err := r.deaf
	leave := r.inForce()
	for n, c := range chunks(dispatch.Deployment{Retire: leave}) {
		err = a.await(ctx, false, func() error { return a.Jobs.Deploy(ctx, c) })
		if err != nil {
			break
		}
		a.tell(Step{Part: "jobs", Text: "retired", Done: min((n+1)*maxJobs, len(leave)), Total: len(leave)})
	}
	switch {
	case errors.Is(err, dispatch.ErrMoved):
		return fmt.Errorf("%w: %w; try again", ErrStale, err)
	case err != nil:
		return fmt.Errorf("retire the jobs, so that the ledger which stays owes no run: %w; nothing was taken away. --delete-ledger, or aws cloudformation delete-stack --stack-name %s, goes without", err, i.Name)
	}
	return nil
}

// deleteStack deletes the stack, and its schedule group with all schedules, and
// waits until it is gone.
func (a *Account) deleteStack(ctx context.Context, i *stack.Installation, r *remains) error {
	if r.review != "" {
		_, err := a.CloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &r.review})
		if err != nil && !noStack(err) {
			return fmt.Errorf("delete stack %s: %w", i.Name, err)
		}
	}
	if r.stack == nil {
		return nil
	}
	op, err := a.operation(ctx, i.Name, r.stack.id)
	if err != nil {
		return err
	}
	op.removes = true
	// One that goes already may have ended before anybody listened.
	op.ended = types.StackStatus(r.stack.status) == types.StackStatusDeleteInProgress
	if !op.ended {
		_, err := a.CloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &r.stack.id})
		if err != nil && !noStack(err) {
			return fmt.Errorf("delete stack %s: %w", i.Name, err)
		}
	}
	status, err := a.follow(ctx, op)
	switch {
	case err != nil:
		return err
	case status != "":
		return op.failure(status)
	}
	a.tell(Step{Part: "stack", Text: "deleted"})
	return nil
}
