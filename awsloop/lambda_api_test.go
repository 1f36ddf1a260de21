package awsloop_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/solocron/solocron/awsloop"
)

// role makes one that a service may assume, under the condition, and returns its
// ARN.
func (a *account) role(service string, condition object) string {
	a.t.Helper()
	s := object{"Effect": "Allow", "Principal": object{"Service": service}, "Action": "sts:AssumeRole"}
	if condition != nil {
		s["Condition"] = condition
	}
	text, err := json.Marshal(object{"Version": "2012-10-17", "Statement": []any{s}})
	if err != nil {
		a.t.Fatal(err)
	}
	name := a.name + "-" + strings.Split(service, ".")[0]
	out, err := iam.NewFromConfig(a.config).CreateRole(a.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(string(text))})
	if err != nil {
		a.t.Fatal(err)
	}
	return *out.Role.Arn
}

// function is a request for one of the account's name.
func (a *account) function() *lambda.CreateFunctionInput {
	return &lambda.CreateFunctionInput{
		FunctionName: &a.name, Role: aws.String(a.role("lambda.amazonaws.com", nil)), Handler: aws.String("bootstrap"), Runtime: types.RuntimeProvidedal2023,
		Architectures: []types.Architecture{types.Architecture(awsloop.Native)}, Timeout: aws.Int32(10),
		Code: &types.FunctionCode{ZipFile: zipped(a.t, "one")},
	}
}

func (a *account) createFunction() {
	a.t.Helper()
	if _, err := a.functions.CreateFunction(a.t.Context(), a.function()); err != nil {
		a.t.Fatal(err)
	}
}

func TestFunctionLife(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{Function: awsloop.FunctionOptions{Env: []string{"OUTSIDE=1"}}})
	a.createFunction()
	if _, err := a.functions.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: &a.name, Role: a.describeFunction().Role, Handler: aws.String("bootstrap"), Runtime: types.RuntimeProvidedal2023,
		Code: &types.FunctionCode{ZipFile: []byte("PK")},
	}); awsloop.ErrorCode(err) != "ResourceConflictException" {
		t.Errorf("a second one: %v", err)
	}
	// A change reaches the next invocation, and not the one that runs.
	slow := make(chan string, 1)
	go func() {
		out, err := a.functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &a.name, Payload: []byte(`{"sleep":500000000}`)})
		if err != nil {
			slow <- err.Error()
			return
		}
		slow <- string(out.Payload)
	}()
	f, err := a.Lambda.Find(a.name)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it runs", func() bool { return len(f.Inits()) == 1 })
	if _, err := a.functions.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: &a.name, Environment: &types.Environment{Variables: map[string]string{"CHANGED": "1"}}, MemorySize: aws.Int32(512),
	}); err != nil {
		t.Fatal(err)
	}
	if out := <-slow; strings.Contains(out, "CHANGED=1") || !strings.Contains(out, "OUTSIDE=1") {
		t.Error(out)
	}
	if out := a.invoke(`{}`); !strings.Contains(out, "CHANGED=1") || !strings.Contains(out, "OUTSIDE=1") || !strings.Contains(out, "MEMORY_SIZE=512") {
		t.Error(out)
	}
	if _, err := a.functions.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: &a.name, ZipFile: zipped(t, "two")}); err != nil {
		t.Fatal(err)
	}
	a.invoke(`{}`)
	for range 2 {
		_, err = a.functions.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: &a.name})
	}
	if awsloop.ErrorCode(err) != "ResourceNotFoundException" {
		t.Errorf("%v", err)
	}
}

// TestFunctionRefused names what Lambda doesn't take, and what it takes and
// can't run.
func TestFunctionRefused(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{})
	in := a.function()
	role := in.Role
	for want, change := range map[string]func(*lambda.CreateFunctionInput){
		"cannot be assumed by Lambda": func(in *lambda.CreateFunctionInput) { in.Role = aws.String("arn:aws:iam::123456789012:role/nobody") },
		"assumed by Lambda.":          func(in *lambda.CreateFunctionInput) { in.Role = aws.String(a.role("ec2.amazonaws.com", nil)) },
		"S3 Error Code: NoSuchBucket": func(in *lambda.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: aws.String("nowhere-at-all"), S3Key: aws.String("k")}
		},
		"Could not unzip":         func(in *lambda.CreateFunctionInput) { in.Code = &types.FunctionCode{ZipFile: []byte("PK")} },
		"Please provide a source": func(in *lambda.CreateFunctionInput) { in.Code = &types.FunctionCode{} },
		"Timeout is not in":       func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(901) },
		"Runtime go1.x":           func(in *lambda.CreateFunctionInput) { in.Runtime = types.RuntimeGo1x },
		"Handler and Runtime":     func(in *lambda.CreateFunctionInput) { in.Handler = nil },
		"not known here":          func(in *lambda.CreateFunctionInput) { in.Layers = []string{"arn"} },
	} {
		bad := *in
		change(&bad)
		if _, err := a.functions.CreateFunction(t.Context(), &bad); awsloop.ErrorCode(err) != "InvalidParameterValueException" || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	other := types.ArchitectureArm64
	if awsloop.Native == string(other) {
		other = types.ArchitectureX8664
	}
	in.Role, in.Architectures = role, []types.Architecture{other}
	if _, err := a.functions.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if out := a.invoke(`{}`); !strings.Contains(out, "exec format error") || !strings.HasPrefix(out, "Unhandled") {
		t.Error(out)
	}
}

func TestFunctionPending(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{})
	a.Server.SetKnobs(awsloop.Knobs{Pending: awsloop.Knob{P: 1, For: 500 * time.Millisecond}})
	a.createFunction()
	if c := a.describeFunction(); c.State != types.StatePending {
		t.Errorf("state %s", c.State)
	}
	change := func() error {
		_, err := a.functions.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: &a.name, Timeout: aws.Int32(5)})
		return err
	}
	if err := change(); awsloop.ErrorCode(err) != "ResourceConflictException" {
		t.Errorf("%v", err)
	}
	_, err := a.functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &a.name})
	if awsloop.ErrorCode(err) != "ResourceConflictException" || !strings.Contains(err.Error(), "Pending") {
		t.Errorf("invoked while it is pending: %v", err)
	}
	until(t, "active", func() bool { return a.describeFunction().State == types.StateActive })
	if err := change(); err != nil {
		t.Fatal(err)
	}
	if c := a.describeFunction(); c.State != types.StateActive || c.LastUpdateStatus != types.LastUpdateStatusInProgress {
		t.Errorf("%s, %s", c.State, c.LastUpdateStatus)
	}
	a.invoke(`{}`)
	until(t, "updated", func() bool { return a.describeFunction().LastUpdateStatus == types.LastUpdateStatusSuccessful })
}

// TestOnFailure has the record of an invocation that was given up in a queue.
func TestOnFailure(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{})
	a.createFunction()
	arn := a.makeQueue("lost")
	put := func(destination string) error {
		_, err := a.functions.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{
			FunctionName: &a.name, Qualifier: aws.String("$LATEST"), MaximumRetryAttempts: aws.Int32(0),
			DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: &destination}},
		})
		return err
	}
	if err := put(arn + "x"); awsloop.ErrorCode(err) != "InvalidParameterValueException" {
		t.Errorf("no such queue: %v", err)
	}
	if err := put(arn); err != nil {
		t.Fatal(err)
	}
	if _, err := a.functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &a.name, InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"error":"no luck"}`)}); err != nil {
		t.Fatal(err)
	}
	body, _ := a.receive("lost")
	var got struct {
		RequestContext  struct{ Condition, FunctionArn string }
		RequestPayload  map[string]string
		ResponsePayload struct{ ErrorMessage string }
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.RequestContext.Condition != "RetriesExhausted" || got.RequestPayload["error"] != "no luck" || got.ResponsePayload.ErrorMessage != "no luck" {
		t.Errorf("%s", body)
	}
	got2, err := a.functions.GetFunctionEventInvokeConfig(t.Context(), &lambda.GetFunctionEventInvokeConfigInput{FunctionName: &a.name})
	if err != nil || *got2.MaximumRetryAttempts != 0 || *got2.DestinationConfig.OnFailure.Destination != arn {
		t.Errorf("%+v, %v", got2, err)
	}
	for range 2 {
		_, err = a.functions.DeleteFunctionEventInvokeConfig(t.Context(), &lambda.DeleteFunctionEventInvokeConfigInput{FunctionName: &a.name})
	}
	if awsloop.ErrorCode(err) != "ResourceNotFoundException" {
		t.Errorf("%v", err)
	}
}

// makeQueue returns the ARN of a new queue.
func (a *account) makeQueue(name string) string {
	a.t.Helper()
	name = a.name + "-" + name
	if _, err := sqs.NewFromConfig(a.config).CreateQueue(a.t.Context(), &sqs.CreateQueueInput{QueueName: &name}); err != nil {
		a.t.Fatal(err)
	}
	return "arn:aws:sqs:us-east-1:123456789012:" + name
}

// receive waits for a message and returns it with its attributes.
func (a *account) receive(name string) (body string, attributes map[string]string) {
	a.t.Helper()
	url := a.queue(a.name + "-" + name)
	attributes = map[string]string{}
	until(a.t, "a message", func() bool {
		out, err := sqs.NewFromConfig(a.config).ReceiveMessage(a.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MessageAttributeNames: []string{"All"}})
		if err != nil {
			a.t.Fatal(err)
		}
		for _, m := range out.Messages {
			body = *m.Body
			for key, v := range m.MessageAttributes {
				attributes[key] = *v.StringValue
			}
		}
		return len(out.Messages) > 0
	})
	return body, attributes
}
