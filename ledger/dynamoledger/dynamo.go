// Package dynamoledger keeps the ledger in one DynamoDB table, so that any
// number of schedulers, such as Lambda invocations, can share it.
//
// A change is one conditional write: a PutItem where it touches nothing but the
// run, else a TransactWriteItems, of which all is stored or nothing. What the
// conditions test is presumed from the change itself and from what was last
// seen of its job, so that it takes one call as a rule. A presumption that
// fails brings the truth with it (ReturnValuesOnConditionCheckFailure), and
// the change is decided anew. Nothing is refused on a presumption.
//
// A write whose reply was lost is repeated as it was. The nonce that it left in
// the run tells it from another's: its own is a success, not ErrExists or
// ErrStale. If another writer has changed the run in between, ErrStale is said
// of a write that did happen, which is how it would look a moment later anyway.
//
// Every read that a decision or an answer rests on is strongly consistent;
// there is no global secondary index, which could not be. Time to live removes
// history only (see [Options]), never what anybody relies on.
//
// What can go wrong: a table restored from a backup takes the ledger back in
// time, as does a global table's other region, which must not be written to.
// A partition of the table takes 1,000 writes a second; all runs of one job
// share one, as do all jobs' names.
package dynamoledger

import (
	"cmp"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/solocron/solocron/ledger"
)

// Options are what may be left at zero.
type Options struct {
	// Keep is how long DynamoDB keeps a run after its end, with its details and
	// settled notices; zero keeps them until Prune. It removes them some days
	// later, and only if the table's time to live is on for the attribute ttl.
	// Unlike Prune it also removes a job's latest run, which nothing rests on.
	Keep time.Duration
	// Patience is how long one call is repeated while DynamoDB is throttling,
	// in error or out of reach, 30 s by default. The caller's context may be
	// shorter.
	Patience time.Duration
}

// Ledger is a [ledger.Ledger] in a DynamoDB table.
type Ledger struct {
	db     *dynamodb.Client
	table  string
	keep   time.Duration
	limit  time.Duration // of one call with its repetitions
	lanes  lanes
	jobs   hints
	specs  specs
	open   sync.RWMutex // held for reading by every write under way
	closed bool
}

var _ ledger.Ledger = (*Ledger)(nil)

// New returns the ledger in the table, which must be as [Schema] says. It
// makes no call. The client's own retries come before the ledger's.
func New(client *dynamodb.Client, table string, o Options) *Ledger {
	return &Ledger{
		db: client, table: table, keep: o.Keep, limit: cmp.Or(o.Patience, 30*time.Second),
		lanes: newLanes(), jobs: hints{seen: map[string]jobState{}}, specs: specs{bodies: map[string][]byte{}},
	}
}

var errClosed = errors.New("the ledger is closed")

// begin admits a write; done ends it.
func (l *Ledger) begin() (done func(), err error) {
	l.open.RLock()
	if l.closed {
		l.open.RUnlock()
		return nil, errClosed
	}
	return l.open.RUnlock, nil
}

// Close waits for writes under way and refuses further ones. The client is the
// caller's. Repeating is safe.
func (l *Ledger) Close() error {
	l.open.Lock()
	defer l.open.Unlock()
	l.closed = true
	return nil
}
