package ssmexec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/run"
)

// invocation is what SSM says of a command on its host. Without an ID there is
// none, or SSM doesn't show it yet: it takes a while after SendCommand.
type invocation struct {
	id      string
	details string // SSM's StatusDetails, in its spelling
	stdout  string // both are empty until it is over
	stderr  string
}

// plainDetails is a status as it compares: SSM's own texts spell it with and
// without blanks.
func (i invocation) plainDetails() string {
	return strings.ToLower(strings.ReplaceAll(i.details, " ", ""))
}

// over reports whether SSM expects nothing more of the command.
func (i invocation) over() bool {
	switch i.plainDetails() {
	case "", "pending", "delayed", "inprogress", "cancelling":
		return false
	}
	return true
}

// waiting reports whether SSM has not begun to deliver the command.
func (i invocation) waiting() bool {
	return slices.Contains([]string{"", "pending", "delayed"}, i.plainDetails())
}

// neverRan reports the few statuses that prove that the command never reached
// its host. DeliveryTimedOut is none of them: it means that no answer came
// before the command expired, and has been seen on hosts that ran it.
func (i invocation) neverRan() bool {
	return slices.Contains([]string{"undeliverable", "terminated", "invalidplatform", "accessdenied"}, i.plainDetails())
}

// trailer is the guard's last word, whole.
func (i invocation) trailer() (guard.Trailer, bool) {
	if !i.over() {
		return guard.Trailer{}, false
	}
	return guard.ReadTrailer(i.stdout, i.stderr)
}

// result is the result in the trailer, if there is one that tells of the
// attempt itself.
func (i invocation) result() (guard.Result, bool) {
	t, ok := i.trailer()
	return t.Result, ok && !t.Duplicate
}

// invocation reads one command.
func (e *Executor) invocation(ctx context.Context, h fleet.Host, command string) (invocation, error) {
	if command == "" {
		return invocation{}, nil
	}
	out, err := e.opts.SSM.GetCommandInvocation(ctx, &ssm.GetCommandInvocationInput{
		CommandId: aws.String(command), InstanceId: aws.String(h.ID),
	})
	var hidden *types.InvocationDoesNotExist
	switch {
	case errors.As(err, &hidden):
		return invocation{}, nil
	case err != nil:
		return invocation{}, fmt.Errorf("command %s: %w", command, err)
	}
	i := invocation{
		id: command, details: aws.ToString(out.StatusDetails),
		stdout: aws.ToString(out.StandardOutputContent), stderr: aws.ToString(out.StandardErrorContent),
	}
	if i.details == "" {
		i.details = string(out.Status)
	}
	return i, nil
}

// latest is what SSM says of the attempt's command. Where the host says that it
// had the attempt before, another command brought it: the one among them that
// tells most counts.
func (e *Executor) latest(ctx context.Context, h fleet.Host, a guard.Attempt, recorded string) (invocation, error) {
	id := recorded
	if id == "" {
		id = e.remembered(h, a)
	}
	var others []string
	if id == "" {
		ids, err := e.commands(ctx, h, a.Dir(), earliest(a))
		if err != nil || len(ids) == 0 {
			return invocation{}, err
		}
		id, others = ids[0], ids[1:]
	}
	best, err := e.invocation(ctx, h, id)
	if err != nil {
		return best, err
	}
	t, whole := best.trailer()
	if !whole || !t.Duplicate {
		return best, nil
	}
	if others == nil {
		if others, err = e.commands(ctx, h, a.Dir(), earliest(a)); err != nil {
			return best, err
		}
	}
	return e.tellingMore(ctx, h, best, others)
}

// tellingMore looks through other commands of an attempt for one that has its
// result, else for one that is not over.
func (e *Executor) tellingMore(ctx context.Context, h fleet.Host, best invocation, others []string) (invocation, error) {
	for _, id := range others {
		i, err := e.invocation(ctx, h, id)
		if err != nil {
			return best, err
		}
		if _, ok := i.result(); ok {
			return i, nil
		}
		if i.id != "" && !i.over() {
			best = i
		}
	}
	return best, nil
}

// earliest is before an attempt's command can have been made.
func earliest(a guard.Attempt) time.Time {
	_, due, err := run.ParseID(a.Run)
	if err != nil {
		return time.Now().Add(-lookBack)
	}
	return due.Add(-lookBack)
}

func newestFirst(found []types.Command) []string {
	slices.SortStableFunc(found, func(a, b types.Command) int {
		return aws.ToTime(b.RequestedDateTime).Compare(aws.ToTime(a.RequestedDateTime))
	})
	var ids []string
	for _, c := range found {
		ids = append(ids, aws.ToString(c.CommandId))
	}
	return ids
}
