package awsloop

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/smithy-go"
)

// Undelivered is an occurrence that Scheduler gave up handing over.
type Undelivered struct {
	Schedule  string // its ARN
	Scheduled time.Time
	Attempts  int
	Err       error
}

// Undelivered are the occurrences that were given up, oldest first.
func (x *Scheduler) Undelivered() []Undelivered {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.undone)
}

// Start has the schedules fire by the clock until the server is closed.
func (x *Scheduler) Start() {
	x.server.spawn(func(ctx context.Context) { x.clock.run(ctx, x.changed, x.fireDue) })
}

// Fire fires a schedule for the scheduled time, whatever its state and its
// expression say. The name is "name", or "group/name".
func (x *Scheduler) Fire(name string, scheduled time.Time) error {
	if !strings.Contains(name, "/") {
		name = "default/" + name
	}
	x.mu.Lock()
	e := x.schedules[name]
	x.mu.Unlock()
	if e == nil {
		return fmt.Errorf("fire schedule %s: there's none", name)
	}
	x.post(e.firing(scheduled))
	return nil
}

// firing is an occurrence, with the target as it was then.
type firing struct {
	arn, group string
	scheduled  time.Time
	target     types.Target
}

func (e *entry) firing(scheduled time.Time) firing {
	return firing{*e.Arn, *e.GroupName, scheduled.UTC().Truncate(time.Second), *e.Target}
}

// fireDue fires all that is due, in the order of its time, and returns when
// the next is.
func (x *Scheduler) fireDue(now time.Time) (next time.Time) {
	x.mu.Lock()
	var due []firing
	for key, e := range x.schedules {
		for !e.next.IsZero() && !e.next.After(now) {
			due = append(due, e.firing(e.next))
			e.advance(e.next)
			if e.next.IsZero() && e.ActionAfterCompletion == types.ActionAfterCompletionDelete {
				delete(x.schedules, key)
			}
		}
		if !e.next.IsZero() && (next.IsZero() || e.next.Before(next)) {
			next = e.next
		}
	}
	x.mu.Unlock()
	slices.SortFunc(due, func(a, b firing) int {
		return cmp.Or(a.scheduled.Compare(b.scheduled), strings.Compare(a.arn, b.arn))
	})
	for _, f := range due {
		x.post(f)
	}
	return next
}

// post hands the occurrence over, under the knobs for Invokes. What is
// delivered twice has another execution ID the second time.
func (x *Scheduler) post(f firing) {
	x.mail.send(func() {
		if err := x.handOver(f, 1); err != nil {
			x.server.spawn(func(ctx context.Context) { x.retry(ctx, f, err) })
		}
	})
}

// handOver has the function's queue accept the event. What the function makes
// of it is no longer Scheduler's affair.
func (x *Scheduler) handOver(f firing, attempt int) error {
	if err := x.checkRole(context.Background(), f.group, &f.target); err != nil {
		return err
	}
	function, err := x.lambda.Find(*f.target.Arn)
	if err != nil {
		return err
	}
	payload := x.payload(f, x.server.guid(), attempt)
	if err := checkAsync(payload); err != nil {
		return err
	}
	function.accept(x.server.guid(), payload)
	return nil
}

// retry hands over until that succeeds or the retry policy is exhausted. The
// waits double from a second to a minute; AWS doesn't tell its own.
func (x *Scheduler) retry(ctx context.Context, f firing, err error) {
	policy := f.target.RetryPolicy
	age := time.Duration(*policy.MaximumEventAgeInSeconds) * time.Second
	limited, cancel := context.WithTimeout(ctx, x.clock.scaled(age))
	defer cancel()
	attempt := 1
	for wait := time.Second; attempt <= int(*policy.MaximumRetryAttempts); wait = min(2*wait, time.Minute) {
		if !pause(limited, x.clock.scaled(wait)) {
			break
		}
		attempt++
		if err = x.handOver(f, attempt); err == nil {
			return
		}
	}
	if ctx.Err() != nil {
		return // the server is closed
	}
	x.server.log.Warn("schedule not delivered", "schedule", f.arn, "scheduled", f.scheduled, "attempts", attempt, "err", err)
	x.mu.Lock()
	x.undone = append(x.undone, Undelivered{f.arn, f.scheduled, attempt, err})
	x.mu.Unlock()
	x.bury(ctx, f, attempt, err)
}

// bury puts the occurrence into the schedule's dead-letter queue, as the role may
// that the schedule runs under.
//
// Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
func (x *Scheduler) bury(ctx context.Context, f firing, attempt int, cause error) {
	if x.inside == nil || f.target.DeadLetterConfig == nil {
		return
	}
	execution := x.server.guid()
	err := x.checkRole(ctx, f.group, &f.target)
	if err == nil {
		err = x.inside.send(ctx, *f.target.DeadLetterConfig.Arn, x.payload(f, execution, attempt), map[string]string{
			"ERROR_CODE": codeOf(cause), "ERROR_MESSAGE": oneLine(cause), "EXECUTION_ID": execution, "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
			"IS_PAYLOAD_TRUNCATED": "false", "RETRY_ATTEMPTS": strconv.Itoa(attempt - 1), "SCHEDULE_ARN": f.arn,
			"SCHEDULED_TIME": f.scheduled.Format(time.RFC3339), "TARGET_ARN": *f.target.Arn,
		})
	}
	if err != nil && ctx.Err() == nil {
		x.server.log.Error("undelivered occurrence lost", "schedule", f.arn, "scheduled", f.scheduled, "err", err)
	}
}

// codeOf is how the target's service names the error.
func codeOf(err error) string {
	var known smithy.APIError
	switch {
	case errors.Is(err, errNoFunction):
		return "AWS.Lambda.ResourceNotFoundException"
	case errors.As(err, &known):
		return known.ErrorCode()
	}
	return "AWS.Scheduler.InternalServerError"
}

// payload is the target's input with its keywords replaced, wherever they are;
// without an input, an envelope whose detail is a string.
//
// Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
func (x *Scheduler) payload(f firing, execution string, attempt int) []byte {
	scheduled := f.scheduled.Format(time.RFC3339)
	if f.target.Input != nil {
		return []byte(strings.NewReplacer(
			"<aws.scheduler.schedule-arn>", f.arn,
			"<aws.scheduler.scheduled-time>", scheduled,
			"<aws.scheduler.execution-id>", execution,
			"<aws.scheduler.attempt-number>", strconv.Itoa(attempt),
		).Replace(*f.target.Input))
	}
	envelope, _ := json.Marshal(busEvent{ //nolint:errchkjson // strings
		Version: "0", ID: execution, DetailType: "Scheduled Event", Source: "aws.scheduler",
		Account: x.server.options.Account, Time: scheduled, Region: x.server.options.Region,
		Resources: []string{f.arn}, Detail: "{}",
	})
	return envelope
}
