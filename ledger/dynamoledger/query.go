package dynamoledger

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

// parallel is how many calls one operation has under way at most.
const parallel = 16

// query selects items of a partition, by ascending sort key.
type query struct {
	partition string
	prefix    string // of the sort key; empty for any
	from, to  string // of the sort key, both included; empty for any
	backwards bool
	page      int32    // size of the first page, which then doubles; 0 for as much as an answer holds
	only      []string // attributes to read; nil for all
}

// maxPage is the size that pages grow to.
const maxPage = 1000

// items reads the query's items, page by page as they are asked for.
func (l *Ledger) items(ctx context.Context, op string, q query) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		in := q.input(l.table)
		for {
			var page *dynamodb.QueryOutput
			err := l.call(ctx, op, func(ctx context.Context) (err error) {
				page, err = l.db.Query(ctx, in)
				return err
			})
			if err != nil {
				yield(nil, err)
				return
			}
			for _, i := range page.Items {
				if !yield(i, nil) {
					return
				}
			}
			if len(page.LastEvaluatedKey) == 0 {
				return
			}
			in.ExclusiveStartKey = page.LastEvaluatedKey
			if in.Limit != nil {
				in.Limit = aws.Int32(min(2**in.Limit, maxPage))
			}
		}
	}
}

func (q query) input(table string) *dynamodb.QueryInput {
	var e expr
	e.ask(pk, text(q.partition))
	switch {
	case q.prefix != "":
		e.asks = append(e.asks, "begins_with("+e.name(sk)+", "+e.value(text(q.prefix))+")")
	case q.from != "":
		e.asks = append(e.asks, e.name(sk)+" BETWEEN "+e.value(text(q.from))+" AND "+e.value(text(q.to)))
	}
	in := &dynamodb.QueryInput{
		TableName: &table, KeyConditionExpression: e.condition(), ScanIndexForward: aws.Bool(!q.backwards),
		ConsistentRead: aws.Bool(true), ProjectionExpression: e.projection(q.only),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	}
	if q.page > 0 {
		in.Limit = aws.Int32(min(q.page, maxPage))
	}
	return in
}

// all collects what a query finds.
func all(found iter.Seq2[item, error]) ([]item, error) {
	var list []item
	for i, err := range found {
		if err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	return list, nil
}

// get reads one item, nil if there is none.
func (l *Ledger) get(ctx context.Context, op string, key item) (item, error) {
	var found *dynamodb.GetItemOutput
	err := l.call(ctx, op, func(ctx context.Context) (err error) {
		found, err = l.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &l.table, Key: key, ConsistentRead: aws.Bool(true)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return found.Item, nil
}

const (
	maxGet   = 100 // keys of a BatchGetItem
	maxWrite = 25  // requests of a BatchWriteItem
)

// gets reads the items of distinct keys, in no order; those that don't exist
// are left out.
func (l *Ledger) gets(ctx context.Context, op string, keys []item, only ...string) ([]item, error) {
	var mu sync.Mutex
	var list []item
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for chunk := range slices.Chunk(keys, maxGet) {
		g.Go(func() error {
			found, err := l.getChunk(ctx, op, chunk, only)
			mu.Lock()
			defer mu.Unlock()
			list = append(list, found...)
			return err
		})
	}
	return list, g.Wait()
}

// getChunk asks until every key was looked up: DynamoDB leaves some for later
// when an answer gets too large or reads are throttled.
func (l *Ledger) getChunk(ctx context.Context, op string, keys []item, only []string) ([]item, error) {
	var list []item
	err := l.call(ctx, op, func(ctx context.Context) error {
		var e expr
		ask := types.KeysAndAttributes{Keys: keys, ConsistentRead: aws.Bool(true), ProjectionExpression: e.projection(only)}
		ask.ExpressionAttributeNames = e.names
		out, err := l.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{l.table: ask},
		})
		if err != nil {
			return err
		}
		list = append(list, out.Responses[l.table]...)
		if keys = out.UnprocessedKeys[l.table].Keys; len(keys) > 0 {
			return errUnprocessed
		}
		return nil
	})
	return list, err
}

// deletes removes the items of distinct keys, whether they exist or not.
func (l *Ledger) deletes(ctx context.Context, op string, keys []item) error {
	for chunk := range slices.Chunk(keys, maxWrite) {
		requests := make([]types.WriteRequest, len(chunk))
		for i, k := range chunk {
			requests[i] = types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: k}}
		}
		err := l.call(ctx, op, func(ctx context.Context) error {
			out, err := l.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
				RequestItems: map[string][]types.WriteRequest{l.table: requests},
			})
			if err != nil {
				return err
			}
			if requests = out.UnprocessedItems[l.table]; len(requests) > 0 {
				return errUnprocessed
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
