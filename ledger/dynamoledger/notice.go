package dynamoledger

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
)

// The attributes of a notice. What is known when it is made and what became of
// it are in its own item; due, lease and tries in its outbox item, as long as
// it isn't settled.
const (
	attrRun     = "run"
	attrTarget  = "target"
	attrCreated = "created" // ms
	attrError   = "error"
	attrSettled = "settled" // ms
	attrDead    = "dead"
	attrDue     = "due"  // ms
	attrHeld    = "held" // ms; until when a taker keeps it
	attrTries   = "tries"
)

// noticeParts are what stores a notice, unless it is there already: the first
// part asks.
func noticeParts(table string, n ledger.Notice) []types.TransactWriteItem {
	notice, outbox := noticeKey(n.ID), key(outboxOf(n.Target), n.ID)
	notice[attrRun], notice[attrTarget] = text(n.Run), text(sqlrow.Text(n.Target))
	notice[attrBody], notice[attrCreated] = blob(sqlrow.Blob(n.Body)), millis(n.Created)
	outbox[attrDue], outbox[attrHeld], outbox[attrTries] = millis(n.Due), number(0), number(0)
	var first, any expr
	first.askAbsent(pk)
	ofRun := key(noticesOf(n.Run), n.ID)
	ofRun[attrTarget] = notice[attrTarget]
	return []types.TransactWriteItem{first.put(table, notice), any.put(table, outbox), any.put(table, ofRun)}
}

// noticeOf reads a notice from its item and its outbox item, which is nil once
// it is settled.
func noticeOf(i, outbox item) ledger.Notice {
	if outbox == nil {
		outbox = i
	}
	id := textOf(i, pk)[len("NOTICE#"):]
	return ledger.Notice{
		ID: id, Run: textOf(i, attrRun), Target: textOf(i, attrTarget), Body: blobOf(i, attrBody),
		Created: timeOf(i, attrCreated), Error: textOf(i, attrError), Settled: timeOf(i, attrSettled), Dead: yes(i, attrDead),
		Due: timeOf(outbox, attrDue), Tries: int(numberOf(outbox, attrTries)),
	}
}

// Notices implements [ledger.Ledger].
func (l *Ledger) Notices(ctx context.Context, runID string) ([]ledger.Notice, error) {
	op := "read notices of run " + runID
	var ids []string
	var keys []item
	for i, err := range l.items(ctx, op, query{partition: noticesOf(runID)}) {
		if err != nil {
			return nil, err
		}
		id := textOf(i, sk)
		ids = append(ids, id)
		keys = append(keys, noticeKey(id), key(outboxOf(textOf(i, attrTarget)), id))
	}
	found, err := l.gets(ctx, op, keys)
	if err != nil {
		return nil, err
	}
	notices, outbox := map[string]item{}, map[string]item{}
	for _, i := range found {
		if textOf(i, sk) == alone {
			notices[textOf(i, pk)] = i
		} else {
			outbox[textOf(i, sk)] = i
		}
	}
	list := []ledger.Notice{}
	for _, id := range ids {
		if i := notices["NOTICE#"+id]; i != nil {
			list = append(list, noticeOf(i, outbox[id]))
		}
	}
	return list, nil
}

// SettleNotice implements [ledger.Ledger].
func (l *Ledger) SettleNotice(ctx context.Context, id string, s ledger.Settlement) error {
	op := "settle notice " + id
	done, err := l.begin()
	if err != nil {
		return fmt.Errorf("ledger table %s: %s: %w", l.table, op, err)
	}
	defer done()
	notice, err := l.get(ctx, op, noticeKey(id))
	if err != nil || notice == nil || notice[attrSettled] != nil {
		return err
	}
	outboxKey := key(outboxOf(textOf(notice, attrTarget)), id)
	outbox, err := l.get(ctx, op, outboxKey)
	if err != nil || outbox == nil {
		return err
	}
	parts := l.retried(notice, outboxKey, s)
	if s.Retry.IsZero() {
		parts = l.settled(notice, outbox, s)
	}
	err = l.call(ctx, op, func(ctx context.Context) error {
		_, err := l.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: parts})
		return err
	})
	if refused(err) != nil {
		return nil // settled meanwhile, or by a try whose reply was lost
	}
	return err
}

// retried is the transaction that gives a notice back for another delivery.
func (l *Ledger) retried(notice, outboxKey item, s ledger.Settlement) []types.TransactWriteItem {
	var result, again expr
	result.set(attrError, text(sqlrow.Text(s.Error)))
	result.askAbsent(attrSettled)
	again.set(attrDue, millis(s.Retry))
	again.set(attrHeld, number(0))
	again.askPresent(pk)
	return []types.TransactWriteItem{result.change(l.table, keyOf(notice)), again.change(l.table, outboxKey)}
}

// settled is the transaction that takes a notice out of the outbox.
func (l *Ledger) settled(notice, outbox item, s ledger.Settlement) []types.TransactWriteItem {
	var result, ofRun expr
	result.set(attrError, text(sqlrow.Text(s.Error)))
	result.set(attrSettled, millis(s.At))
	result.set(attrDead, yesNo(s.Error != ""))
	result.set(attrDue, outbox[attrDue])
	result.set(attrTries, outbox[attrTries])
	result.askAbsent(attrSettled)
	result.askPresent(pk)
	ofRunKey := key(noticesOf(textOf(notice, attrRun)), textOf(outbox, sk))
	ofRun.set(attrTarget, notice[attrTarget])
	expiry := item{}
	if l.expire(expiry, s.At.UnixMilli()); expiry[attrTTL] != nil {
		result.set(attrTTL, expiry[attrTTL])
		ofRun.set(attrTTL, expiry[attrTTL])
	}
	return []types.TransactWriteItem{
		result.change(l.table, keyOf(notice)), ofRun.change(l.table, ofRunKey), drop(l.table, keyOf(outbox)),
	}
}

// due reports whether an outbox item may be taken at now.
func due(outbox item, now time.Time) bool {
	return numberOf(outbox, attrDue) <= now.UnixMilli() && numberOf(outbox, attrHeld) <= now.UnixMilli()
}
