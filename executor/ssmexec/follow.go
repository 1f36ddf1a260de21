package ssmexec

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// Wait asks until the end is known. An order that has not reached its host in
// good time, or won't, is taken back. See [executor.Executor].
func (e *Executor) Wait(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Result, error) {
	began := time.Now()
	var failure error // the last that is not ctx's end
	for pause := e.opts.AskFirst; ; pause = min(2*pause, e.opts.AskMost) {
		status, err := e.Status(ctx, h, a)
		if err == nil && status.Phase == guard.PhaseAbsent && !a.Unclaimed {
			why := status.Hopeless
			if why == "" && time.Since(began) >= e.opts.ClaimWithin {
				why = fmt.Sprintf("no claim within %s", e.opts.ClaimWithin)
			}
			if why != "" {
				status, err = e.TakeBack(ctx, h, a, why)
			}
		}
		if err == nil && status.Phase == guard.PhaseEnded {
			return status.Result, nil
		}
		if err == nil || ctx.Err() == nil {
			failure = err
		}
		if err := rest(ctx, pause); err != nil {
			if failure != nil {
				return guard.Result{}, fmt.Errorf("wait for %s on %s: %w; at last: %w", a.Dir(), h.ID, err, failure)
			}
			return guard.Result{}, fmt.Errorf("wait for %s on %s: %w", a.Dir(), h.ID, err)
		}
	}
}

// TakeBack takes an attempt back that its guard has not claimed. See
// [executor.OneWay].
func (e *Executor) TakeBack(ctx context.Context, h fleet.Host, a guard.Attempt, why string) (guard.Status, error) {
	if a.Unclaimed {
		return e.Status(ctx, h, a)
	}
	said, err := e.claims.takeBack(ctx, a, why)
	switch {
	case err != nil:
		return guard.Status{}, err
	case said.claimed():
		return e.Status(ctx, h, a)
	}
	e.cancel(ctx, h, a, said.command)
	e.forget(h, a)
	return ended(guard.Refused, takenBackProof(said.why)), nil
}

// cancel spares the host a command that can no longer do anything. SSM
// guarantees nothing about it, and nothing depends on it.
func (e *Executor) cancel(ctx context.Context, h fleet.Host, a guard.Attempt, command string) {
	if command == "" {
		command = e.remembered(h, a)
	}
	if command == "" {
		return
	}
	_, err := e.opts.SSM.CancelCommand(ctx, &ssm.CancelCommandInput{CommandId: aws.String(command), InstanceIds: []string{h.ID}})
	if err != nil {
		e.opts.Log.Info("a command was not cancelled", "run", a.Run, "host", h.ID, "error", err)
	}
}

// Stop takes the attempt back, or has the host's guard end it. See
// [executor.Executor].
func (e *Executor) Stop(ctx context.Context, h fleet.Host, a guard.Attempt, kill bool) error {
	if err := e.stop(ctx, h, a, kill); err != nil {
		return fmt.Errorf("stop %s on %s: %w", a.Dir(), h.ID, err)
	}
	return nil
}

func (e *Executor) stop(ctx context.Context, h fleet.Host, a guard.Attempt, kill bool) error {
	status, err := e.TakeBack(ctx, h, a, "")
	if err != nil || status.Phase == guard.PhaseEnded {
		return err
	}
	if a.Unclaimed && status.Phase == guard.PhaseAbsent {
		said, err := e.said(ctx, a)
		if err != nil {
			return err
		}
		e.cancel(ctx, h, a, said.command)
	}
	return e.tell(ctx, h, a, kill)
}
