package awsloop_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/solocron/solocron/awsloop"
)

// restAnswers holds the answers of a REST service against its model.
type restAnswers struct {
	checked
	operation func(*http.Request) string
	seen      map[string]bool
}

// heldToModel is the transport of a client whose service answers as its model
// says.
func heldToModel(t *testing.T, s *awsloop.Server, version string, operation func(*http.Request) string) restAnswers {
	t.Helper()
	m, err := readModel(version)
	if err != nil {
		t.Fatal(err)
	}
	return restAnswers{checked{t, m, s.RoundTripper()}, operation, map[string]bool{}}
}

func (a restAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	name := a.operation(r)
	answer, err := a.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if answer.StatusCode/100 != 2 {
		a.t.Errorf("%s: %s %s", name, answer.Status, body)
		return answer, nil
	}
	a.seen[name] = true
	if answer.StatusCode == http.StatusNoContent {
		return answer, nil
	}
	a.compare(name, a.model.Operations[name].Output.Shape, bytes.NewReader(body), true)
	return answer, nil
}

func (a restAnswers) config(s *awsloop.Server) aws.Config {
	config := s.Config("us-east-1")
	config.HTTPClient = &http.Client{Transport: a}
	return config
}

func TestSchedulerModel(t *testing.T) {
	t.Parallel()
	s := awsloop.New(awsloop.Options{})
	t.Cleanup(func() { s.Close() })
	x := awsloop.NewScheduler(s, awsloop.NewLambda(s), nil)
	held := heldToModel(t, s, "scheduler/2021-06-30", x.Operation)
	client := scheduler.NewFromConfig(held.config(s))
	ctx := t.Context()

	target := &types.Target{
		Arn:              aws.String("arn:aws:lambda:us-east-1:123456789012:function:fn"),
		RoleArn:          aws.String("arn:aws:iam::123456789012:role/scheduler"),
		Input:            aws.String(`{"job":"nightly"}`),
		DeadLetterConfig: &types.DeadLetterConfig{Arn: aws.String("arn:aws:sqs:us-east-1:123456789012:dead")},
	}
	window := &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(5)}
	group, name, rate := aws.String("g"), aws.String("nightly"), aws.String("rate(1 hour)")
	made, err := client.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: group})
	if err != nil {
		t.Fatal(err)
	}
	arn := made.ScheduleGroupArn
	calls := []func() (any, error){
		func() (any, error) {
			return client.CreateSchedule(ctx, &scheduler.CreateScheduleInput{
				Name: name, GroupName: group, ScheduleExpression: rate, FlexibleTimeWindow: window, Target: target,
				Description: aws.String("d"), StartDate: aws.Time(time.Now()), EndDate: aws.Time(time.Now().Add(time.Hour)),
			})
		},
		func() (any, error) {
			return client.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: name, GroupName: group})
		},
		func() (any, error) {
			return client.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
				Name: name, GroupName: group, ScheduleExpression: rate, FlexibleTimeWindow: window, Target: target,
			})
		},
		func() (any, error) { return client.ListSchedules(ctx, &scheduler.ListSchedulesInput{}) },
		func() (any, error) {
			return client.GetScheduleGroup(ctx, &scheduler.GetScheduleGroupInput{Name: group})
		},
		func() (any, error) {
			return client.ListScheduleGroups(ctx, &scheduler.ListScheduleGroupsInput{MaxResults: aws.Int32(1)})
		},
		func() (any, error) {
			tags := []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
			return client.TagResource(ctx, &scheduler.TagResourceInput{ResourceArn: arn, Tags: tags})
		},
		func() (any, error) {
			return client.ListTagsForResource(ctx, &scheduler.ListTagsForResourceInput{ResourceArn: arn})
		},
		func() (any, error) {
			return client.UntagResource(ctx, &scheduler.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"k"}})
		},
		func() (any, error) {
			return client.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: name, GroupName: group})
		},
		func() (any, error) {
			return client.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: group})
		},
	}
	for _, call := range calls {
		if _, err := call(); err != nil {
			t.Error(err)
		}
	}
	for name := range held.model.Operations {
		if !held.seen[name] {
			t.Errorf("%s was not asked for", name)
		}
	}
}
