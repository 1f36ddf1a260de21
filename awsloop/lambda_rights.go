package awsloop

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func (l *Lambda) addPermission(r *http.Request, body []byte) (any, error) {
	var in lambda.AddPermissionInput
	f, err := l.requested(r)
	if err == nil {
		err = decode(body, &in)
	}
	if err != nil {
		return nil, err
	}
	if in.StatementId == nil || in.Action == nil || in.Principal == nil {
		return nil, invalidParameter("StatementId, Action and Principal are needed")
	}
	s := statement{
		Sid: *in.StatementId, Effect: "Allow", Principal: map[string]texts{"Service": {*in.Principal}}, Action: texts{*in.Action}, Resource: texts{f.arn},
		Condition: map[string]map[string]texts{},
	}
	if in.SourceAccount != nil {
		s.Condition["StringEquals"] = map[string]texts{"AWS:SourceAccount": {*in.SourceAccount}}
	}
	if in.SourceArn != nil {
		s.Condition["ArnLike"] = map[string]texts{"AWS:SourceArn": {*in.SourceArn}}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.ContainsFunc(f.rights, func(other statement) bool { return other.Sid == s.Sid }) {
		return nil, refusal("ResourceConflictException", "The statement id ("+s.Sid+") provided already exists. Please provide a new statement id, or remove the existing statement.")
	}
	f.rights = append(f.rights, s)
	text, err := json.Marshal(s)
	return lambda.AddPermissionOutput{Statement: aws.String(string(text))}, err
}

func (l *Lambda) removePermission(r *http.Request, _ []byte) (any, error) {
	f, err := l.requested(r)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.rights)
	f.rights = slices.DeleteFunc(f.rights, func(s statement) bool { return s.Sid == r.PathValue("sid") })
	if len(f.rights) == before {
		return nil, refusal("ResourceNotFoundException", "Statement "+r.PathValue("sid")+" is not found in resource policy.")
	}
	return nil, nil
}

func (l *Lambda) getPolicy(r *http.Request, _ []byte) (any, error) {
	f, err := l.requested(r)
	if err != nil {
		return nil, err
	}
	policy := f.policy()
	if policy == "" {
		return nil, refusal("ResourceNotFoundException", "The resource you requested does not exist.")
	}
	return lambda.GetPolicyOutput{Policy: &policy, RevisionId: aws.String(l.server.guid())}, nil
}

// policy is the function's own; empty if nobody was given a right.
func (f *Function) policy() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rights) == 0 {
		return ""
	}
	text, _ := json.Marshal(policyDocument{"2012-10-17", "default", f.rights}) //nolint:errchkjson // texts
	return string(text)
}

// lets says why a service's resource may not invoke the function; nil if it may.
func (f *Function) lets(service, sourceARN string) error {
	policy := f.policy()
	if policy == "" {
		return errDenied
	}
	return allows(policy, service, "lambda:InvokeFunction", map[string]string{
		"aws:SourceArn": sourceARN, "aws:SourceAccount": f.server.options.Account,
	})
}

// putInvokeConfig replaces all of it.
func (l *Lambda) putInvokeConfig(r *http.Request, body []byte) (any, error) {
	var in lambda.PutFunctionEventInvokeConfigInput
	f, err := l.requested(r)
	if err == nil {
		err = decode(body, &in)
	}
	if err != nil {
		return nil, err
	}
	switch d := in.DestinationConfig; {
	case in.MaximumRetryAttempts != nil && !within(in.MaximumRetryAttempts, 0, 2), in.MaximumEventAgeInSeconds != nil && !within(in.MaximumEventAgeInSeconds, 60, 21600):
		return nil, invalidParameter("MaximumRetryAttempts is not in 0-2, or MaximumEventAgeInSeconds not in 60-21600")
	case d != nil && (d.OnSuccess != nil || d.OnFailure != nil && !queueForm.MatchString(aws.ToString(d.OnFailure.Destination))):
		return nil, invalidParameter("DestinationConfig: nothing but a queue for failures is known here")
	case d != nil && d.OnFailure != nil:
		if _, err := l.server.inside().queue(r.Context(), *d.OnFailure.Destination); err != nil {
			return nil, invalidParameter("The destination ARN %s is invalid: %v", *d.OnFailure.Destination, err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.invokes = &types.FunctionEventInvokeConfig{
		FunctionArn: aws.String(f.arn + ":$LATEST"), LastModified: aws.Time(time.Now()), DestinationConfig: in.DestinationConfig,
		MaximumRetryAttempts: in.MaximumRetryAttempts, MaximumEventAgeInSeconds: in.MaximumEventAgeInSeconds,
	}
	return *f.invokes, nil
}

var errNoInvokeConfig = refusal("ResourceNotFoundException", "The function doesn't have an EventInvokeConfig")

func (l *Lambda) getInvokeConfig(r *http.Request, _ []byte) (any, error) {
	f, err := l.requested(r)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.invokes == nil {
		return nil, errNoInvokeConfig
	}
	return *f.invokes, nil
}

func (l *Lambda) deleteInvokeConfig(r *http.Request, _ []byte) (any, error) {
	f, err := l.requested(r)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.invokes == nil {
		return nil, errNoInvokeConfig
	}
	f.invokes = nil
	return nil, nil
}

// record is what Lambda sends to a destination.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
type record struct {
	Version        string `json:"version"`
	Timestamp      string `json:"timestamp"`
	RequestContext struct {
		RequestID              string `json:"requestId"`
		FunctionARN            string `json:"functionArn"`
		Condition              string `json:"condition"`
		ApproximateInvokeCount int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	RequestPayload  json.RawMessage `json:"requestPayload"`
	ResponseContext *struct {
		StatusCode      int    `json:"statusCode"`
		ExecutedVersion string `json:"executedVersion"`
		FunctionError   string `json:"functionError"`
	} `json:"responseContext,omitempty"`
	ResponsePayload json.RawMessage `json:"responsePayload,omitempty"`
}

// sendRecord tells the function's destination for failures of one, if it has any.
func (f *Function) sendRecord(d DeadLetter) {
	f.mu.Lock()
	invokes := f.invokes
	f.mu.Unlock()
	if invokes == nil || invokes.DestinationConfig == nil || invokes.DestinationConfig.OnFailure == nil {
		return
	}
	rec := record{Version: "1.0", Timestamp: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), RequestPayload: d.Payload, ResponsePayload: d.Response}
	rec.RequestContext.RequestID, rec.RequestContext.Condition = d.RequestID, d.Condition
	rec.RequestContext.FunctionARN, rec.RequestContext.ApproximateInvokeCount = f.arn+":$LATEST", d.Attempts
	if d.Response != nil {
		rec.ResponseContext = &struct {
			StatusCode      int    `json:"statusCode"`
			ExecutedVersion string `json:"executedVersion"`
			FunctionError   string `json:"functionError"`
		}{200, "$LATEST", "Unhandled"}
	}
	body, err := json.Marshal(rec)
	if err == nil {
		err = f.server.inside().send(context.WithoutCancel(f.ctx), *invokes.DestinationConfig.OnFailure.Destination, body, nil)
	}
	if err != nil {
		f.server.log.Error("record of a failed invocation not delivered", "function", f.arn, "request", d.RequestID, "err", err)
	}
}
