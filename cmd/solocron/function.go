package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"github.com/solocron/solocron/config"
	"github.com/solocron/solocron/web"
)

// invoker carries requests to the scheduler that is a Lambda function: each is
// one synchronous invocation with the event that a function URL would give it.
// IAM is the authentication: who may invoke the function may do everything.
type invoker struct {
	name   string // or ARN
	region string // of a bare name; empty to leave it to the configuration

	mu     sync.Mutex
	client *lambda.Client // nil before the first request
}

func newFunctionClient(name, region string) *web.Client {
	return web.NewClientVia(&invoker{name: name, region: region}, "in Lambda function "+name)
}

// maxInvocation is how large a synchronous invocation's event may be.
const maxInvocation = 6 << 20

func (f *invoker) RoundTrip(r *http.Request) (*http.Response, error) {
	payload, err := invocation(r)
	if err != nil {
		return nil, err
	}
	client, err := f.open(r.Context())
	if err != nil {
		return nil, err
	}
	out, err := client.Invoke(r.Context(), &lambda.InvokeInput{FunctionName: &f.name, Payload: payload}, func(o *lambda.Options) {
		if r.Method != http.MethodGet {
			o.RetryMaxAttempts = 1 // a repeat would start the job again
		}
	})
	switch {
	case r.Context().Err() != nil:
		return nil, context.Cause(r.Context())
	case err != nil:
		return nil, f.uninvoked(r.Method, client.Options().Region, err)
	case out.FunctionError != nil:
		return nil, f.broken(out.Payload)
	}
	return f.answer(r, out.Payload)
}

// open makes the client with the first request, because looking for credentials
// takes time that the request's context bounds. A failure is not kept.
func (f *invoker) open(ctx context.Context) (*lambda.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.client != nil {
		return f.client, nil
	}
	named, _ := arn.Parse(f.name)
	cfg, err := config.AWS(ctx, cmp.Or(named.Region, f.region))
	if err != nil {
		return nil, err
	}
	f.client = lambda.NewFromConfig(cfg)
	return f.client, nil
}

// invocation is the request as an event.
func invocation(r *http.Request) ([]byte, error) {
	e := events.LambdaFunctionURLRequest{
		Version:        "2.0",
		RawPath:        r.URL.EscapedPath(),
		RawQueryString: r.URL.RawQuery,
		Headers:        map[string]string{},
		RequestContext: events.LambdaFunctionURLRequestContext{
			HTTP: events.LambdaFunctionURLRequestContextHTTPDescription{Method: r.Method, Path: r.URL.Path, Protocol: r.Proto},
		},
	}
	for name, values := range r.Header {
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, fmt.Errorf("request body: %w", err)
		}
		if e.Body = string(body); !utf8.Valid(body) {
			e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
		}
	}
	payload, err := json.Marshal(e)
	if err == nil && len(payload) > maxInvocation {
		err = &web.Problem{Message: fmt.Sprintf("the request has %d bytes, and a Lambda function takes %d", len(payload), maxInvocation), Status: http.StatusRequestEntityTooLarge}
	}
	return payload, err
}

// answer is what the function returned, as a response to the request.
func (f *invoker) answer(r *http.Request, payload []byte) (*http.Response, error) {
	var e events.LambdaFunctionURLResponse
	if err := json.Unmarshal(payload, &e); err != nil || http.StatusText(e.StatusCode) == "" {
		return nil, &web.Problem{
			Message: fmt.Sprintf("Lambda function %s answered, but not as solocron's does", f.name),
			Hint:    "--function names solocron's own function",
			Status:  http.StatusNotImplemented,
		}
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, fmt.Errorf("answer's body: %w", err)
		}
	}
	header := http.Header{}
	for name, value := range e.Headers {
		header.Set(name, value)
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode)), StatusCode: e.StatusCode,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// broken is the error of a function that ran and gave no answer. What Lambda
// says of it is in the payload.
func (f *invoker) broken(payload []byte) error {
	var said struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(payload, &said); err != nil || said.Message == "" {
		said.Message = "it gave no reason"
	}
	hint := "its log in CloudWatch has more"
	if said.Type == "Function.ResponseSizeTooLarge" {
		hint = "ask for less, such as with --limit"
	}
	return &web.Problem{
		Message: fmt.Sprintf("Lambda function %s failed: %s", f.name, said.Message),
		Hint:    hint, Status: http.StatusBadGateway,
	}
}

// uninvoked says what is wrong with the way to the function, as far as AWS's
// error tells.
func (f *invoker) uninvoked(method, region string, err error) error {
	var refused smithy.APIError
	switch {
	case errors.As(err, &refused) && refused.ErrorFault() != smithy.FaultServer:
	case method != http.MethodGet:
		return fmt.Errorf("%w; nobody can say whether it did as it was asked, see solocron runs", err)
	default:
		return err
	}
	p := &web.Problem{Status: http.StatusServiceUnavailable}
	switch code := refused.ErrorCode(); code {
	case "ResourceNotFoundException":
		p.Message, p.Status = fmt.Sprintf("there is no Lambda function %s in %s", f.name, region), http.StatusNotFound
		p.Hint = "check --function and the region: AWS_REGION, AWS_PROFILE, or the function's ARN"
	case "AccessDeniedException":
		p.Message, p.Status = fmt.Sprintf("no permission to invoke Lambda function %s: %s", f.name, refused.ErrorMessage()), http.StatusForbidden
		p.Hint = "allow lambda:InvokeFunction on it to these credentials, or choose others with AWS_PROFILE"
	case "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "InvalidClientTokenId":
		p.Message, p.Status = fmt.Sprintf("AWS does not accept the credentials: %s (%s)", refused.ErrorMessage(), code), http.StatusUnauthorized
		p.Hint = "log in anew, or choose others with AWS_PROFILE"
	case "TooManyRequestsException":
		p.Message = fmt.Sprintf("Lambda function %s is busy: %s", f.name, refused.ErrorMessage())
		p.Hint = "nothing was done; try again in a moment"
	default:
		p.Message = fmt.Sprintf("invoke Lambda function %s: %s (%s)", f.name, refused.ErrorMessage(), code)
	}
	return p
}
