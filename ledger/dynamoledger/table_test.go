package dynamoledger

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"

	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/ledger"
)

func TestReady(t *testing.T) {
	t.Parallel()
	config, table := newTable(t)
	client := dynamodb.NewFromConfig(config)
	if err := New(client, table, Options{}).Ready(t.Context()); err != nil {
		t.Error(err)
	}

	other := Schema(table + "-other")
	other.KeySchema, other.AttributeDefinitions = other.KeySchema[:1], other.AttributeDefinitions[:1]
	mototest.Table(t, config, other)
	for name, want := range map[string]string{
		*other.TableName:   "it needs the string keys pk (hash) and sk (range)",
		table + "-nowhere": "no such table in this account and region; solocron apply makes it",
	} {
		err := New(client, name, Options{}).Ready(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("table %s: %v, want it to say %q", name, err, want)
		}
	}
}

func TestReadyWaitsForTheTable(t *testing.T) {
	t.Parallel()
	made := Schema("t")
	err := fits(&types.TableDescription{
		TableName: aws.String("t"), TableStatus: types.TableStatusCreating,
		KeySchema: made.KeySchema, AttributeDefinitions: made.AttributeDefinitions,
	})
	if err == nil || !strings.Contains(err.Error(), "wait until it is active") {
		t.Error(err)
	}
}

// Only what is history is given to time to live.
func TestTimeToLive(t *testing.T) {
	t.Parallel()
	config, table := newTable(t)
	l := New(dynamodb.NewFromConfig(config), table, Options{Keep: 24 * time.Hour})
	putJob(t, l, "a")
	opened := take(starting("a", 1))
	opened.Notices = []ledger.Notice{
		{ID: "settled", Run: opened.Run.ID, Target: "mail"}, {ID: "waiting", Run: opened.Run.ID, Target: "mail"},
	}
	opened.Detail = &ledger.Detail{Attempt: 1, Pick: &fleet.Pick{Seed: "s"}}
	ended := succeeded(mustWrite(t, l, opened)).Run
	mustWrite(t, l, ledger.Change{Run: ended})
	if err := l.SettleNotice(t.Context(), "settled", ledger.Settlement{At: ended.EndedAt}); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, l, ledger.Change{Run: starting("a", 2)})

	day := func(after time.Time) int64 { return after.Add(24 * time.Hour).Unix() }
	for _, c := range []struct {
		what string
		key  item
		want int64
	}{
		{"an ended run", runKey(ended.ID), day(ended.EndedAt)},
		{"its pick", detailKey(ended.ID, 1), day(ended.Due)},
		{"a settled notice", noticeKey("settled"), day(ended.EndedAt)},
		{"the run's mention of it", key(noticesOf(ended.ID), "settled"), day(ended.EndedAt)},
		{"an open run", runKey(starting("a", 2).ID), 0},
		{"its place in the index", openKey(starting("a", 2).ID), 0},
		{"a job", jobKey("a"), 0},
		{"a spec", specKey("hash of a"), 0},
		{"a waiting notice", noticeKey("waiting"), 0},
		{"its place in the outbox", key(outboxOf("mail"), "waiting"), 0},
	} {
		i, err := l.get(t.Context(), c.what, c.key)
		if err != nil || i == nil || numberOf(i, attrTTL) != c.want {
			t.Errorf("%s: ttl %d, want %d (%v)", c.what, numberOf(i, attrTTL), c.want, err)
		}
	}
}

func TestNoGoroutineStays(t *testing.T) {
	config, table := newTable(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l, w := wired(t, config, table)
	for _, job := range []string{"a", "b", "c"} {
		mustWrite(t, l, ledger.Change{Run: occurrence(job, 1)})
	}
	if found := list(t, l, ledger.Query{Limit: 1}); len(found) != 1 { // leaves walks unfinished
		t.Errorf("found %v", found)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	w.next.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}
