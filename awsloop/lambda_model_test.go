package awsloop_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/solocron/solocron/awsloop"
)

func TestLambdaModel(t *testing.T) {
	t.Parallel()
	a := newAccount(t, awsloop.AccountOptions{})
	in := a.function()
	queue := a.makeQueue("lost")
	held := heldToModel(t, a.Server, "lambda/2015-03-31", a.Lambda.Operation)
	client, name, ctx := lambda.NewFromConfig(held.config(a.Server)), &a.name, t.Context()
	in.Environment, in.Description = &types.Environment{Variables: map[string]string{"A": "b"}}, aws.String("of the tests")
	in.Tags = map[string]string{"part": "cron"}
	for _, call := range []func() (any, error){
		func() (any, error) { return client.CreateFunction(ctx, in) },
		func() (any, error) { return client.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: name}) },
		func() (any, error) {
			return client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: name})
		},
		func() (any, error) {
			return client.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: zipped(t, "two")})
		},
		func() (any, error) {
			return client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: name, Timeout: aws.Int32(5)})
		},
		func() (any, error) {
			return client.AddPermission(ctx, &lambda.AddPermissionInput{
				FunctionName: name, StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("events.amazonaws.com"),
			})
		},
		func() (any, error) { return client.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: name}) },
		func() (any, error) {
			return client.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: name, StatementId: aws.String("s")})
		},
		func() (any, error) {
			return client.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
				FunctionName: name, DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: &queue}},
			})
		},
		func() (any, error) {
			return client.GetFunctionEventInvokeConfig(ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: name})
		},
		func() (any, error) {
			return client.DeleteFunctionEventInvokeConfig(ctx, &lambda.DeleteFunctionEventInvokeConfigInput{FunctionName: name})
		},
		func() (any, error) {
			return client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: name})
		},
	} {
		if _, err := call(); err != nil {
			t.Error(err)
		}
	}
	if len(held.seen) != 12 {
		t.Errorf("asked for %v", held.seen)
	}
}
