package dynamoledger

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// expr collects what an update sets and what a write asks for. DynamoDB wants
// a placeholder for every value, and for every name as it may be reserved.
type expr struct {
	sets, removes, asks []string
	names               map[string]string
	values              item
}

func (e *expr) name(attr string) string {
	if e.names == nil {
		e.names = map[string]string{}
	}
	e.names["#"+attr] = attr
	return "#" + attr
}

func (e *expr) value(v types.AttributeValue) string {
	if e.values == nil {
		e.values = item{}
	}
	placeholder := ":" + strconv.Itoa(len(e.values))
	e.values[placeholder] = v
	return placeholder
}

// set makes the update set the attribute.
func (e *expr) set(attr string, v types.AttributeValue) {
	e.sets = append(e.sets, e.name(attr)+" = "+e.value(v))
}

// initially makes the update set the attribute if there is none.
func (e *expr) initially(attr string, v types.AttributeValue) {
	name := e.name(attr)
	e.sets = append(e.sets, name+" = if_not_exists("+name+", "+e.value(v)+")")
}

// add makes the update count the attribute up, from zero if there is none.
func (e *expr) add(attr string, n int64) {
	name := e.name(attr)
	e.sets = append(e.sets, name+" = if_not_exists("+name+", "+e.value(number(0))+") + "+e.value(number(n)))
}

func (e *expr) remove(attr string) { e.removes = append(e.removes, e.name(attr)) }

// ask adds the condition that the attribute has the value.
func (e *expr) ask(attr string, v types.AttributeValue) {
	e.asks = append(e.asks, e.name(attr)+" = "+e.value(v))
}

// askLess adds the condition that the attribute is less, or absent.
func (e *expr) askLess(attr string, v types.AttributeValue) {
	name := e.name(attr)
	e.asks = append(e.asks, "(attribute_not_exists("+name+") OR "+name+" < "+e.value(v)+")")
}

func (e *expr) askPresent(attr string) {
	e.asks = append(e.asks, "attribute_exists("+e.name(attr)+")")
}

func (e *expr) askAbsent(attr string) {
	e.asks = append(e.asks, "attribute_not_exists("+e.name(attr)+")")
}

func (e *expr) update() *string {
	said := "SET " + strings.Join(e.sets, ", ")
	if len(e.sets) == 0 {
		said = ""
	}
	if len(e.removes) > 0 {
		said += " REMOVE " + strings.Join(e.removes, ", ")
	}
	return aws.String(strings.TrimSpace(said))
}

// condition is nil if nothing is asked.
func (e *expr) condition() *string {
	if len(e.asks) == 0 {
		return nil
	}
	return aws.String(strings.Join(e.asks, " AND "))
}

// projection is the list of attributes to read, nil for all.
func (e *expr) projection(attrs []string) *string {
	if len(attrs) == 0 {
		return nil
	}
	var list []string
	for _, a := range attrs {
		list = append(list, e.name(a))
	}
	return aws.String(strings.Join(list, ", "))
}

const allOld = types.ReturnValuesOnConditionCheckFailureAllOld

// put is a conditional put as a part of a transaction. What fails shows the
// item in the way.
func (e *expr) put(table string, i item) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{
		TableName: &table, Item: i, ConditionExpression: e.condition(), ReturnValuesOnConditionCheckFailure: allOld,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	}}
}

// change is a conditional update as a part of a transaction.
func (e *expr) change(table string, key item) types.TransactWriteItem {
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &table, Key: key, UpdateExpression: e.update(),
		ConditionExpression: e.condition(), ReturnValuesOnConditionCheckFailure: allOld,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	}}
}

// drop is an unconditional delete as a part of a transaction.
func drop(table string, key item) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{TableName: &table, Key: key}}
}
