package dynamoledger

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
	"github.com/solocron/solocron/run"
)

// The attributes of a run. Only body is read back into it; the others are
// written from it, for conditions and selections.
const (
	attrBody    = "body"
	attrVersion = "version"
	attrNonce   = "nonce"   // of the write that made this version
	attrListed  = "listed"  // whether the run is in the open index
	attrBusy    = "busy"    // host of the attempt under way
	attrEnded   = "ended"   // when a final run ended, in ms
	attrThrough = "through" // the latest due time it stands for, in ms; none for a manual run
	attrTTL     = "ttl"     // when DynamoDB may remove the item, in seconds since 1970
)

// runItem is the run as an item of the table.
func (l *Ledger) runItem(r sqlrow.Run, nonce string) item {
	i := runKey(r.ID)
	i[attrBody], i[attrVersion], i[attrNonce] = text(r.Body), number(r.Version), text(nonce)
	i[attrListed] = yesNo(r.Ended == nil)
	if r.BusyHost != "" {
		i[attrBusy] = text(r.BusyHost)
	}
	if r.Through != nil {
		i[attrThrough] = number(*r.Through)
	}
	if r.Ended != nil {
		i[attrEnded] = number(*r.Ended)
		l.expire(i, *r.Ended)
	}
	return i
}

// expire lets DynamoDB remove the item some time after the given one, in ms.
func (l *Ledger) expire(i item, after int64) {
	if l.keep > 0 {
		i[attrTTL] = number((after + l.keep.Milliseconds()) / 1000)
	}
}

// rowOf is what a decision needs of a stored run; nil for no item.
func rowOf(i item) *sqlrow.Run {
	if len(i) == 0 {
		return nil
	}
	return &sqlrow.Run{ID: textOf(i, sk), Version: numberOf(i, attrVersion), Body: textOf(i, attrBody)}
}

// decodeRun reads a run from its item. One that can't be read wraps
// [ledger.ErrCorrupt].
func decodeRun(i item) (run.Run, error) {
	var r run.Run
	if err := json.Unmarshal([]byte(textOf(i, attrBody)), &r); err != nil {
		return run.Run{}, fmt.Errorf("decode run %s: %w: %w", textOf(i, sk), ledger.ErrCorrupt, err)
	}
	return r, nil
}

// Run implements [ledger.Ledger].
func (l *Ledger) Run(ctx context.Context, id string) (run.Run, error) {
	if err := context.Cause(ctx); err != nil {
		return run.Run{}, err
	}
	if jobOf(id) == "" {
		return run.Run{}, fmt.Errorf("run %s: %w", id, ledger.ErrNotFound)
	}
	i, err := l.get(ctx, "read run "+id, runKey(id))
	if err != nil {
		return run.Run{}, err
	}
	if i == nil {
		return run.Run{}, fmt.Errorf("run %s: %w", id, ledger.ErrNotFound)
	}
	return decodeRun(i)
}

// runPut writes the run on the condition that it stands as the view has it.
func (l *Ledger) runPut(r sqlrow.Run, nonce string, v view) types.TransactWriteItem {
	var e expr
	if v.run == nil {
		e.askAbsent(pk)
	} else {
		e.ask(attrVersion, number(v.run.Version))
		if r.Ended == nil {
			e.ask(attrListed, yesNo(v.listed))
		}
	}
	return e.put(l.table, l.runItem(r, nonce))
}
