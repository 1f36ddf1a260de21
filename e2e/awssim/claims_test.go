package awssim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const claimsTable = "solocron-claims"

// table is as much of DynamoDB as the claims need, and not a bit more: what it
// doesn't know fails the test.
type table struct {
	t     *testing.T
	mu    sync.Mutex
	items map[string]item // by pk
}

func newTable(t *testing.T) *table { return &table{t: t, items: map[string]item{}} }

// item is one as on the wire: {"pk": {"S": "CLAIM#…"}}.
type item map[string]map[string]string

func (i item) text(name string) string { return i[name]["S"] }

// What the operations take, as on the wire.
type (
	getItem struct {
		TableName      string
		Key            item
		ConsistentRead bool
	}
	putItem struct {
		TableName string
		Item      item
	}
	updateItem struct {
		TableName                             string
		Key                                   item
		UpdateExpression, ConditionExpression string
		ExpressionAttributeNames              map[string]string
		ExpressionAttributeValues             item
		ReturnValues                          string
		ReturnValuesOnConditionCheckFailure   string
	}
	transactWriteItems struct {
		TransactItems []struct {
			Update *updateItem
			Put    *putItem
		}
		ClientRequestToken string // all that is written so may be written twice
	}
)

func (b *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	b.mu.Lock()
	status, answer := b.perform(operation, body)
	b.mu.Unlock()
	text, err := json.Marshal(answer)
	if err != nil {
		b.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func (b *table) perform(operation string, body []byte) (status int, answer any) {
	switch operation {
	case "GetItem":
		in := read[getItem](b, body)
		b.check(in.TableName == claimsTable && in.ConsistentRead, body)
		return http.StatusOK, map[string]any{"Item": b.items[b.pk(in.Key)]}
	case "UpdateItem":
		return b.update(read[updateItem](b, body), body)
	case "TransactWriteItems":
		for _, i := range read[transactWriteItems](b, body).TransactItems {
			switch {
			case i.Update != nil && i.Put == nil:
				b.check(i.Update.ConditionExpression == "", body)
				b.update(*i.Update, body)
			case i.Put != nil && i.Update == nil:
				b.check(i.Put.TableName == claimsTable, body)
				b.items[b.pk(item{"pk": i.Put.Item["pk"], "sk": i.Put.Item["sk"]})] = i.Put.Item
			default:
				b.check(false, body)
			}
		}
		return http.StatusOK, struct{}{}
	}
	b.t.Errorf("the claims table was asked for %s", operation)
	return http.StatusBadRequest, map[string]any{"__type": "com.amazon.coral.service#UnknownOperationException"}
}

var (
	setting   = regexp.MustCompile(`^SET #\w+ = :\w+(, #\w+ = :\w+)*$`)
	condition = regexp.MustCompile(`^attribute_not_exists\((#\w+)\)$`)
)

// update changes one item, if its condition holds.
func (b *table) update(in updateItem, body []byte) (status int, answer any) {
	at := b.pk(in.Key)
	was := b.items[at]
	if in.ConditionExpression != "" {
		found := condition.FindStringSubmatch(in.ConditionExpression)
		b.check(found != nil && in.ReturnValuesOnConditionCheckFailure == "ALL_OLD", body)
		if found != nil && was[in.ExpressionAttributeNames[found[1]]] != nil {
			return http.StatusBadRequest, map[string]any{
				"__type":  "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
				"message": "The conditional request failed", "Item": was,
			}
		}
	}
	b.check(in.TableName == claimsTable && setting.MatchString(in.UpdateExpression), body)
	next := maps.Clone(in.Key)
	maps.Copy(next, was)
	for set := range strings.SplitSeq(strings.TrimPrefix(in.UpdateExpression, "SET "), ", ") {
		name, value, _ := strings.Cut(set, " = ")
		b.check(in.ExpressionAttributeNames[name] != "" && in.ExpressionAttributeValues[value] != nil, body)
		next[in.ExpressionAttributeNames[name]] = in.ExpressionAttributeValues[value]
	}
	b.items[at] = next
	if in.ReturnValues == "ALL_NEW" {
		return http.StatusOK, map[string]any{"Attributes": next}
	}
	b.check(in.ReturnValues == "", body)
	return http.StatusOK, struct{}{}
}

// pk is the key of an item, which has nothing but pk and sk.
func (b *table) pk(key item) string {
	if len(key) != 2 || key.text("pk") == "" || key.text("sk") != "-" {
		b.t.Errorf("key %v", key)
	}
	return key.text("pk")
}

func (b *table) check(ok bool, body []byte) {
	if !ok {
		b.t.Errorf("the claims table does not know such a request: %s", body)
	}
}

func read[T any](b *table, body []byte) (in T) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		b.t.Errorf("%v in %s", err, body)
	}
	return in
}

// by is whose word the attempt's register holds.
func (b *table) by(attempt string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.items["CLAIM#"+attempt].text("by")
}

// takenBack counts the registers that hold the scheduler's word.
func (b *table) takenBack() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for at, i := range b.items {
		if strings.HasPrefix(at, "CLAIM#") && i.text("by") == "scheduler" {
			n++
		}
	}
	return n
}

// String is for a failed test.
func (b *table) String() string { return fmt.Sprint(b.items) }
