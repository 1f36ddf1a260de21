package ssmexec

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// Bounds of a start once it was granted.
const (
	answerTo = 20 * time.Second // one request's answer
	patience = 15 * time.Second // with an SSM that is too busy, all pauses together
	tidyUp   = 10 * time.Second // what is done after the answer

	// lookBack is how much earlier than ours SSM's clock may put a command.
	lookBack = 5 * time.Minute
)

// send has SSM make the one command of an order whose go is committed, and
// returns its ID. Nothing is sent twice: only an answer that says that no
// command was made is followed by another request.
func (e *Executor) send(ctx context.Context, h fleet.Host, o guard.Order, in *ssm.SendCommandInput) (id string, err error) {
	began := time.Now()
	for pause := time.Second; ; pause *= 2 {
		id, sent, err := e.request(ctx, in)
		if err == nil {
			return id, nil
		}
		kind, api := answerOf(err)
		switch {
		case !sent:
			return "", &executor.NotStarted{Proof: notSent, Err: err}
		case kind == unknown:
			return e.orphan(ctx, h, o.Attempt, began, err)
		case kind == rejected:
			return "", refusal(api)
		}
		wait := pause/2 + rand.N(pause/2)
		then := time.Now().Add(wait)
		if then.Sub(began) > patience || !o.StartBy.IsZero() && then.After(o.StartBy) || rest(ctx, wait) != nil {
			return "", givenUp(kind, err)
		}
	}
}

// request is one SendCommand, which the SDK may not repeat. It outlives ctx: the
// go was committed. sent says whether the request was handed to the network.
func (e *Executor) request(ctx context.Context, in *ssm.SendCommandInput) (id string, sent bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTo)
	defer cancel()
	out, err := e.opts.SSM.SendCommand(ctx, in, func(o *ssm.Options) {
		o.Retryer = aws.NopRetryer{}
		o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
			return s.Finalize.Insert(handedOver(&sent), "Signing", middleware.After)
		})
	})
	switch {
	case err != nil:
		return "", sent, err
	case out.Command == nil || aws.ToString(out.Command.CommandId) == "":
		return "", sent, errors.New("SSM's answer names no command")
	}
	return *out.Command.CommandId, sent, nil
}

func handedOver(sent *bool) middleware.FinalizeMiddleware {
	return finalize("HandedOver", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		*sent = true
		return next.HandleFinalize(ctx, in)
	})
}

// refusal is the proof of an order that SSM rejected.
func refusal(err error) error {
	proof := &executor.NotStarted{Proof: noCommand, Err: err}
	var invalid *types.InvalidInstanceId // not running, not registered, or no agent
	if errors.As(err, &invalid) {
		proof.Err = fmt.Errorf("%w: %w", executor.ErrUnreachable, err)
	}
	return proof
}

// givenUp is the proof of an order that SSM had no time for, or that never
// reached it.
func givenUp(kind answer, err error) error {
	if kind == busy {
		return &executor.NotStarted{Proof: noCommand, Err: fmt.Errorf("%w: %w", executor.ErrThrottled, brief(err))}
	}
	return &executor.NotStarted{Proof: notSent, Err: err}
}

// orphan looks for the command of a request whose answer is unknown. SSM lists
// commands with some delay, so that not finding it means little; nor does one
// look that fails.
func (e *Executor) orphan(ctx context.Context, h fleet.Host, a guard.Attempt, began time.Time, cause error) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyUp)
	defer cancel()
	for pause := e.opts.AskFirst / 2; ; pause *= 2 {
		ids, err := e.commands(ctx, h, a.Dir(), began.Add(-lookBack))
		if len(ids) > 0 {
			return ids[0], nil
		}
		if rest(ctx, pause) != nil {
			return "", fmt.Errorf("the command may have been sent: %w", errors.Join(cause, err))
		}
	}
}

// commands lists the commands to the host that carry the comment, the newest
// first.
func (e *Executor) commands(ctx context.Context, h fleet.Host, comment string, after time.Time) ([]string, error) {
	pages := ssm.NewListCommandsPaginator(e.opts.SSM, &ssm.ListCommandsInput{
		InstanceId: aws.String(h.ID), MaxResults: aws.Int32(50),
		Filters: []types.CommandFilter{
			{Key: types.CommandFilterKeyInvokedAfter, Value: aws.String(after.UTC().Format(time.RFC3339))},
			{Key: types.CommandFilterKeyDocumentName, Value: aws.String(e.opts.Document)},
		},
	})
	var found []types.Command
	for n := 0; pages.HasMorePages() && n < mostPages; n++ {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("look for the command %q: %w", comment, err)
		}
		for _, c := range page.Commands {
			if aws.ToString(c.Comment) == comment {
				found = append(found, c)
			}
		}
	}
	return newestFirst(found), nil
}

// mostPages bounds a search: 1,000 commands to one host.
const mostPages = 20

// rest waits for d, or returns why ctx is done.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
