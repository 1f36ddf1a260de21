package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/stack"
)

// Apply does what the plan says. It is [ErrStale], and nothing was changed, if
// the account or the file is no longer what the plan was made from; the options
// belong to the plan, too. After any other error, or an interruption, a new plan
// says what is left to do.
func (a *Account) Apply(ctx context.Context, i *stack.Installation, p *Plan, o Options) error {
	s, err := a.survey(ctx, i, o)
	if err != nil {
		return err
	}
	if err := stale(p.Base, s.base); err != nil {
		return err
	}
	fresh := false // the function was just made or changed
	if p.Stack.Action != None {
		if fresh, err = a.applyStack(ctx, i, s); err != nil {
			return err
		}
	}
	if err := a.applyDocument(ctx, i, s, fresh); err != nil {
		return err
	}
	if err := a.applyJobs(ctx, i, s, fresh); err != nil {
		return err
	}
	return a.applySchedules(ctx, i, s)
}

// applyStack brings the stack to where it is to be, and reports whether it had
// to.
func (a *Account) applyStack(ctx context.Context, i *stack.Installation, s *survey) (changed bool, err error) {
	if err := a.putCode(ctx, i, s.bucket); err != nil {
		return false, err
	}
	set, err := a.newChangeSet(ctx, i.Name, s.stack != nil, s.intent)
	switch {
	case errors.Is(err, errNoChanges):
		return false, nil
	case err != nil:
		return false, err
	}
	found, err := a.describeStack(ctx, i.Name)
	switch {
	case err != nil:
		return false, errors.Join(err, a.dropChangeSet(ctx, set))
	case found == nil:
		return false, fmt.Errorf("stack %s went away before its change set was executed", i.Name)
	}
	op, err := a.operation(ctx, i.Name, aws.ToString(found.StackId))
	if err != nil {
		return false, errors.Join(err, a.dropChangeSet(ctx, set))
	}
	if err := a.execute(ctx, set); err != nil {
		return false, errors.Join(err, a.dropChangeSet(ctx, set))
	}
	status, err := a.follow(ctx, op)
	if err != nil {
		return false, err
	}
	switch types.StackStatus(status) {
	case types.StackStatusCreateComplete, types.StackStatusUpdateComplete:
		return true, nil
	}
	return false, op.failure(status)
}

// execute starts the change. An answer that says that it has started already is
// one to a repetition.
func (a *Account) execute(ctx context.Context, set *changeSet) error {
	_, err := a.CloudFormation.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: &set.name, StackName: &set.stack, ClientRequestToken: &set.name})
	if err == nil {
		return nil
	}
	if out, look := a.describeChangeSet(context.WithoutCancel(ctx), set, nil); look == nil {
		switch out.ExecutionStatus {
		case types.ExecutionStatusExecuteInProgress, types.ExecutionStatusExecuteComplete:
			return nil
		case types.ExecutionStatusObsolete:
			return fmt.Errorf("%w: somebody else changed the stack just now; look at a new one", ErrStale)
		}
	}
	return fmt.Errorf("execute change set %s of stack %s: %w", set.name, set.stack, err)
}

// applyDocument makes the version of the document that is ours the one that
// commands are sent with.
func (a *Account) applyDocument(ctx context.Context, i *stack.Installation, s *survey, fresh bool) (err error) {
	version := s.document
	if fresh {
		if version, _, err = a.newDefault(ctx, i); err != nil {
			return err
		}
	}
	if version == "" {
		return nil
	}
	return a.setDefault(ctx, i, version)
}

// applyJobs brings the jobs into the ledger, and out of it.
func (a *Account) applyJobs(ctx context.Context, i *stack.Installation, s *survey, fresh bool) error {
	do := s.ledger.do
	if !s.asked {
		// Nobody could be asked before. The table may have been there, with jobs in
		// it, so what is put has to know them; what the plan could not show is left.
		err := a.await(ctx, fresh, func() (err error) { s.jobs, err = a.deployed(ctx); return err })
		if err != nil {
			return err
		}
		d, err := diffJobs(i.File.Jobs, s.jobs, false, a.now())
		if err != nil {
			return err
		}
		do = d.do
	}
	total, done := len(do.Put)+len(do.Retire), 0
	for _, c := range chunks(do) {
		err := a.await(ctx, fresh, func() error { return a.Jobs.Deploy(ctx, c) })
		if errors.Is(err, dispatch.ErrMoved) {
			return fmt.Errorf("%w: %w; look at a new one", ErrStale, err)
		}
		if err != nil {
			return fmt.Errorf("put jobs into the ledger: %w", err)
		}
		done += len(c.Put) + len(c.Retire)
		a.tell(Step{Part: "jobs", Text: "in the ledger", Done: done, Total: total})
	}
	return nil
}

// await calls the function; when it is fresh for some time, since its role may
// not be known everywhere yet.
func (a *Account) await(ctx context.Context, fresh bool, call func() error) error {
	limit := settling / 24 // a lost answer
	if fresh {
		limit = settling
	}
	told := false
	return settle(ctx, limit, func(err error) bool {
		if errors.Is(err, dispatch.ErrMoved) {
			return false
		}
		if !told {
			a.tell(Step{Part: "jobs", Text: "waiting for the function: " + err.Error()})
			told = true
		}
		return true
	}, call)
}
