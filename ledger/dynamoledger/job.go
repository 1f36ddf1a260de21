package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
)

// The attributes of a job. Its item may be older than the job's first PutJobs,
// made by a run; there is no since until then. It holds the present spec too,
// so that who reads the job needs no second call for it.
const (
	attrHash    = "hash"
	attrWhen    = "when"
	attrSince   = "since"   // ms
	attrRetired = "retired" // ms, absent while the job is in force
	attrChecked = "checked" // ms
	attrSpec    = "spec"
	attrHolder  = "holder"
	attrFence   = "fence"
	attrPause   = "pause" // a map, absent if the job is not paused
)

// The keys within attrPause.
const (
	pausedBy   = "by"
	pausedAt   = "at" // ms
	pausedNote = "note"
)

// jobOfItem reads a job. ok is false for one that was never put.
func jobOfItem(name string, i item) (j ledger.Job, ok bool) {
	if i[attrSince] == nil {
		return ledger.Job{}, false
	}
	j = ledger.Job{
		Name: name, Hash: textOf(i, attrHash), When: textOf(i, attrWhen),
		Since: timeOf(i, attrSince), Retired: timeOf(i, attrRetired),
		Through: timeOf(i, attrThrough), Checked: timeOf(i, attrChecked),
		Holder: textOf(i, attrHolder), Fence: numberOf(i, attrFence),
	}
	if p, paused := i[attrPause].(*types.AttributeValueMemberM); paused {
		j.Pause = ledger.Pause{
			On: true, By: textOf(p.Value, pausedBy), At: timeOf(p.Value, pausedAt), Note: textOf(p.Value, pausedNote),
		}
	}
	return j, true
}

// millis is a time as an attribute.
func millis(t time.Time) types.AttributeValue { return number(t.UnixMilli()) }

// timeOf is the time of an attribute, zero if there is none.
func timeOf(i item, attr string) time.Time {
	if i[attr] == nil {
		return time.Time{}
	}
	return time.UnixMilli(numberOf(i, attr)).UTC()
}

// learnJob remembers what a read of the job's item shows.
func (l *Ledger) learnJob(name string, i item) {
	l.jobs.saw(name, jobStateOf(i))
	if spec := blobOf(i, attrSpec); spec != nil {
		l.specs.keep(textOf(i, attrHash), spec)
	}
}

// Job implements [ledger.Ledger].
func (l *Ledger) Job(ctx context.Context, name string) (ledger.Job, error) {
	i, err := l.get(ctx, "read job "+name, jobKey(name))
	if err != nil {
		return ledger.Job{}, err
	}
	j, known := jobOfItem(name, i)
	if !known {
		return ledger.Job{}, fmt.Errorf("job %s: %w", name, ledger.ErrNotFound)
	}
	l.learnJob(name, i)
	return j, nil
}

// Jobs implements [ledger.Ledger].
func (l *Ledger) Jobs(ctx context.Context) ([]ledger.Job, error) {
	names, err := l.jobNames(ctx)
	if err != nil {
		return nil, err
	}
	found, err := l.jobItems(ctx, names)
	if err != nil {
		return nil, err
	}
	jobs := []ledger.Job{}
	for _, name := range names {
		if j, known := jobOfItem(name, found[name]); known {
			l.learnJob(name, found[name])
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

// jobNames lists the jobs that have an item, sorted.
func (l *Ledger) jobNames(ctx context.Context) ([]string, error) {
	var names []string
	for i, err := range l.items(ctx, "list jobs", query{partition: jobNames}) {
		if err != nil {
			return nil, err
		}
		names = append(names, textOf(i, sk))
	}
	return names, nil
}

// jobItems reads jobs by name.
func (l *Ledger) jobItems(ctx context.Context, names []string) (map[string]item, error) {
	keys, name := []item{}, map[string]string{}
	for _, n := range names {
		k := jobKey(n)
		if name[textOf(k, pk)] == "" {
			keys = append(keys, k)
		}
		name[textOf(k, pk)] = n
	}
	found, err := l.gets(ctx, "read jobs", keys)
	byName := map[string]item{}
	for _, i := range found {
		byName[name[textOf(i, pk)]] = i
	}
	return byName, err
}

// PutJobs implements [ledger.Ledger]. Jobs that stand as they are cost no
// write.
func (l *Ledger) PutJobs(ctx context.Context, now time.Time, jobs ...ledger.JobSpec) error {
	done, err := l.begin()
	if err != nil {
		return fmt.Errorf("ledger table %s: put jobs: %w", l.table, err)
	}
	defer done()
	var names []string
	for _, s := range jobs {
		names = append(names, s.Name)
	}
	found, err := l.jobItems(ctx, names)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var moved []string
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, s := range jobs {
		g.Go(func() error {
			err := l.putJob(ctx, now, s, found[s.Name])
			if errors.Is(err, ledger.ErrMoved) {
				mu.Lock()
				defer mu.Unlock()
				moved = append(moved, s.Name)
				return nil // the other jobs go on
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return sqlrow.Moved(moved)
}

// putJob writes the job until its item stands as the file has it, or not as
// From says.
func (l *Ledger) putJob(ctx context.Context, now time.Time, s ledger.JobSpec, have item) error {
	for {
		j, known := jobOfItem(s.Name, have)
		if j.Current() == s.Hash && j.When == s.When && have[attrSpec] != nil {
			l.learnJob(s.Name, have)
			return nil
		}
		if !s.Meets(j) {
			return ledger.ErrMoved
		}
		var e expr
		e.set(attrHash, text(s.Hash))
		e.set(attrWhen, text(s.When))
		e.set(attrSpec, blob(sqlrow.Blob(s.Body)))
		e.initially(attrHolder, text(""))
		e.initially(attrFence, number(0))
		if j.Current() == "" || j.When != s.When {
			e.set(attrSince, millis(now))
		}
		switch {
		case !known:
			e.askAbsent(attrSince)
		case j.Retired.IsZero():
			e.askAbsent(attrRetired)
		default:
			e.ask(attrRetired, millis(j.Retired))
			e.remove(attrRetired)
		}
		if known {
			e.ask(attrHash, text(j.Hash))
			e.ask(attrWhen, text(j.When))
		}
		spec := specKey(s.Hash)
		spec[attrSpec] = blob(sqlrow.Blob(s.Body))
		parts := []types.TransactWriteItem{
			e.change(l.table, jobKey(s.Name)),
			(&expr{}).put(l.table, spec),
			(&expr{}).put(l.table, key(jobNames, s.Name)),
		}
		err := l.call(ctx, "put job "+s.Name, func(ctx context.Context) error {
			_, err := l.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: parts})
			return err
		})
		reasons := refused(err)
		if reasons == nil {
			return err
		}
		have = reasons[0].Item // another put it; it may have been this very call
	}
}

// Retire implements [ledger.Ledger].
func (l *Ledger) Retire(ctx context.Context, now time.Time, job, hash string) error {
	var e expr
	e.set(attrRetired, millis(now))
	e.askPresent(attrSince)
	e.askAbsent(attrRetired)
	e.ask(attrHash, text(hash))
	have, err := l.mark(ctx, "retire job ", job, e)
	if have != nil && have[attrRetired] == nil {
		return fmt.Errorf("retire job %s: %w", job, ledger.ErrMoved)
	}
	return err
}

// Check implements [ledger.Ledger].
func (l *Ledger) Check(ctx context.Context, job string, through time.Time) error {
	var e expr
	e.set(attrChecked, millis(through))
	e.askPresent(attrSince)
	e.askLess(attrChecked, millis(through))
	_, err := l.mark(ctx, "check job ", job, e)
	return err
}

// Pause implements [ledger.Ledger].
func (l *Ledger) Pause(ctx context.Context, job string, p ledger.Pause) error {
	var e expr
	e.askPresent(attrSince)
	if p.On {
		pause := item{pausedBy: text(sqlrow.Text(p.By)), pausedNote: text(sqlrow.Text(p.Note))}
		if !p.At.IsZero() {
			pause[pausedAt] = millis(p.At)
		}
		e.set(attrPause, &types.AttributeValueMemberM{Value: pause})
		e.askAbsent(attrPause)
	} else {
		e.remove(attrPause)
	}
	_, err := l.mark(ctx, "pause job ", job, e)
	return err
}

// mark updates a job that was put. It returns the job's item if that isn't what
// the update asks for beyond that, which mostly means that it is so already.
func (l *Ledger) mark(ctx context.Context, op, job string, e expr) (have item, err error) {
	done, err := l.begin()
	if err != nil {
		return nil, fmt.Errorf("ledger table %s: %s%s: %w", l.table, op, job, err)
	}
	defer done()
	err = l.call(ctx, op+job, func(ctx context.Context) error {
		_, err := l.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &l.table, Key: jobKey(job), UpdateExpression: e.update(),
			ConditionExpression: e.condition(), ReturnValuesOnConditionCheckFailure: allOld,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		})
		return err
	})
	if reasons := refused(err); reasons != nil {
		if have = reasons[0].Item; have[attrSince] == nil {
			return nil, fmt.Errorf("%s%s: %w", op, job, ledger.ErrNotFound)
		}
		return have, nil
	}
	return nil, err
}
