package ssmexec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// Start has SSM make one command of the order. Everything that can be wrong
// with it is found before grant is called. See [executor.Executor].
func (e *Executor) Start(ctx context.Context, h fleet.Host, o guard.Order, grant func(context.Context) error) error {
	in, err := e.command(ctx, h, o)
	switch {
	case ctx.Err() != nil:
		return &executor.NotStarted{Proof: noGo, Err: context.Cause(ctx)}
	case err != nil:
		return &executor.NotStarted{Proof: notSent, Err: err}
	}
	if err := grant(ctx); err != nil {
		return &executor.NotStarted{Proof: noGo, Err: err}
	}
	id, err := e.send(ctx, h, o, in)
	switch {
	case executor.Proven(err) != nil:
		return err
	case err != nil:
		return fmt.Errorf("start %s on %s: %w", o.Attempt.Dir(), h.ID, err)
	}
	e.note(ctx, h, o.Attempt, id)
	return nil
}

// Proofs, for people.
const (
	noGo      = "no go was given"
	notSent   = "the order was not sent"
	noCommand = "SSM made no command"
)

// command is the order as SSM takes it, with its claim.
func (e *Executor) command(ctx context.Context, h fleet.Host, o guard.Order) (*ssm.SendCommandInput, error) {
	switch {
	case h.Address != fleet.ByAgent:
		return nil, fmt.Errorf("host %s has the address %q, not %q", h.ID, h.Address, fleet.ByAgent)
	case !o.StartBy.IsZero() && !time.Now().Before(o.StartBy):
		return nil, fmt.Errorf("it is past its start-by, %s", o.StartBy.UTC().Format(time.RFC3339))
	}
	o.Claim = nil
	if !o.Unclaimed {
		claim, err := e.claims.sign(ctx, o)
		if err != nil {
			return nil, err
		}
		o.Claim = claim
	}
	parameters, err := o.Parameters()
	if err != nil {
		return nil, err
	}
	in := e.carrying(h, o.Attempt.Dir(), parameters)
	in.TimeoutSeconds = deliverWithin(o.StartBy)
	if r := e.opts.Report; r != nil {
		in.ServiceRoleArn = aws.String(r.Role)
		in.NotificationConfig = &types.NotificationConfig{
			NotificationArn: aws.String(r.Topic), NotificationType: types.NotificationTypeCommand,
			NotificationEvents: []types.NotificationEvent{
				types.NotificationEventFailed, types.NotificationEventTimedOut, types.NotificationEventCancelled,
			},
		}
	}
	return in, nil
}

// carrying is a command to the host with what the guard takes.
func (e *Executor) carrying(h fleet.Host, comment string, parameters map[string][]string) *ssm.SendCommandInput {
	if e.opts.Document == RunShellScript {
		parameters = map[string][]string{
			"commands": guard.ShellCommands(parameters), "executionTimeout": parameters["executionTimeout"],
		}
	}
	return &ssm.SendCommandInput{
		DocumentName: aws.String(e.opts.Document), InstanceIds: []string{h.ID},
		Comment: aws.String(comment), Parameters: parameters,
	}
}

// What SSM takes as the seconds in which a command must be delivered.
const (
	leastDelivery = 30
	mostDelivery  = 2592000
)

// deliverWithin lets SSM drop an order that its guard would refuse for being
// late; nil for SSM's own hour.
func deliverWithin(startBy time.Time) *int32 {
	if startBy.IsZero() {
		return nil
	}
	left := int64(time.Until(startBy) / time.Second)
	return aws.Int32(int32(min(max(left, leastDelivery), mostDelivery)))
}

// note keeps which command carries the attempt. If the table doesn't take it,
// the command is found again by its comment.
func (e *Executor) note(ctx context.Context, h fleet.Host, a guard.Attempt, command string) {
	e.remember(h, a, command)
	if !e.claims.there() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyUp)
	defer cancel()
	if err := e.claims.record(ctx, a, h.ID, command); err != nil {
		e.opts.Log.Warn("a command was sent but not recorded", "run", a.Run, "host", h.ID, "error", err)
	}
}

// ErrNotOurs is returned for a command that carries no attempt.
var ErrNotOurs = errors.New("the command carries no attempt")

// Find returns the attempt that a command carries, for whoever hears of the
// command from elsewhere. A command of somebody else, or one of ours that only
// asks, is [ErrNotOurs]. Repeating is safe.
func (e *Executor) Find(ctx context.Context, command, host string) (runID string, n int, err error) {
	if e.claims.there() {
		id, n, ok, err := e.claims.find(ctx, command)
		if err != nil {
			return "", 0, fmt.Errorf("find command %s: %w", command, err)
		}
		if ok {
			return id, n, nil
		}
	}
	out, err := e.opts.SSM.GetCommandInvocation(ctx, &ssm.GetCommandInvocationInput{
		CommandId: aws.String(command), InstanceId: aws.String(host),
	})
	var hidden *types.InvocationDoesNotExist
	switch {
	case errors.As(err, &hidden):
		return "", 0, fmt.Errorf("command %s on %s: %w", command, host, ErrNotOurs)
	case err != nil:
		return "", 0, fmt.Errorf("find command %s: %w", command, err)
	}
	if runID, n, ok := attemptIn(aws.ToString(out.Comment)); ok {
		return runID, n, nil
	}
	return "", 0, fmt.Errorf("command %s on %s: %w", command, host, ErrNotOurs)
}
