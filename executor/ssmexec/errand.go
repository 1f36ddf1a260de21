package ssmexec

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/run"
)

// ask sends a further command that has the host's guard do what the verb says,
// and returns what it answers. Repeating a question is harmless, so the SDK may.
func (e *Executor) ask(ctx context.Context, h fleet.Host, a guard.Attempt, within time.Duration, verb string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no answer within %s", within))
	defer cancel()
	in := e.carrying(h, verb+" "+a.Dir(), guard.Ask(verb, append([]string{a.Kept, a.Dir()}, args...)...))
	in.TimeoutSeconds = aws.Int32(leastDelivery)
	out, err := e.opts.SSM.SendCommand(ctx, in)
	if err != nil {
		return "", e.unanswered(ctx, brief(err))
	}
	id := aws.ToString(out.Command.CommandId)
	for pause := e.opts.AskFirst / 4; ; pause = min(2*pause, e.opts.AskMost/4) {
		if err := rest(ctx, pause); err != nil {
			return "", fmt.Errorf("errand %s: %w", id, err)
		}
		i, err := e.invocation(ctx, h, id)
		switch {
		case err != nil && ctx.Err() != nil:
			return "", e.unanswered(ctx, err)
		case err != nil || !i.over():
		case i.stdout == "":
			return "", fmt.Errorf("errand %s is %s without an answer %s", id, i.details, strings.TrimSpace(i.stderr))
		default:
			return i.stdout, nil
		}
	}
}

func (e *Executor) unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// asked is the host's own status of the attempt.
func (e *Executor) asked(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Status, error) {
	answer, err := e.ask(ctx, h, a, e.opts.AnswerWithin, guard.VerbStatus)
	if err != nil {
		return guard.Status{}, err
	}
	return guard.ReadStatus(strings.NewReader(answer))
}

// tell has the host's guard end the command.
func (e *Executor) tell(ctx context.Context, h fleet.Host, a guard.Attempt, kill bool) error {
	var how []string
	if kill {
		how = []string{"kill"}
	}
	answer, err := e.ask(ctx, h, a, e.opts.ErrandWithin, guard.VerbStop, how...)
	if err != nil {
		return err
	}
	_, err = guard.ReadStop(strings.NewReader(answer))
	return err
}

// Output reads a part of the kept output: from the result if it holds all of
// it, else from the host, by one command for every [guard.PageBytes]. See
// [executor.Executor].
func (e *Executor) Output(ctx context.Context, h fleet.Host, a guard.Attempt, offset int64, limit int) ([]byte, error) {
	if limit <= 0 || offset < 0 {
		return nil, nil
	}
	page, err := e.output(ctx, h, a, offset, limit)
	if err != nil {
		return nil, fmt.Errorf("output of %s on %s: %w", a.Dir(), h.ID, err)
	}
	return page, nil
}

func (e *Executor) output(ctx context.Context, h fleet.Host, a guard.Attempt, offset int64, limit int) ([]byte, error) {
	status, err := e.status(ctx, h, a)
	switch out := status.Result.Output; {
	case err != nil:
		return nil, err
	case status.Phase == guard.PhaseAbsent, status.Result.End == guard.Refused:
		return nil, nil
	case status.Phase == guard.PhaseEnded && status.Result.End != guard.Gone && !out.Cut:
		from := min(offset, int64(len(out.Head)))
		return out.Head[from:min(from+int64(limit), int64(len(out.Head)))], nil
	}
	var all []byte
	for len(all) < limit {
		want := min(limit-len(all), guard.PageBytes)
		answer, err := e.ask(ctx, h, a, e.opts.ErrandWithin, guard.VerbRead,
			strconv.FormatInt(offset+int64(len(all)), 10), strconv.Itoa(want))
		if err != nil {
			return nil, err
		}
		page, err := guard.ReadPage(answer)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); len(page) < want {
			break
		}
	}
	return all, nil
}

// attemptIn reads a command's comment as [guard.Attempt.Dir] wrote it.
func attemptIn(comment string) (id string, n int, ok bool) {
	dot := strings.LastIndexByte(comment, '.')
	if dot < 0 {
		return "", 0, false
	}
	id = comment[:dot]
	n, err := strconv.Atoi(comment[dot+1:])
	if err != nil || n < 1 || comment[dot+1:] != strconv.Itoa(n) {
		return "", 0, false
	}
	_, _, err = run.ParseID(id)
	return id, n, err == nil
}
