package awsloop_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/solocron/solocron/awsloop"
)

// TestRuleNeedsPermission fires a rule without the function's permission, with
// that of another rule, and with its own.
func TestRuleNeedsPermission(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{})
	a.createFunction()
	lost := a.makeQueue("lost")
	arn := "arn:aws:events:us-east-1:123456789012:rule/" + a.name
	events := eventbridge.NewFromConfig(a.config)
	if _, err := events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: &a.name, ScheduleExpression: aws.String("rate(1 minute)")}); err != nil {
		t.Fatal(err)
	}
	if _, err := events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: &a.name, Targets: []eventtypes.Target{{
		Id: aws.String("f"), Arn: a.describeFunction().FunctionArn, Input: aws.String(`{"error":"swept"}`),
		DeadLetterConfig: &eventtypes.DeadLetterConfig{Arn: &lost}, RetryPolicy: &eventtypes.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(60)},
	}}}); err != nil {
		t.Fatal(err)
	}
	fire := func() {
		t.Helper()
		if err := a.Events.Fire(a.name, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	permit := func(id, source string) {
		t.Helper()
		if _, err := a.functions.AddPermission(t.Context(), &lambda.AddPermissionInput{
			FunctionName: &a.name, StatementId: &id, Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("events.amazonaws.com"),
			SourceArn: &source, SourceAccount: aws.String("123456789012"),
		}); err != nil {
			t.Fatal(err)
		}
	}
	policy, err := json.Marshal(object{"Version": "2012-10-17", "Statement": []any{object{
		"Effect": "Allow", "Principal": object{"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": lost,
		"Condition": object{"ArnEquals": object{"aws:SourceArn": arn}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqs.NewFromConfig(a.config).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(a.queue(a.name + "-lost")), Attributes: map[string]string{"Policy": string(policy)},
	}); err != nil {
		t.Fatal(err)
	}
	permit("other", arn+"-other")
	fire()
	body, attributes := a.receive("lost")
	if body != `{"error":"swept"}` || attributes["RULE_ARN"] != arn || attributes["ERROR_CODE"] != "NO_PERMISSIONS" || attributes["TARGET_ARN"] == "" {
		t.Errorf("%s %v", body, attributes)
	}
	permit("own", arn)
	got, err := a.functions.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: &a.name})
	if err != nil || !strings.Contains(*got.Policy, `"AWS:SourceArn":"`+arn+`"`) {
		t.Errorf("%v, %v", got, err)
	}
	f, err := a.Lambda.Find(a.name)
	if err != nil {
		t.Fatal(err)
	}
	fire()
	until(t, "it is invoked", func() bool { return len(f.Inits()) == 1 })
	for range 2 {
		_, err = a.functions.RemovePermission(t.Context(), &lambda.RemovePermissionInput{FunctionName: &a.name, StatementId: aws.String("own")})
	}
	if awsloop.ErrorCode(err) != "ResourceNotFoundException" {
		t.Errorf("%v", err)
	}
	if _, err := a.functions.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: &a.name}); err != nil {
		t.Fatal(err)
	}
	fire()
	if _, attributes := a.receive("lost"); attributes["ERROR_CODE"] != "NO_RESOURCE" {
		t.Errorf("%v", attributes)
	}
}

// TestScheduleNeedsRole has roles that are missing, that trust others, and that
// are gone by the time the schedule is due.
func TestScheduleNeedsRole(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	a := newAccount(t, awsloop.AccountOptions{Clock: awsloop.NewClock(start, 1000)})
	a.createFunction()
	lost := a.makeQueue("lost")
	client := scheduler.NewFromConfig(a.config)
	if _, err := client.CreateScheduleGroup(t.Context(), &scheduler.CreateScheduleGroupInput{Name: &a.name}); err != nil {
		t.Fatal(err)
	}
	group := "arn:aws:scheduler:us-east-1:123456789012:schedule-group/" + a.name
	trusts := func(source string) object {
		return object{"StringEquals": object{"aws:SourceAccount": "123456789012", "aws:SourceArn": source}}
	}
	create := func(role string) error {
		_, err := client.CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{
			Name: aws.String("job"), GroupName: &a.name, ScheduleExpression: aws.String("cron(0 3 * * ? *)"),
			FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
			Target: &types.Target{
				Arn: aws.String("arn:aws:lambda:us-east-1:123456789012:function:gone"), RoleArn: &role, Input: aws.String(`{"due":"<aws.scheduler.scheduled-time>"}`),
				RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(1), MaximumEventAgeInSeconds: aws.Int32(60)}, DeadLetterConfig: &types.DeadLetterConfig{Arn: &lost},
			},
		})
		return err
	}
	nobody := "arn:aws:iam::123456789012:role/nobody"
	toSchedule := a.role("scheduler.amazonaws.com", trusts(strings.Replace(group, "schedule-group", "schedule", 1)+"/job"))
	for _, role := range []string{nobody, toSchedule} {
		if err := create(role); awsloop.ErrorCode(err) != "ValidationException" || !strings.Contains(err.Error(), "must allow AWS EventBridge Scheduler to assume the role") {
			t.Errorf("%s: %v", role, err)
		}
	}
	if _, err := iam.NewFromConfig(a.config).DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String(a.name + "-scheduler")}); err != nil {
		t.Fatal(err)
	}
	role := a.role("scheduler.amazonaws.com", trusts(group))
	until(t, "the role is known", func() bool { return create(role) == nil })
	due := start.Add(3 * time.Hour)
	if err := a.Scheduler.Fire(a.name+"/job", due); err != nil {
		t.Fatal(err)
	}
	body, attributes := a.receive("lost")
	want := map[string]string{
		"ERROR_CODE": "AWS.Lambda.ResourceNotFoundException", "SCHEDULED_TIME": "2026-11-22T03:00:00Z", "RETRY_ATTEMPTS": "1",
		"SCHEDULE_ARN": strings.Replace(group, "schedule-group", "schedule", 1) + "/job", "TARGET_ARN": "arn:aws:lambda:us-east-1:123456789012:function:gone",
	}
	for key, value := range want {
		if attributes[key] != value {
			t.Errorf("%s is %q, want %q", key, attributes[key], value)
		}
	}
	if body != `{"due":"2026-11-22T03:00:00Z"}` || attributes["EXECUTION_ID"] == "" {
		t.Errorf("%s %v", body, attributes)
	}
}
