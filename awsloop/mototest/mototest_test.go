package mototest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func TestMain(m *testing.M) { Main(m) }

func table(t *testing.T, name string) *dynamodb.Client {
	t.Helper()
	config := Config(t, Start(t))
	Table(t, config, &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
	})
	return dynamodb.NewFromConfig(config)
}

func key(sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "p"}, "sk": &types.AttributeValueMemberS{Value: sk},
	}
}

// Every transaction counts a common item up and writes one of its own. If
// comparing and storing were not one step, or a cancelled transaction undid
// another's writes, some would be missing.
func TestTransactionsAreAtomic(t *testing.T) {
	const name = "atomic"
	client := table(t, name)
	count := func(item string, from int) types.TransactWriteItem {
		return types.TransactWriteItem{Update: &types.Update{
			TableName: aws.String(name), Key: key(item),
			UpdateExpression:    aws.String("SET n = :next"),
			ConditionExpression: aws.String("attribute_not_exists(n) OR n = :from"),
			ExpressionAttributeValues: map[string]types.AttributeValue{
				":from": &types.AttributeValueMemberN{Value: fmt.Sprint(from)},
				":next": &types.AttributeValueMemberN{Value: fmt.Sprint(from + 1)},
			},
		}}
	}
	var won sync.Map
	var wg sync.WaitGroup
	for writer := range 8 {
		wg.Go(func() {
			for from := range 10 {
				mine := key(fmt.Sprint(writer, "-", from))
				_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
					TransactItems: []types.TransactWriteItem{
						{Put: &types.Put{TableName: aws.String(name), Item: mine}},
						count("common", from),
					},
				})
				if err == nil {
					if other, taken := won.LoadOrStore(from, writer); taken {
						t.Errorf("%d counted from %d, as did %d", writer, from, other)
					}
				}
			}
		})
	}
	wg.Wait()
	stored, err := client.Query(t.Context(), &dynamodb.QueryInput{
		TableName: aws.String(name), KeyConditionExpression: aws.String("pk = :p"), ConsistentRead: aws.Bool(true),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: "p"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	wins := 0
	won.Range(func(any, any) bool { wins++; return true })
	if wins == 0 || int(stored.Count) != wins+1 {
		t.Errorf("%d transactions won and %d items are stored, want one for each and the common one", wins, stored.Count)
	}
}
