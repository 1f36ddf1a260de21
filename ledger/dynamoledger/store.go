package dynamoledger

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
)

// transaction is what stores a change. The run is its first part.
type transaction struct {
	parts []types.TransactWriteItem
	job   int            // the job's part; 0 for none
	next  jobState       // the job afterwards
	told  map[int]string // IDs of the notices, by the part that asks whether they are new
}

func (t *transaction) add(parts ...types.TransactWriteItem) {
	t.parts = append(t.parts, parts...)
}

// assemble makes the transaction that stores a decision over the view.
func (l *Ledger) assemble(w *write, d sqlrow.Decision, v view) (transaction, error) {
	t := transaction{told: map[int]string{}}
	final := d.Run.Ended != nil
	t.add(l.runPut(d.Run, w.nonce, v))
	switch {
	case final && v.run != nil:
		t.add(drop(l.table, openKey(d.Run.ID)))
	case !final && (v.run == nil || !v.listed):
		t.add((&expr{}).put(l.table, openKey(d.Run.ID)))
	}
	if w.ofJob() {
		if t.next = v.job.after(d); t.next != v.job {
			t.job = len(t.parts)
			t.add(v.job.move(l.table, w.Run.Job, t.next))
		}
		if !v.job.exists {
			t.add((&expr{}).put(l.table, key(jobNames, w.Run.Job)))
		}
	}
	if w.Detail != nil {
		part, err := l.detailPart(d.Outcome.Run, *w.Detail)
		if err != nil {
			return t, err
		}
		t.add(part)
	}
	if len(w.Notices) > maxNotices {
		part, err := l.parcelPart(w.nonce, w.Notices)
		t.add(part)
		return t, err
	}
	for _, n := range w.Notices {
		if !w.known[n.ID] {
			t.told[len(t.parts)] = n.ID
			t.add(noticeParts(l.table, n)...)
		}
	}
	return t, nil
}

// store writes the decision. If a condition fails, the new view is what stood
// in the way; own reports that the change is stored, now or by an earlier try.
func (l *Ledger) store(ctx context.Context, w *write, d sqlrow.Decision, v view) (_ view, own bool, err error) {
	t, err := l.assemble(w, d, v)
	if err != nil {
		return v, false, err
	}
	err = l.send(ctx, w, t.parts)
	if err == nil {
		if t.job > 0 && !v.job.guessed {
			l.jobs.saw(w.Run.Job, t.next)
		} else if t.job > 0 {
			l.jobs.forget(w.Run.Job)
		}
		return v, true, nil
	}
	l.jobs.forget(w.Run.Job)
	reasons := refused(err)
	if reasons == nil {
		return v, false, err
	}
	return l.learn(w, t, v, reasons)
}

// send performs the parts as one write. The SDK repeats it under one token,
// by which DynamoDB knows a transaction for ten minutes. What the ledger repeats
// is encoded anew and so has a new token, as one must not come back with other
// parameters; then the nonce tells.
func (l *Ledger) send(ctx context.Context, w *write, parts []types.TransactWriteItem) error {
	return l.call(ctx, "write run "+w.Run.ID, func(ctx context.Context) (err error) {
		if put := parts[0].Put; len(parts) == 1 {
			_, err = l.db.PutItem(ctx, &dynamodb.PutItemInput{
				TableName: put.TableName, Item: put.Item, ConditionExpression: put.ConditionExpression,
				ExpressionAttributeNames: put.ExpressionAttributeNames, ExpressionAttributeValues: put.ExpressionAttributeValues,
				ReturnValuesOnConditionCheckFailure: put.ReturnValuesOnConditionCheckFailure,
			})
			return err
		}
		w.tries++
		_, err = l.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
			TransactItems: parts, ClientRequestToken: aws.String(fmt.Sprintf("%s-%d", w.nonce, w.tries)),
		})
		return err
	})
}

// learn corrects the view by what the failed conditions showed. What a
// condition did not object to is as the view had it.
func (l *Ledger) learn(w *write, t transaction, v view, reasons []types.CancellationReason) (_ view, own bool, err error) {
	for part, r := range reasons {
		switch {
		case aws.ToString(r.Code) != conditionFailed:
		case part == 0 && textOf(r.Item, attrNonce) == w.nonce:
			v.stored = r.Item
			return v, true, nil
		case part == 0:
			v.run, v.listed, v.sure = rowOf(r.Item), yes(r.Item, attrListed), true
		case part == t.job:
			v.job, v.sure = jobStateOf(r.Item), true
			l.jobs.saw(w.Run.Job, v.job)
		default:
			w.known[t.told[part]] = true
		}
	}
	return v, false, nil
}

// distinct drops notices that have the ID of an earlier one.
func distinct(notices []ledger.Notice) []ledger.Notice {
	seen := map[string]bool{}
	var list []ledger.Notice
	for _, n := range notices {
		if !seen[n.ID] {
			seen[n.ID] = true
			list = append(list, n)
		}
	}
	return list
}
