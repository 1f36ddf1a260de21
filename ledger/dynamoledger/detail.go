package dynamoledger

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// The attributes of a detail, as compressed JSON: an item holds 400 KB, and a
// pick lists every host of the fleet.
const (
	attrAttempt = "attempt"
	attrPick    = "pick"
	attrOutput  = "output"
)

// detailPart joins the detail with what is stored.
func (l *Ledger) detailPart(r run.Run, d ledger.Detail) (types.TransactWriteItem, error) {
	var e expr
	e.set(attrAttempt, number(int64(d.Attempt)))
	join := func(attr string, v any) error {
		packed, err := pack(v)
		if err != nil {
			return fmt.Errorf("encode %s of run %s, attempt %d: %w", attr, r.ID, d.Attempt, err)
		}
		e.set(attr, blob(packed))
		return nil
	}
	if d.Pick != nil {
		if err := join(attrPick, d.Pick); err != nil {
			return types.TransactWriteItem{}, err
		}
	}
	if d.Output != nil {
		if err := join(attrOutput, d.Output); err != nil {
			return types.TransactWriteItem{}, err
		}
	}
	i := item{}
	if l.expire(i, latest(r).UnixMilli()); i[attrTTL] != nil {
		e.set(attrTTL, i[attrTTL])
	}
	return e.change(l.table, detailKey(r.ID, d.Attempt)), nil
}

// latest is the last instant that the run speaks of, the least from which its
// details are kept.
func latest(r run.Run) time.Time {
	last := r.Due
	times := []time.Time{r.Created, r.Until, r.NotBefore, r.StartedAt, r.EndedAt}
	for _, a := range r.Attempts {
		times = append(times, a.Intended, a.StartedAt, a.EndedAt)
	}
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last.Add(r.Policy.Timeout)
}

// Details implements [ledger.Ledger].
func (l *Ledger) Details(ctx context.Context, id string) ([]ledger.Detail, error) {
	list := []ledger.Detail{}
	for i, err := range l.items(ctx, "read details of run "+id, query{partition: detailsOf(id)}) {
		if err != nil {
			return nil, err
		}
		d := ledger.Detail{Attempt: int(numberOf(i, attrAttempt))}
		if err := errors.Join(unpack(blobOf(i, attrPick), &d.Pick), unpack(blobOf(i, attrOutput), &d.Output)); err != nil {
			return nil, fmt.Errorf("decode detail of run %s, attempt %d: %w: %w", id, d.Attempt, ledger.ErrCorrupt, err)
		}
		list = append(list, d)
	}
	return list, nil
}

// pack compresses a value's JSON.
func pack(v any) ([]byte, error) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// unpack reads what pack made into v, which stays as it is if there is nothing.
func unpack(packed []byte, v any) error {
	if packed == nil {
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	return json.NewDecoder(z).Decode(v)
}
