package dynamoledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/solocron/solocron/ledger"
)

// The attributes of the mark, which the first beat makes.
const (
	attrLedger = "ledger"
	attrBeats  = "beats"
	attrAt     = "at" // ms
	attrHalted = "halted"
)

func markOf(i item) ledger.Mark {
	return ledger.Mark{
		Ledger: textOf(i, attrLedger), Beats: numberOf(i, attrBeats), At: timeOf(i, attrAt), Halted: textOf(i, attrHalted),
	}
}

// advance counts a beat. One whose answer was lost is counted twice, which
// matters to nobody.
func (l *Ledger) advance(ctx context.Context, now time.Time) (ledger.Mark, error) {
	var e expr
	e.initially(attrLedger, text(strings.ToLower(rand.Text())))
	e.add(attrBeats, 1)
	e.set(attrAt, millis(now))
	i, err := l.setMark(ctx, "count a beat", e)
	return markOf(i), err
}

// Mark implements [ledger.Ledger].
func (l *Ledger) Mark(ctx context.Context) (ledger.Mark, error) {
	i, err := l.get(ctx, "read mark", key(marks, alone))
	return markOf(i), err
}

// Halt implements [ledger.Ledger].
func (l *Ledger) Halt(ctx context.Context, why string) error {
	var e expr
	e.initially(attrHalted, text(why))
	_, err := l.setMark(ctx, "halt", e)
	return err
}

// Resume implements [ledger.Ledger].
func (l *Ledger) Resume(ctx context.Context, now time.Time, fences int64, m ledger.Mark) error {
	names, err := l.jobNames(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		var fence, since expr
		fence.add(attrFence, fences)
		if _, err := l.mark(ctx, "resume job ", name, fence); err != nil {
			return err
		}
		l.jobs.forget(name)
		since.set(attrSince, millis(now))
		since.askPresent(attrSince)
		since.askAbsent(attrRetired)
		since.askLess(attrSince, millis(now))
		if _, err := l.mark(ctx, "resume job ", name, since); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return err // a job that was never put is owed nothing
		}
	}
	var e expr
	e.set(attrLedger, text(m.Ledger))
	e.set(attrBeats, number(m.Beats))
	e.set(attrAt, millis(now))
	e.remove(attrHalted)
	_, err = l.setMark(ctx, "resume", e)
	return err
}

// setMark updates the mark and returns its item.
func (l *Ledger) setMark(ctx context.Context, op string, e expr) (item, error) {
	done, err := l.begin()
	if err != nil {
		return nil, fmt.Errorf("ledger table %s: %s: %w", l.table, op, err)
	}
	defer done()
	var out *dynamodb.UpdateItemOutput
	err = l.call(ctx, op, func(ctx context.Context) (err error) {
		out, err = l.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &l.table, Key: key(marks, alone), UpdateExpression: e.update(), ReturnValues: types.ReturnValueAllNew,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}
