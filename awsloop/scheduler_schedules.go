package awsloop

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
)

// definition is what CreateSchedule and UpdateSchedule have in common: the
// SDK's structure, but for dates, which the wire has as seconds since 1970.
type definition struct {
	scheduler.CreateScheduleInput
	StartDate, EndDate *float64
}

// entry is a schedule with its next due time.
type entry struct {
	scheduler.GetScheduleOutput
	expression expression
	next       time.Time // zero if there's none
	listed     time.Time // by the machine's clock: it is not in lists before
}

func (x *Scheduler) createSchedule(r *http.Request, body []byte) (any, error) {
	e, err := x.define(r.Context(), r.PathValue("name"), body)
	if err != nil {
		return nil, err
	}
	if x.schedules[e.key()] != nil {
		return nil, conflict("Schedule " + *e.Name + " already exists.")
	}
	if k := x.server.Knobs().Unlisted; x.server.roll(k) {
		e.listed = time.Now().Add(k.For)
	}
	x.schedules[e.key()] = e
	change(x.changed)
	return scheduler.CreateScheduleOutput{ScheduleArn: e.Arn}, nil
}

// updateSchedule replaces all; what is left out is as if it had been left out
// when it was created, the state too. A rate starts anew.
func (x *Scheduler) updateSchedule(r *http.Request, body []byte) (any, error) {
	e, err := x.define(r.Context(), r.PathValue("name"), body)
	if err != nil {
		return nil, err
	}
	old := x.schedules[e.key()]
	if old == nil {
		return nil, missing("Schedule " + *e.Name + " does not exist.")
	}
	e.CreationDate = old.CreationDate
	x.schedules[e.key()] = e
	change(x.changed)
	return scheduler.UpdateScheduleOutput{ScheduleArn: e.Arn}, nil
}

// define makes a schedule of a request.
func (x *Scheduler) define(ctx context.Context, name string, body []byte) (*entry, error) {
	var in definition
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if err := checkName("Name", name); err != nil {
		return nil, err
	}
	expression, err := in.check()
	if err != nil {
		return nil, err
	}
	groupName := cmp.Or(aws.ToString(in.GroupName), "default")
	if _, err := x.group(groupName); err != nil {
		return nil, err
	}
	if err := x.checkRole(ctx, groupName, in.Target); err != nil {
		return nil, err
	}
	now := x.clock.Now()
	e := &entry{expression: expression, GetScheduleOutput: scheduler.GetScheduleOutput{
		Arn:                        aws.String(strings.Replace(x.groupARN(groupName), ":schedule-group/", ":schedule/", 1) + "/" + name),
		Name:                       &name,
		GroupName:                  &groupName,
		CreationDate:               &now,
		LastModificationDate:       &now,
		ActionAfterCompletion:      cmp.Or(in.ActionAfterCompletion, types.ActionAfterCompletionNone),
		Description:                in.Description,
		StartDate:                  date(in.StartDate),
		EndDate:                    date(in.EndDate),
		FlexibleTimeWindow:         in.FlexibleTimeWindow,
		KmsKeyArn:                  in.KmsKeyArn,
		ScheduleExpression:         in.ScheduleExpression,
		ScheduleExpressionTimezone: aws.String(cmp.Or(aws.ToString(in.ScheduleExpressionTimezone), "UTC")),
		State:                      cmp.Or(in.State, types.ScheduleStateEnabled),
		Target:                     withRetries(in.Target),
	}}
	e.advance(now.Add(-1)) // a rate is due now
	return e, nil
}

// withRetries sets the defaults of the retry policy.
func withRetries(t *types.Target) *types.Target {
	policy := types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(86400), MaximumRetryAttempts: aws.Int32(185)}
	if given := t.RetryPolicy; given != nil {
		policy.MaximumEventAgeInSeconds = cmp.Or(given.MaximumEventAgeInSeconds, policy.MaximumEventAgeInSeconds)
		policy.MaximumRetryAttempts = cmp.Or(given.MaximumRetryAttempts, policy.MaximumRetryAttempts)
	}
	t.RetryPolicy = &policy
	return t
}

func date(seconds *float64) *time.Time {
	if seconds == nil {
		return nil
	}
	t := time.UnixMilli(int64(*seconds * 1000)).UTC()
	return &t
}

func (e *entry) key() string { return *e.GroupName + "/" + *e.Name }

// advance sets the next due time after t. Start and end don't count for a
// single moment.
func (e *entry) advance(t time.Time) {
	e.next = time.Time{}
	if e.State != types.ScheduleStateEnabled {
		return
	}
	once := !e.expression.at.IsZero()
	start := *e.LastModificationDate
	if e.StartDate != nil && !once {
		start = *e.StartDate
		if t.Before(start) {
			t = start.Add(-1)
		}
	}
	next, ok := e.expression.next(t, start)
	if ok && (once || e.EndDate == nil || !next.After(*e.EndDate)) {
		e.next = next
	}
}

func (x *Scheduler) getSchedule(r *http.Request, _ []byte) (any, error) {
	e, err := x.find(r)
	if err != nil {
		return nil, err
	}
	return e.GetScheduleOutput, nil
}

func (x *Scheduler) deleteSchedule(r *http.Request, _ []byte) (any, error) {
	e, err := x.find(r)
	if err == nil {
		delete(x.schedules, e.key())
		if k := x.server.Knobs().Lingering; x.server.roll(k) {
			x.lingering = append(x.lingering, lingering{e, time.Now().Add(k.For)})
		}
	}
	return scheduler.DeleteScheduleOutput{}, err
}

func (x *Scheduler) find(r *http.Request) (*entry, error) {
	name, groupName := r.PathValue("name"), cmp.Or(r.URL.Query().Get("groupName"), "default")
	if err := checkName("Name", name); err != nil {
		return nil, err
	}
	if e := x.schedules[groupName+"/"+name]; e != nil {
		return e, nil
	}
	return nil, missing("Schedule " + name + " does not exist.")
}

// lingering is a schedule that was deleted, and is in lists nevertheless.
type lingering struct {
	*entry
	until time.Time
}

// seen are the schedules that lists know of, in no order.
func (x *Scheduler) seen() []*entry {
	now := time.Now()
	var all []*entry
	for _, e := range x.schedules {
		if !now.Before(e.listed) {
			all = append(all, e)
		}
	}
	x.lingering = slices.DeleteFunc(x.lingering, func(l lingering) bool { return !now.Before(l.until) })
	for _, l := range x.lingering {
		if x.schedules[l.key()] == nil && x.groups[*l.GroupName] != nil {
			all = append(all, l.entry)
		}
	}
	return all
}

func (x *Scheduler) listSchedules(r *http.Request, _ []byte) (any, error) {
	q := r.URL.Query()
	groupName, prefix, state := q.Get("ScheduleGroup"), q.Get("NamePrefix"), q.Get("State")
	if groupName != "" {
		if _, err := x.group(groupName); err != nil {
			return nil, err
		}
	}
	if !oneOf(state, "", "ENABLED", "DISABLED") {
		return nil, notValid("State " + state)
	}
	all := []types.ScheduleSummary{}
	for _, e := range x.seen() {
		if (groupName == "" || *e.GroupName == groupName) && strings.HasPrefix(*e.Name, prefix) && (state == "" || string(e.State) == state) {
			all = append(all, types.ScheduleSummary{
				Arn: e.Arn, Name: e.Name, GroupName: e.GroupName, State: e.State,
				CreationDate: e.CreationDate, LastModificationDate: e.LastModificationDate,
				Target: &types.TargetSummary{Arn: e.Target.Arn},
			})
		}
	}
	part, next, err := pageOf(r, all, func(s types.ScheduleSummary) string { return *s.GroupName + "/" + *s.Name })
	return scheduler.ListSchedulesOutput{Schedules: part, NextToken: next}, err
}
