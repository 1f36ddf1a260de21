package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Schema is the table that the ledger needs. Beside it the attribute ttl must
// be named as the table's time to live for [Options].Keep to have an effect.
func Schema(table string) *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName:   &table,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(pk), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(sk), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(pk), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(sk), KeyType: types.KeyTypeRange},
		},
	}
}

// Ready reports whether the table is there and can hold the ledger. The error
// says what to do about it.
func (l *Ledger) Ready(ctx context.Context) error {
	var found *dynamodb.DescribeTableOutput
	err := l.call(ctx, "look at it", func(ctx context.Context) (err error) {
		found, err = l.db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &l.table})
		return err
	})
	if err != nil {
		return err
	}
	return fits(found.Table)
}

// fits compares a table with [Schema].
func fits(t *types.TableDescription) error {
	name := aws.ToString(t.TableName)
	if t.TableStatus != types.TableStatusActive && t.TableStatus != types.TableStatusUpdating {
		return fmt.Errorf("table %s is %s: wait until it is active", name, t.TableStatus)
	}
	want := Schema(name)
	for _, k := range want.KeySchema {
		same := func(have types.KeySchemaElement) bool {
			return aws.ToString(have.AttributeName) == *k.AttributeName && have.KeyType == k.KeyType
		}
		isString := func(a types.AttributeDefinition) bool {
			return aws.ToString(a.AttributeName) == *k.AttributeName && a.AttributeType == types.ScalarAttributeTypeS
		}
		if len(t.KeySchema) != len(want.KeySchema) || !slices.ContainsFunc(t.KeySchema, same) || !slices.ContainsFunc(t.AttributeDefinitions, isString) {
			return fmt.Errorf("table %s can't hold the ledger: it needs the string keys pk (hash) and sk (range); "+
				"name another table, which solocron apply can make", name)
		}
	}
	return nil
}

// missing explains that there is no such table.
func missing(err error) error {
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return fmt.Errorf("no such table in this account and region; solocron apply makes it: %w", err)
	}
	return err
}
