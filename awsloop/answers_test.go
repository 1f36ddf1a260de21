package awsloop_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/solocron/solocron/awsloop"
)

// deployment makes one of each thing that answers are about, in steps that may
// be repeated. A step that was done already succeeds.
func (a *account) deployment() (steps []func(context.Context) error) {
	storage, tables, client := a.s3(), dynamodb.NewFromConfig(a.config), scheduler.NewFromConfig(a.config)
	function, role := a.function(), a.role("scheduler.amazonaws.com", nil)
	bucket := strings.ToLower(a.name)
	body := template(a.t, object{"A": topic("a", nil)}, nil)
	do := func(already string, f func(context.Context) error) {
		steps = append(steps, func(ctx context.Context) error {
			if err := f(ctx); awsloop.ErrorCode(err) != already {
				return err
			}
			return nil
		})
	}
	do("BucketAlreadyOwnedByYou", func(ctx context.Context) error {
		_, err := storage.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
		return err
	})
	do("-", func(ctx context.Context) error {
		_, err := storage.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: &bucket, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}})
		return err
	})
	do("ResourceInUseException", func(ctx context.Context) error {
		_, err := tables.CreateTable(ctx, &dynamodb.CreateTableInput{
			TableName: &a.name, BillingMode: dynamotypes.BillingModePayPerRequest,
			AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: dynamotypes.ScalarAttributeTypeS}},
			KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: dynamotypes.KeyTypeHash}},
		})
		return err
	})
	do("-", func(ctx context.Context) error {
		_, err := tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &a.name})
		return err
	})
	do("ResourceConflictException", func(ctx context.Context) error {
		_, err := a.functions.CreateFunction(ctx, function)
		return err
	})
	do("ConflictException", func(ctx context.Context) error {
		_, err := client.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: &a.name})
		return err
	})
	do("ConflictException", func(ctx context.Context) error {
		_, err := client.CreateSchedule(ctx, &scheduler.CreateScheduleInput{
			Name: aws.String("job"), GroupName: &a.name, ScheduleExpression: aws.String("rate(1 day)"), FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
			Target: &types.Target{Arn: aws.String("arn:aws:lambda:us-east-1:123456789012:function:f"), RoleArn: &role},
		})
		return err
	})
	do("-", func(ctx context.Context) error {
		_, err := client.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("job"), GroupName: &a.name})
		return err
	})
	do("ResourceNotFoundException", func(ctx context.Context) error {
		_, err := client.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String("job"), GroupName: &a.name})
		return err
	})
	do("AlreadyExistsException", func(ctx context.Context) error {
		_, err := a.stacks.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{
			StackName: &a.name, ChangeSetName: aws.String("one"), ChangeSetType: cfntypes.ChangeSetTypeCreate, TemplateBody: &body,
		})
		return err
	})
	do("-", func(ctx context.Context) (err error) {
		until(a.t, "the change set", func() bool {
			var set *cloudformation.DescribeChangeSetOutput
			set, err = a.stacks.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{StackName: &a.name, ChangeSetName: aws.String("one")})
			return err != nil || set.Status == cfntypes.ChangeSetStatusCreateComplete
		})
		return err
	})
	do("-", func(ctx context.Context) error {
		_, err := a.stacks.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: &a.name, ChangeSetName: aws.String("one")})
		return err
	})
	return steps
}

// TestAnswers has all of the awkward answers that one can survive befall a
// deployment that doesn't give up, among throttled calls and lost replies.
func TestAnswers(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{})
	knobs := awsloop.Knobs{
		Answers:  map[string]awsloop.Knob{},
		Throttle: map[string]awsloop.Knob{"*": {P: 0.1}},
		Lost:     map[string]awsloop.Knob{"scheduler.CreateSchedule": {P: 0.3}, "cloudformation.CreateChangeSet": {P: 0.3}},
	}
	for _, answer := range awsloop.Answers {
		if !answer.Final {
			knobs.Answers[answer.Name] = awsloop.Knob{First: 2}
		}
	}
	a.Server.SetKnobs(knobs)
	for i, step := range a.deployment() {
		err := step(t.Context())
		for tries := 0; err != nil; tries++ {
			if tries > 30 {
				t.Fatalf("step %d: %v", i, err)
			}
			err = step(t.Context())
		}
	}
	for _, answer := range awsloop.Answers {
		if n := a.Server.Answered()[answer.Name]; (n == 0) != answer.Final {
			t.Errorf("%s was given %d times", answer.Name, n)
		}
	}
}

// TestAnswersCome has each answer come first, with its code, and then not again.
func TestAnswersCome(t *testing.T) {
	t.Parallel()
	for _, answer := range awsloop.Answers {
		t.Run(answer.Name, func(t *testing.T) {
			t.Parallel()
			a := newAccount(t, awsloop.AccountOptions{})
			a.Server.SetKnobs(awsloop.Knobs{Answers: map[string]awsloop.Knob{answer.Name: {First: 1}}})
			var failures []string
			for _, step := range a.deployment() {
				for range 2 {
					err := step(t.Context())
					if err == nil {
						break
					}
					failures = append(failures, awsloop.ErrorCode(err))
				}
			}
			if n := a.Server.Answered()[answer.Name]; n != 1 {
				t.Errorf("given %d times", n)
			}
			if want := []string{answer.Code}; !answer.Done && !slices.Equal(failures, want) || answer.Done && failures != nil {
				t.Errorf("failures %v", failures)
			}
		})
	}
}

// TestAnswersPass has an answer no longer come when its time is over, and never
// without what it comes after.
func TestAnswersPass(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{})
	a.Server.SetKnobs(awsloop.Knobs{Answers: map[string]awsloop.Knob{"table-unseen": {P: 1, For: 300 * time.Millisecond}}})
	steps := a.deployment()
	if err := steps[2](t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := steps[3](t.Context()); awsloop.ErrorCode(err) != "ResourceNotFoundException" {
		t.Errorf("%v", err)
	}
	until(t, "the table is seen", func() bool { return steps[3](t.Context()) == nil })
}

// TestLists has a schedule missing from the list though it is there, and in it
// though it is gone.
func TestLists(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{})
	late := awsloop.Knob{P: 1, For: 300 * time.Millisecond}
	a.Server.SetKnobs(awsloop.Knobs{Unlisted: late, Lingering: late})
	client, role := scheduler.NewFromConfig(a.config), a.role("scheduler.amazonaws.com", nil)
	listed := func() int {
		out, err := client.ListSchedules(t.Context(), &scheduler.ListSchedulesInput{})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Schedules)
	}
	in := &scheduler.CreateScheduleInput{
		Name: &a.name, ScheduleExpression: aws.String("rate(1 day)"), FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		Target: &types.Target{Arn: aws.String("arn:aws:lambda:us-east-1:123456789012:function:f"), RoleArn: &role},
	}
	if _, err := client.CreateSchedule(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if listed() != 0 {
		t.Error("it is listed at once")
	}
	if _, err := client.GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: &a.name}); err != nil {
		t.Error(err)
	}
	until(t, "it is listed", func() bool { return listed() == 1 })
	if _, err := client.DeleteSchedule(t.Context(), &scheduler.DeleteScheduleInput{Name: &a.name}); err != nil {
		t.Fatal(err)
	}
	if listed() != 1 {
		t.Error("it is off the list at once")
	}
	until(t, "it is off the list", func() bool { return listed() == 0 })
}
