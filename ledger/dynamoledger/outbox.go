package dynamoledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
)

const attrTaker = "taker" // nonce of who took it last

// TakeNotices implements [ledger.Ledger]. It reads the target's whole outbox,
// which is short unless the target has been out of order for long, and takes
// one notice after the other, passing over those that another taker got first.
func (l *Ledger) TakeNotices(ctx context.Context, target string, now time.Time, lease time.Duration, limit int) ([]ledger.Notice, error) {
	op := "take notices for " + target
	done, err := l.begin()
	if err != nil {
		return nil, fmt.Errorf("ledger table %s: %s: %w", l.table, op, err)
	}
	defer done()
	if err := l.unpackParcels(ctx); err != nil {
		return nil, err
	}
	waiting, err := all(l.items(ctx, op, query{partition: outboxOf(target)}))
	if err != nil {
		return nil, err
	}
	waiting = slices.DeleteFunc(waiting, func(i item) bool { return !due(i, now) })
	slices.SortFunc(waiting, func(a, b item) int {
		return cmp.Or(cmp.Compare(numberOf(a, attrDue), numberOf(b, attrDue)), cmp.Compare(textOf(a, sk), textOf(b, sk)))
	})
	nonce := rand.Text()
	var keys []item
	taken := map[string]item{}
	for _, i := range waiting {
		if len(keys) == limit {
			break
		}
		got, err := l.take(ctx, op, i, now.Add(lease), nonce)
		if err != nil {
			return nil, err // what was taken comes back after its lease
		}
		if got != nil {
			k := noticeKey(textOf(i, sk))
			keys, taken[textOf(k, pk)] = append(keys, k), got
		}
	}
	return l.handOut(ctx, op, keys, taken)
}

// take keeps a notice from other takers until the given time. It returns the
// outbox item then, nil if another was faster.
func (l *Ledger) take(ctx context.Context, op string, outbox item, until time.Time, nonce string) (item, error) {
	var e expr
	e.set(attrHeld, millis(until))
	e.set(attrTaker, text(nonce))
	e.add(attrTries, 1)
	e.ask(attrDue, outbox[attrDue])
	e.ask(attrHeld, outbox[attrHeld])
	e.ask(attrTries, outbox[attrTries])
	var got item
	err := l.call(ctx, op, func(ctx context.Context) error {
		out, err := l.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &l.table, Key: keyOf(outbox), UpdateExpression: e.update(), ConditionExpression: e.condition(),
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
			ReturnValues: types.ReturnValueAllNew, ReturnValuesOnConditionCheckFailure: allOld,
		})
		if err == nil {
			got = out.Attributes
		}
		return err
	})
	if reasons := refused(err); reasons != nil {
		if textOf(reasons[0].Item, attrTaker) == nonce { // by a try whose reply was lost
			return reasons[0].Item, nil
		}
		return nil, nil
	}
	return got, err
}

// handOut reads the notices that were taken, the oldest first.
func (l *Ledger) handOut(ctx context.Context, op string, keys []item, taken map[string]item) ([]ledger.Notice, error) {
	found, err := l.gets(ctx, op, keys)
	if err != nil {
		return nil, err
	}
	list := []ledger.Notice{}
	for _, i := range found {
		list = append(list, noticeOf(i, taken[textOf(i, pk)]))
	}
	slices.SortFunc(list, sqlrow.OldestFirst)
	return list, nil
}
