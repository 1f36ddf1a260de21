package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// call performs f, again and again while it may yet succeed: what it does can
// be repeated, because a write's condition or nonce tells that it was done.
// The error names the table and what was to be done.
func (l *Ledger) call(ctx context.Context, op string, f func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, l.limit, fmt.Errorf("no answer within %s", l.limit))
	defer cancel()
	const first, most = 25 * time.Millisecond, 2 * time.Second
	for pause := first; ; pause = min(2*pause, most) {
		err := context.Cause(limited)
		if err == nil {
			err = f(limited)
		}
		if err == nil || refused(err) != nil {
			return err
		}
		if context.Cause(limited) != nil || !again(err) || !rest(limited, pause) {
			return l.explain(limited, op, err)
		}
	}
}

// rest waits for about half to all of the pause, so that writers who met don't
// meet again, and reports whether there is time left.
func rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause/2 + rand.N(pause/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// explain says what was to be done in which table, and why it was given up.
func (l *Ledger) explain(ctx context.Context, op string, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return fmt.Errorf("ledger table %s: %s: %w", l.table, op, missing(err))
}

// retryable is the SDK's own opinion: throttling, 5xx, lost connections.
var retryable = retry.IsErrorRetryables(retry.DefaultRetryables)

// passing are the codes, of errors and of cancellation reasons, that another
// try may not meet.
var passing = []string{
	"TransactionConflict", "TransactionConflictException", "TransactionInProgressException",
	"ThrottlingError", "ProvisionedThroughputExceeded", "ReplicatedWriteConflictException",
}

// errUnprocessed: a batch was done in part.
var errUnprocessed = errors.New("DynamoDB left a part for later")

// again reports whether another try may succeed. After a lost connection the
// first may have, too.
func again(err error) bool {
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		// Whatever else is wrong will show when nobody is in the way.
		return slices.ContainsFunc(cancelled.CancellationReasons, func(r types.CancellationReason) bool {
			return slices.Contains(passing, aws.ToString(r.Code))
		})
	}
	if errors.Is(err, errUnprocessed) {
		return true
	}
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(passing, api.ErrorCode()) || retryable.IsErrorRetryable(err) == aws.TrueTernary
}

const conditionFailed = "ConditionalCheckFailed"

// refused is what became of each part of a write of which a condition failed,
// nil if none did. The part's reason holds the item in the way.
func refused(err error) []types.CancellationReason {
	if one, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return []types.CancellationReason{{Code: aws.String(conditionFailed), Item: one.Item}}
	}
	failed := func(r types.CancellationReason) bool { return aws.ToString(r.Code) == conditionFailed }
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if ok && slices.ContainsFunc(cancelled.CancellationReasons, failed) {
		return cancelled.CancellationReasons
	}
	return nil
}
