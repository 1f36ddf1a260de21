package ssmexec

import (
	"cmp"
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

// invocation is what SSM says of a command on its host. Without details SSM
// doesn't show it yet, which takes a while after SendCommand; without an ID there
// is none.
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

// neverRan reports the few statuses of a command that never reached its host.
// DeliveryTimedOut is none of them: it means that no answer came before the
// command expired, and has been seen on hosts that ran it. Nor do they say that
// no other command carried the same order.
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

// duplicate reports the guard's word that another delivery brought the order.
func (i invocation) duplicate() bool {
	t, ok := i.trailer()
	return ok && t.Duplicate
}

// invocation reads one command.
func (e *Executor) invocation(ctx context.Context, h fleet.Host, command string) (invocation, error) {
	out, err := e.opts.SSM.GetCommandInvocation(ctx, &ssm.GetCommandInvocationInput{
		CommandId: aws.String(command), InstanceId: aws.String(h.ID),
	})
	var hidden *types.InvocationDoesNotExist
	switch {
	case errors.As(err, &hidden):
		return invocation{id: command}, nil
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

// latest is what SSM says of the attempt's command. Where that one was not the
// first to bring the order, or never arrived, there may be another: the one
// among them that tells most counts.
func (e *Executor) latest(ctx context.Context, h fleet.Host, a guard.Attempt, recorded string) (invocation, error) {
	id := cmp.Or(recorded, e.remembered(h, a))
	if id != "" {
		i, err := e.invocation(ctx, h, id)
		if err != nil || i.telling() > tellsNothing {
			return i, err
		}
	}
	ids, err := e.commands(ctx, h, a.Dir(), earliest(a))
	if err != nil {
		return invocation{}, err
	}
	if id != "" {
		ids = append(ids, id)
	}
	var best invocation
	for _, id := range ids {
		i, err := e.invocation(ctx, h, id)
		if err != nil {
			return invocation{}, err
		}
		if best.id == "" || i.telling() > best.telling() {
			best = i
		}
	}
	return best, nil
}

// How much a command tells of its attempt.
const (
	tellsNothing = iota // the host had the order already, or this one never came
	tellsOver
	tellsMore // it may still come to something
	tellsResult
)

func (i invocation) telling() int {
	_, ok := i.result()
	switch {
	case ok:
		return tellsResult
	case !i.over():
		return tellsMore
	case i.duplicate(), i.neverRan():
		return tellsNothing
	}
	return tellsOver
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
