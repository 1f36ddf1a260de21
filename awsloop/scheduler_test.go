package awsloop

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/smithy-go"
)

const (
	functionARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"
	roleARN     = "arn:aws:iam::123456789012:role/scheduler"
)

var start = time.Date(2026, 11, 22, 0, 0, 30, 0, time.UTC)

// newScheduler returns one with its client; its clock begins at start.
func newScheduler(t *testing.T, speed float64) (*Server, *Lambda, *Scheduler, *scheduler.Client) {
	t.Helper()
	s, l := newLoop(t)
	x := NewScheduler(s, l, NewClock(start, speed))
	return s, l, x, scheduler.NewFromConfig(s.Config("us-east-1"))
}

func newSchedule(name, expression string) *scheduler.CreateScheduleInput {
	return &scheduler.CreateScheduleInput{
		Name:               &name,
		ScheduleExpression: &expression,
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		Target:             &types.Target{Arn: aws.String(functionARN), RoleArn: aws.String(roleARN)},
	}
}

func errorCode(err error) string {
	var known smithy.APIError
	if errors.As(err, &known) {
		return known.ErrorCode()
	}
	return errorText(err)
}

func TestScheduleLife(t *testing.T) {
	t.Parallel()
	_, _, _, client := newScheduler(t, 1)
	ctx := t.Context()
	in := newSchedule("nightly", "cron(30 2 * * ? *)")
	in.ScheduleExpressionTimezone = aws.String("Asia/Tokyo")
	in.State = types.ScheduleStateDisabled
	in.StartDate = aws.Time(start)
	in.ClientToken = aws.String("one")
	created, err := client.CreateSchedule(ctx, in)
	if err != nil || *created.ScheduleArn != "arn:aws:scheduler:us-east-1:123456789012:schedule/default/nightly" {
		t.Fatalf("create: %v %v", created, err)
	}
	if _, err := client.CreateSchedule(ctx, in); err != nil {
		t.Errorf("the same request again: %v", err)
	}
	in.ScheduleExpression = aws.String("cron(0 0 * * ? *)")
	if _, err := client.CreateSchedule(ctx, in); errorCode(err) != "ConflictException" {
		t.Errorf("another request with its token: %v", err)
	}
	in.ClientToken = aws.String("two")
	if _, err := client.CreateSchedule(ctx, in); errorCode(err) != "ConflictException" {
		t.Errorf("the same name again: %v", err)
	}
	got, err := client.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("nightly")})
	if err != nil {
		t.Fatal(err)
	}
	if got.State != types.ScheduleStateDisabled || *got.ScheduleExpression != "cron(30 2 * * ? *)" || !got.StartDate.Equal(start) ||
		*got.GroupName != "default" || *got.Target.RetryPolicy.MaximumRetryAttempts != 185 || got.CreationDate.Before(start) {
		t.Errorf("get: %+v", got)
	}
	// What an update leaves out is back to its default.
	update := &scheduler.UpdateScheduleInput{Name: got.Name, ScheduleExpression: got.ScheduleExpression, FlexibleTimeWindow: got.FlexibleTimeWindow, Target: got.Target}
	if _, err := client.UpdateSchedule(ctx, update); err != nil {
		t.Fatal(err)
	}
	got, err = client.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("nightly")})
	if err != nil || got.State != types.ScheduleStateEnabled || *got.ScheduleExpressionTimezone != "UTC" || got.StartDate != nil {
		t.Errorf("after the update: %+v, %v", got, err)
	}
	if _, err := client.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String("nightly")}); err != nil {
		t.Error(err)
	}
	_, err = client.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("nightly")})
	var gone *types.ResourceNotFoundException
	if !errors.As(err, &gone) {
		t.Errorf("after the deletion: %v", err)
	}
	update.ClientToken = nil // the client had set one
	if _, err := client.UpdateSchedule(ctx, update); errorCode(err) != "ResourceNotFoundException" {
		t.Errorf("update after the deletion: %v", err)
	}
}

func TestScheduleRefused(t *testing.T) {
	t.Parallel()
	_, _, _, client := newScheduler(t, 1)
	tests := map[string]struct {
		change func(in *scheduler.CreateScheduleInput)
		code   string
	}{
		"name":        {func(in *scheduler.CreateScheduleInput) { in.Name = aws.String("a b") }, "ValidationException"},
		"long name":   {func(in *scheduler.CreateScheduleInput) { in.Name = aws.String(strings.Repeat("a", 65)) }, "ValidationException"},
		"group":       {func(in *scheduler.CreateScheduleInput) { in.GroupName = aws.String("none") }, "ResourceNotFoundException"},
		"expression":  {func(in *scheduler.CreateScheduleInput) { in.ScheduleExpression = aws.String("garbage") }, "ValidationException"},
		"zone":        {func(in *scheduler.CreateScheduleInput) { in.ScheduleExpressionTimezone = aws.String("Mars/Base") }, "ValidationException"},
		"window":      {func(in *scheduler.CreateScheduleInput) { in.FlexibleTimeWindow.Mode = "FLEXIBLE" }, "ValidationException"},
		"window off":  {func(in *scheduler.CreateScheduleInput) { in.FlexibleTimeWindow.MaximumWindowInMinutes = aws.Int32(5) }, "ValidationException"},
		"window mode": {func(in *scheduler.CreateScheduleInput) { in.FlexibleTimeWindow.Mode = "ON" }, "ValidationException"},
		"state":       {func(in *scheduler.CreateScheduleInput) { in.State = "PAUSED" }, "ValidationException"},
		"completion":  {func(in *scheduler.CreateScheduleInput) { in.ActionAfterCompletion = "KEEP" }, "ValidationException"},
		"description": {func(in *scheduler.CreateScheduleInput) { in.Description = aws.String(strings.Repeat("d", 513)) }, "ValidationException"},
		"token":       {func(in *scheduler.CreateScheduleInput) { in.ClientToken = aws.String("a.b") }, "ValidationException"},
		"target":      {func(in *scheduler.CreateScheduleInput) { in.Target.Arn = aws.String("fn") }, "ValidationException"},
		"role":        {func(in *scheduler.CreateScheduleInput) { in.Target.RoleArn = aws.String("role") }, "ValidationException"},
		"input":       {func(in *scheduler.CreateScheduleInput) { in.Target.Input = aws.String("{job: a}") }, "ValidationException"},
		"retries": {func(in *scheduler.CreateScheduleInput) {
			in.Target.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(186)}
		}, "ValidationException"},
		"age": {func(in *scheduler.CreateScheduleInput) {
			in.Target.RetryPolicy = &types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(59)}
		}, "ValidationException"},
		"queue": {func(in *scheduler.CreateScheduleInput) {
			in.Target.DeadLetterConfig = &types.DeadLetterConfig{Arn: aws.String("q")}
		}, "ValidationException"},
		"end and start": {func(in *scheduler.CreateScheduleInput) { in.StartDate, in.EndDate = aws.Time(start), aws.Time(start) }, "ValidationException"},
		"other target": {func(in *scheduler.CreateScheduleInput) {
			in.Target.SqsParameters = &types.SqsParameters{MessageGroupId: aws.String("g")}
		}, "ValidationException"},
	}
	for name, tt := range tests {
		in := newSchedule("nightly", "rate(1 minute)")
		tt.change(in)
		if _, err := client.CreateSchedule(t.Context(), in); errorCode(err) != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListSchedules(t *testing.T) {
	t.Parallel()
	_, _, _, client := newScheduler(t, 1)
	ctx := t.Context()
	if _, err := client.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: aws.String("other"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a1", "a2", "a3", "b1", "b2"} {
		in := newSchedule(name, "cron(0 0 * * ? *)")
		if strings.HasPrefix(name, "b") {
			in.GroupName, in.State = aws.String("other"), types.ScheduleStateDisabled
		}
		if _, err := client.CreateSchedule(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	list := func(in scheduler.ListSchedulesInput) string {
		var names []string
		for pages := scheduler.NewListSchedulesPaginator(client, &in); pages.HasMorePages(); {
			p, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if in.MaxResults != nil && len(p.Schedules) > int(*in.MaxResults) {
				t.Errorf("%d on a page of %d", len(p.Schedules), *in.MaxResults)
			}
			for _, one := range p.Schedules {
				names = append(names, *one.Name)
			}
		}
		return strings.Join(names, " ")
	}
	for _, tt := range []struct {
		in   scheduler.ListSchedulesInput
		want string
	}{
		{scheduler.ListSchedulesInput{MaxResults: aws.Int32(2)}, "a1 a2 a3 b1 b2"},
		{scheduler.ListSchedulesInput{MaxResults: aws.Int32(5)}, "a1 a2 a3 b1 b2"},
		{scheduler.ListSchedulesInput{GroupName: aws.String("other")}, "b1 b2"},
		{scheduler.ListSchedulesInput{NamePrefix: aws.String("a"), MaxResults: aws.Int32(1)}, "a1 a2 a3"},
		{scheduler.ListSchedulesInput{State: types.ScheduleStateDisabled}, "b1 b2"},
	} {
		if got := list(tt.in); got != tt.want {
			t.Errorf("%+v: %s", tt.in, got)
		}
	}
	// A group takes its schedules along.
	if _, err := client.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: aws.String("other")}); err != nil {
		t.Fatal(err)
	}
	if got := list(scheduler.ListSchedulesInput{}); got != "a1 a2 a3" {
		t.Errorf("left: %s", got)
	}
	if _, err := client.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: aws.String("default")}); errorCode(err) != "ValidationException" {
		t.Errorf("delete the default group: %v", err)
	}
}

func TestGroupTags(t *testing.T) {
	t.Parallel()
	_, _, _, client := newScheduler(t, 1)
	ctx := t.Context()
	made, err := client.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: aws.String("g")})
	if err != nil {
		t.Fatal(err)
	}
	arn := made.ScheduleGroupArn
	for _, value := range []string{"1", "2"} {
		_, err = client.TagResource(ctx, &scheduler.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{
			{Key: aws.String("a"), Value: aws.String(value)}, {Key: aws.String("b"), Value: aws.String(value)},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err = client.UntagResource(ctx, &scheduler.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"b"}}); err != nil {
		t.Fatal(err)
	}
	tags, err := client.ListTagsForResource(ctx, &scheduler.ListTagsForResourceInput{ResourceArn: arn})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "a" || *tags.Tags[0].Value != "2" {
		t.Errorf("tags %v, %v", tags, err)
	}
	groups, err := client.ListScheduleGroups(ctx, &scheduler.ListScheduleGroupsInput{NamePrefix: aws.String("g")})
	if err != nil || len(groups.ScheduleGroups) != 1 || groups.ScheduleGroups[0].State != types.ScheduleGroupStateActive {
		t.Errorf("groups %v, %v", groups, err)
	}
}

// TestFire has the keywords replaced wherever they are.
func TestFire(t *testing.T) {
	t.Parallel()
	_, l, x, client := newScheduler(t, 1)
	newTestFunction(t, l, FunctionOptions{})
	path := filepath.Join(t.TempDir(), "fired")
	input := noted(t, path, "<aws.scheduler.scheduled-time>|<aws.scheduler.schedule-arn>|<aws.scheduler.attempt-number>|<aws.scheduler.execution-id>", nil)
	in := newSchedule("nightly", "cron(0 0 * * ? *)")
	in.Target.Input = aws.String(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(input)))
	if _, err := client.CreateSchedule(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := x.Fire("nightly", start); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Fire("other", start); err == nil {
		t.Error("a schedule that doesn't exist fires")
	}
	until(t, "both", func() bool { return len(lines(path)) == 2 })
	got := lines(path)
	const want = "2026-11-22T00:00:30Z|arn:aws:scheduler:us-east-1:123456789012:schedule/default/nightly|1|"
	for _, line := range got {
		if id, ok := strings.CutPrefix(line, want); !ok || len(id) != 36 {
			t.Errorf("event %s", line)
		}
	}
	if got[0] == got[1] {
		t.Error("both firings have one execution ID")
	}
}

func TestPayloadWithoutInput(t *testing.T) {
	t.Parallel()
	x := NewScheduler(New(Options{}), nil, nil)
	text := x.payload(firing{arn: "arn", scheduled: start}, "id", 1)
	var e map[string]any
	if err := json.Unmarshal(text, &e); err != nil || e["source"] != "aws.scheduler" || e["detail"] != "{}" || e["time"] != "2026-11-22T00:00:30Z" {
		t.Errorf("%s, %v", text, err)
	}
}

// TestFireDue goes through three hours in steps.
func TestFireDue(t *testing.T) {
	t.Parallel()
	_, l, x, client := newScheduler(t, 1e-6)
	newTestFunction(t, l, FunctionOptions{Concurrency: 2})
	ctx := t.Context()
	dir := t.TempDir()
	create := func(name, expression string, change func(*scheduler.CreateScheduleInput)) {
		in := newSchedule(name, expression)
		input := noted(t, filepath.Join(dir, name), "@", nil)
		in.Target.Input = aws.String(strings.ReplaceAll(string(input), "@", "<aws.scheduler.scheduled-time>"))
		change(in)
		if _, err := client.CreateSchedule(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	later := start.Add(30 * time.Minute)
	create("quarter", "cron(0/15 * * * ? *)", func(in *scheduler.CreateScheduleInput) { in.EndDate = aws.Time(start.Add(time.Hour)) })
	create("hourly", "rate(1 hour)", func(in *scheduler.CreateScheduleInput) {
		in.StartDate, in.EndDate = aws.Time(later), aws.Time(later.Add(90*time.Minute))
	})
	create("once", "at(2026-11-22T00:20:00)", func(in *scheduler.CreateScheduleInput) { in.ActionAfterCompletion = types.ActionAfterCompletionDelete })
	create("soon", "rate(1 day)", func(*scheduler.CreateScheduleInput) {}) // without a start it is due at once
	create("never", "rate(1 minute)", func(in *scheduler.CreateScheduleInput) { in.State = types.ScheduleStateDisabled })
	for now := start.Add(time.Second); now.Before(start.Add(3 * time.Hour)); now = now.Add(7 * time.Minute) {
		if next := x.fireDue(now); next.IsZero() || !next.After(now) {
			t.Fatalf("at %s next is %s", now, next)
		}
	}
	for name, want := range map[string]string{
		"quarter": "2026-11-22T00:15:00Z 2026-11-22T00:30:00Z 2026-11-22T00:45:00Z 2026-11-22T01:00:00Z",
		"hourly":  "2026-11-22T00:30:30Z 2026-11-22T01:30:30Z",
		"once":    "2026-11-22T00:20:00Z",
		"soon":    "2026-11-22T00:00:30Z",
	} {
		fired := func() []string { return slices.Sorted(slices.Values(lines(filepath.Join(dir, name)))) }
		until(t, name, func() bool { return len(fired()) == len(strings.Fields(want)) })
		if got := strings.Join(fired(), " "); got != want {
			t.Errorf("%s fired at %s, want %s", name, got, want)
		}
	}
	if _, err := client.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("once")}); errorCode(err) != "ResourceNotFoundException" {
		t.Errorf("once: %v", err)
	}
	if read(filepath.Join(dir, "never")) != "" {
		t.Error("a disabled schedule fired")
	}
}

func TestClockFires(t *testing.T) {
	t.Parallel()
	_, l, x, client := newScheduler(t, 600)
	newTestFunction(t, l, FunctionOptions{})
	path := filepath.Join(t.TempDir(), "fired")
	x.Start()
	in := newSchedule("often", "rate(1 minute)") // of which a tenth of a second has one
	in.Target.Input = aws.String(string(noted(t, path, "x", nil)))
	if _, err := client.CreateSchedule(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	until(t, "some", func() bool { return len(lines(path)) >= 3 })
	if _, err := client.DeleteSchedule(t.Context(), &scheduler.DeleteScheduleInput{Name: in.Name}); err != nil {
		t.Error(err)
	}
}

func TestUndelivered(t *testing.T) {
	t.Parallel()
	_, l, x, client := newScheduler(t, 3600)
	in := newSchedule("nightly", "cron(0 0 * * ? *)")
	in.Target.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(3)}
	if _, err := client.CreateSchedule(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := x.Fire("nightly", start); err != nil {
		t.Fatal(err)
	}
	until(t, "given up", func() bool { return len(x.Undelivered()) == 1 })
	if u := x.Undelivered()[0]; u.Attempts != 4 || !errors.Is(u.Err, errNoFunction) || !u.Scheduled.Equal(start) {
		t.Errorf("%+v", u)
	}
	// The hand-over is tried again; the attempt's number tells.
	path := filepath.Join(t.TempDir(), "fired")
	in.Name, in.Target.RetryPolicy = aws.String("patient"), nil
	in.Target.Input = aws.String(strings.ReplaceAll(string(noted(t, path, "@", nil)), "@", "<aws.scheduler.attempt-number>"))
	if _, err := client.CreateSchedule(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := x.Fire("patient", start); err != nil {
		t.Fatal(err)
	}
	newTestFunction(t, l, FunctionOptions{})
	until(t, "delivered", func() bool { return len(lines(path)) == 1 })
	if lines(path)[0] == "1" {
		t.Error("the first attempt came before the function")
	}
}
