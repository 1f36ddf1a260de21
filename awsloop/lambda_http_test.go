package awsloop

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func TestInvokeAPI(t *testing.T) {
	t.Parallel()
	s, l := newLoop(t)
	f := newTestFunction(t, l, FunctionOptions{})
	client := lambda.NewFromConfig(s.Config("us-east-1"))
	large := []byte(`"` + string(make([]byte, asyncLimit)) + `"`)
	for i := range large[1 : len(large)-1] {
		large[1+i] = 'x'
	}
	tests := []struct {
		name, function string
		kind           types.InvocationType
		payload        []byte
		status         int32
		code           string
	}{
		{"by name", "fn", "", nil, 200, ""},
		{"by partial ARN", "123456789012:function:fn", "", []byte(`{}`), 200, ""},
		{"by ARN", f.ARN(), "", []byte(`{}`), 200, ""},
		{"by ARN and qualifier", f.ARN() + ":$LATEST", "", []byte(`{}`), 200, ""},
		{"dry run", "fn", types.InvocationTypeDryRun, nil, 204, ""},
		{"unknown", "other", "", nil, 0, "ResourceNotFoundException"},
		{"unknown, not waited for", "other", types.InvocationTypeEvent, nil, 0, "ResourceNotFoundException"},
		{"another account's", "arn:aws:lambda:us-east-1:210987654321:function:fn", "", nil, 0, "ResourceNotFoundException"},
		{"another region's", "arn:aws:lambda:eu-west-1:123456789012:function:fn", "", nil, 0, "ResourceNotFoundException"},
		{"no JSON", "fn", "", []byte(`{`), 0, "InvalidRequestContentException"},
		{"large event", "fn", types.InvocationTypeEvent, large, 0, "RequestTooLargeException"},
		{"other type", "fn", "Later", nil, 0, "InvalidParameterValueException"},
	}
	for _, tt := range tests {
		out, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &tt.function, InvocationType: tt.kind, Payload: tt.payload})
		if errorCode(err) != tt.code || err == nil && out.StatusCode != tt.status {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	got, err := client.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("fn")})
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Configuration; *c.FunctionArn != f.ARN() || c.Runtime != types.RuntimeProvidedal2023 || *c.Timeout != 60 || c.State != types.StateActive || c.CodeSize == 0 {
		t.Errorf("configuration %+v", c)
	}
}

func TestInvokeAPIThrottled(t *testing.T) {
	t.Parallel()
	s, l := newLoop(t)
	f := newTestFunction(t, l, FunctionOptions{Concurrency: 1})
	f.slots <- struct{}{}
	_, err := lambda.NewFromConfig(s.Config("us-east-1")).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("fn")})
	if errorCode(err) != "TooManyRequestsException" {
		t.Error(err)
	}
	<-f.slots
}
