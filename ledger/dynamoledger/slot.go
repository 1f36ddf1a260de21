package dynamoledger

import (
	"context"
	"hash/fnv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/solocron/solocron/ledger/sqlrow"
)

// jobState is what changes of runs read and move of their job.
type jobState struct {
	exists bool
	sqlrow.Slot
	through int64 // ms
	// guessed: nothing is known but that the holder should be the run at hand.
	guessed bool
}

func jobStateOf(i item) jobState {
	return jobState{
		exists: len(i) > 0, through: numberOf(i, attrThrough),
		Slot: sqlrow.Slot{Holder: textOf(i, attrHolder), Fence: numberOf(i, attrFence)},
	}
}

// after is the job after the change that was decided.
func (j jobState) after(d sqlrow.Decision) jobState {
	j.exists, j.Slot = true, d.Slot
	if d.Run.Through != nil && !j.guessed {
		j.through = max(j.through, *d.Run.Through)
	}
	return j
}

// move is the update from one state to the next. No two states of a job that
// are apart in time have holder and fencing number in common: the number grows
// with every hold, and a hold ends once. So they tell whether the slot still
// stands as it was seen, and writers of other attributes disturb nobody.
func (j jobState) move(table, name string, next jobState) types.TransactWriteItem {
	var e expr
	if !j.exists {
		e.askAbsent(pk)
	}
	if !j.exists || next.Slot != j.Slot {
		e.set(attrHolder, text(next.Holder))
	}
	if !j.exists || next.Slot != j.Slot && !j.guessed {
		e.set(attrFence, number(next.Fence))
	}
	if j.exists && next.Slot != j.Slot {
		e.ask(attrHolder, text(j.Holder))
		if !j.guessed {
			e.ask(attrFence, number(j.Fence))
		}
	}
	if next.through > j.through {
		e.set(attrThrough, number(next.through))
		e.askLess(attrThrough, number(next.through))
	}
	return e.change(table, jobKey(name))
}

// hints are the jobs as they were last seen, which spares most changes a read.
// They may be out of date: a condition tests them.
type hints struct {
	mu   sync.Mutex
	seen map[string]jobState
}

func (h *hints) last(job string) (j jobState, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	j, known = h.seen[job]
	return j, known
}

func (h *hints) saw(job string, j jobState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen[job] = j
}

func (h *hints) forget(job string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.seen, job)
}

// lanes let one change of a job at a time through, so that those of this
// process don't run into each other's conditions. Some jobs share a lane.
type lanes [64]chan struct{}

func newLanes() (l lanes) {
	for i := range l {
		l[i] = make(chan struct{}, 1)
	}
	return l
}

func (l *lanes) enter(ctx context.Context, job string) (leave func(), err error) {
	h := fnv.New32a()
	h.Write([]byte(job))
	lane := l[h.Sum32()%uint32(len(l))]
	select {
	case lane <- struct{}{}:
		return func() { <-lane }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
