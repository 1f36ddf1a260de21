package ssmexec

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/solocron/solocron/guard"
)

// claims are the registers that decide who starts or takes back an attempt, and
// the index from a command's ID to its attempt. An item CLAIM#<run>.<n> has in
// "by" who wrote first, in "command" the command that was sent. No item, or one
// without "by", means that nobody has decided yet.
type claims struct {
	db    *dynamodb.Client
	table string
}

const (
	byScheduler = "scheduler"
	byGuard     = "guard " // and the order's token
)

// claimsKept is how long items are there: far longer than anybody asks about a
// lost run, since an item that is missing reads as one that nobody wrote.
const claimsKept = 90 * 24 * time.Hour

// word is what is known of an attempt from its register.
type word struct {
	by      string
	why     string // the scheduler's reason
	command string
}

func (w word) claimed() bool   { return w.by != "" && w.by != byScheduler }
func (w word) takenBack() bool { return w.by == byScheduler }

// takenBackProof is the proof of an attempt that was taken back.
func takenBackProof(why string) string {
	const proof = "taken back before the host claimed it"
	if why == "" {
		return proof
	}
	return proof + ": " + why
}

// there reports whether there is a table at all.
func (c claims) there() bool { return c.db != nil && c.table != "" }

type item = map[string]types.AttributeValue

func key(pk string) item {
	return item{"pk": text(pk), "sk": text("-")}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func claimKey(a guard.Attempt) item  { return key("CLAIM#" + a.Dir()) }
func commandKey(command string) item { return key("COMMAND#" + command) }

func expiry() types.AttributeValue { return number(time.Now().Add(claimsKept).Unix()) }

var errNoTable = errors.New("there is no claims table")

// decide is the write of the register that only the first writer passes. With
// ALL_OLD the others learn who that was, and a writer whose answer was lost
// recognises itself.
func (c claims) decide(a guard.Attempt, by string) *dynamodb.UpdateItemInput {
	return &dynamodb.UpdateItemInput{
		TableName: aws.String(c.table), Key: claimKey(a),
		UpdateExpression:                    aws.String("SET #by = :by, #ttl = :ttl"),
		ConditionExpression:                 aws.String("attribute_not_exists(#by)"),
		ExpressionAttributeNames:            map[string]string{"#by": "by", "#ttl": "ttl"},
		ExpressionAttributeValues:           item{":by": text(by), ":ttl": expiry()},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

// takeBack writes the register for the scheduler. It returns what the register
// says then: the scheduler's own word, now or from an earlier call, or the
// guard's.
func (c claims) takeBack(ctx context.Context, a guard.Attempt, why string) (word, error) {
	if !c.there() {
		return word{}, fmt.Errorf("take back %s: %w", a.Dir(), errNoTable)
	}
	in := c.decide(a, byScheduler)
	*in.UpdateExpression += ", #why = :why"
	in.ExpressionAttributeNames["#why"], in.ExpressionAttributeValues[":why"] = "why", text(why)
	in.ReturnValues = types.ReturnValueAllNew
	out, err := c.db.UpdateItem(ctx, in)
	var lost *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &lost) && read(lost.Item).by != "":
		return read(lost.Item), nil
	case err != nil:
		return word{}, fmt.Errorf("take back %s in table %s: %w", a.Dir(), c.table, err)
	}
	return read(out.Attributes), nil
}

// read returns the register's word, consistently.
func (c claims) read(ctx context.Context, a guard.Attempt) (word, error) {
	got, err := c.get(ctx, claimKey(a))
	if err != nil {
		return word{}, fmt.Errorf("claim of %s: %w", a.Dir(), err)
	}
	return read(got), nil
}

func (c claims) get(ctx context.Context, key item) (item, error) {
	out, err := c.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(c.table), Key: key, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", c.table, err)
	}
	return out.Item, nil
}

// record notes which command carries the attempt, in its register and under the
// command's own ID. Repeating is safe.
func (c claims) record(ctx context.Context, a guard.Attempt, host, command string) error {
	names := map[string]string{"#command": "command", "#ttl": "ttl"}
	_, err := c.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Update: &types.Update{
			TableName: aws.String(c.table), Key: claimKey(a),
			UpdateExpression:         aws.String("SET #command = :command, #ttl = :ttl"),
			ExpressionAttributeNames: names, ExpressionAttributeValues: item{":command": text(command), ":ttl": expiry()},
		}},
		{Put: &types.Put{TableName: aws.String(c.table), Item: indexed(a, host, command)}},
	}})
	if err != nil {
		return fmt.Errorf("record command %s of %s in table %s: %w", command, a.Dir(), c.table, err)
	}
	return nil
}

func indexed(a guard.Attempt, host, command string) item {
	i := commandKey(command)
	i["run"], i["n"], i["host"], i["ttl"] = text(a.Run), number(int64(a.N)), text(host), expiry()
	return i
}

// find returns the attempt that the command carried.
func (c claims) find(ctx context.Context, command string) (id string, n int, ok bool, err error) {
	got, err := c.get(ctx, commandKey(command))
	if err != nil {
		return "", 0, false, err
	}
	id = attribute(got, "run")
	if v, is := got["n"].(*types.AttributeValueMemberN); is {
		n, err = strconv.Atoi(v.Value)
	}
	return id, n, err == nil && id != "" && n > 0, nil
}

func read(i item) word {
	return word{by: attribute(i, "by"), why: attribute(i, "why"), command: attribute(i, "command")}
}

// attribute returns the text of an attribute, without what could hurt a log.
func attribute(i item, name string) string {
	if v, ok := i[name].(*types.AttributeValueMemberS); ok {
		return strings.ToValidUTF8(v.Value, "\uFFFD")
	}
	return ""
}
