package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/solocron/solocron/stack"
)

// applySchedules makes what is missing, then removes what is too much, so that a
// due time in between is rung for twice, which the function tells apart, rather
// than not at all.
func (a *Account) applySchedules(ctx context.Context, i *stack.Installation, s *survey) error {
	count := s.counter(a)
	err := a.each(ctx, len(s.group.create), func(ctx context.Context, n int) error {
		w := s.group.create[n]
		return count(a.createSchedule(ctx, i, s.place, w, s.group.asleep[w.Name]))
	})
	if err != nil {
		return err
	}
	err = a.each(ctx, len(s.group.remake), func(ctx context.Context, n int) error {
		w := s.group.remake[n]
		return count(a.remakeSchedule(ctx, i, s.place, w, s.group.asleep[w.Name]))
	})
	if err != nil {
		return err
	}
	return a.each(ctx, len(s.group.remove), func(ctx context.Context, n int) error {
		return count(a.deleteSchedule(ctx, i, s.group.remove[n]))
	})
}

// counter tells of every schedule that is done.
func (s *survey) counter(a *Account) func(error) error {
	total := len(s.group.create) + len(s.group.remake) + len(s.group.remove)
	var done atomic.Int64
	return func(err error) error {
		if err == nil {
			a.tell(Step{Part: "schedules", Text: "in place", Done: int(done.Add(1)), Total: total})
		}
		return err
	}
}

func state(asleep bool) types.ScheduleState {
	if asleep {
		return types.ScheduleStateDisabled
	}
	return types.ScheduleStateEnabled
}

// createSchedule makes a schedule. One of the name is the same one.
func (a *Account) createSchedule(ctx context.Context, i *stack.Installation, p stack.Place, w wanted, asleep bool) error {
	in := &scheduler.CreateScheduleInput{
		Name: &w.Name, GroupName: aws.String(i.Group()), State: state(asleep),
		ScheduleExpression: &w.Expr, ScheduleExpressionTimezone: &w.Zone,
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		Target:             target(i, p, w.Schedule),
	}
	err := settle(ctx, settling, unsettled, func() error {
		_, err := a.Scheduler.CreateSchedule(ctx, in)
		return err
	})
	if err != nil && errorCode(err) != "ConflictException" {
		return fmt.Errorf("make schedule %s: %w", w.Name, err)
	}
	return nil
}

// remakeSchedule undoes what was edited by hand. It is an update since a name
// that was just deleted may not be free yet, and so that nothing is missed.
func (a *Account) remakeSchedule(ctx context.Context, i *stack.Installation, p stack.Place, w wanted, asleep bool) error {
	_, err := a.Scheduler.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
		Name: &w.Name, GroupName: aws.String(i.Group()), State: state(asleep),
		ScheduleExpression: &w.Expr, ScheduleExpressionTimezone: &w.Zone,
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		Target:             target(i, p, w.Schedule),
	})
	if notFound(err) {
		return a.createSchedule(ctx, i, p, w, asleep)
	}
	if err != nil {
		return fmt.Errorf("make schedule %s anew: %w", w.Name, err)
	}
	return nil
}

func (a *Account) deleteSchedule(ctx context.Context, i *stack.Installation, name string) error {
	_, err := a.Scheduler.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: &name, GroupName: aws.String(i.Group())})
	if err != nil && !notFound(err) {
		return fmt.Errorf("remove schedule %s: %w", name, err)
	}
	return nil
}

// unsettled tells that the role or the group, which the stack just made, is not
// known to Scheduler yet: "The execution role you provide must allow AWS
// EventBridge Scheduler to assume the role."
func unsettled(err error) bool {
	var invalid *types.ValidationException
	return notFound(err) || errors.As(err, &invalid) && strings.Contains(invalid.ErrorMessage(), "assume the role")
}
