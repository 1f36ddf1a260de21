package dynamoledger

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/solocron/solocron/ledger"
)

const attrUntil = "until" // ms

// Beat implements [ledger.Ledger]. The time to live only clears up: until
// tells whether an owner lives.
func (l *Ledger) Beat(ctx context.Context, owner string, now time.Time, ttl time.Duration) (ledger.Mark, error) {
	until := now.Add(ttl)
	i := key(owners, owner)
	i[attrUntil], i[attrTTL] = millis(until), number(until.Add(time.Hour).Unix())
	err := l.owner(ctx, "beat of ", owner, func(ctx context.Context) error {
		_, err := l.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &l.table, Item: i})
		return err
	})
	if err != nil {
		return ledger.Mark{}, err
	}
	return l.advance(ctx, now)
}

// Leave implements [ledger.Ledger].
func (l *Ledger) Leave(ctx context.Context, owner string) error {
	return l.owner(ctx, "leave of ", owner, func(ctx context.Context) error {
		_, err := l.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &l.table, Key: key(owners, owner)})
		return err
	})
}

func (l *Ledger) owner(ctx context.Context, op, owner string, write func(context.Context) error) error {
	done, err := l.begin()
	if err != nil {
		return fmt.Errorf("ledger table %s: %s%s: %w", l.table, op, owner, err)
	}
	defer done()
	return l.call(ctx, op+owner, write)
}

// Owners implements [ledger.Ledger].
func (l *Ledger) Owners(ctx context.Context, now time.Time) ([]string, error) {
	alive := []string{}
	for i, err := range l.items(ctx, "list owners", query{partition: owners}) {
		if err != nil {
			return nil, err
		}
		if numberOf(i, attrUntil) > now.UnixMilli() {
			alive = append(alive, textOf(i, sk))
		}
	}
	return alive, nil
}
