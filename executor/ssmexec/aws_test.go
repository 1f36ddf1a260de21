package ssmexec

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// script is an AWS that answers without a network what a test puts down.
type script struct {
	mu       sync.Mutex
	calls    []string          // "SendCommand", "GetItem", ...
	bodies   map[string]string // the last of each
	items    map[string]map[string]map[string]string
	commands []*sentCommand
	pings    map[string]string // host to PingStatus
	states   map[string]string // host to EC2 state
	fail     map[string]func() (*http.Response, error)
	answers  map[string]string // verb to the host's answer
}

type sentCommand struct{ id, comment, details, stdout, stderr string }

func newScript() *script {
	return &script{
		bodies: map[string]string{}, items: map[string]map[string]map[string]string{}, pings: map[string]string{},
		states: map[string]string{}, fail: map[string]func() (*http.Response, error){}, answers: map[string]string{},
	}
}

// RoundTrip is one call.
func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, op, ok := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	if !ok {
		form, _ := url.ParseQuery(string(body))
		op = form.Get("Action")
	}
	s.calls = append(s.calls, op)
	s.bodies[op] = string(body)
	if f := s.fail[op]; f != nil {
		if resp, err := f(); resp != nil || err != nil {
			return resp, err
		}
	}
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	switch op {
	case "SendCommand":
		return s.send(in)
	case "ListCommands":
		return s.list()
	case "GetCommandInvocation":
		return s.invocation(in)
	case "CancelCommand":
		return reply(200, "{}"), nil
	case "DescribeInstanceInformation":
		var list []map[string]string
		for id, ping := range s.pings {
			list = append(list, map[string]string{"InstanceId": id, "PingStatus": ping})
		}
		return object(map[string]any{"InstanceInformationList": list}), nil
	case "DescribeInstances":
		return s.describe(), nil
	}
	return s.table(op, in)
}

func (s *script) send(in map[string]any) (*http.Response, error) {
	c := &sentCommand{id: fmt.Sprintf("c%d", len(s.commands)+1), comment: in["Comment"].(string)}
	verb, _, errand := strings.Cut(c.comment, " ")
	if errand {
		c.details, c.stdout = "Success", s.answers[verb]
	}
	s.commands = append(s.commands, c)
	return object(map[string]any{"Command": map[string]any{"CommandId": c.id}}), nil
}

func (s *script) list() (*http.Response, error) {
	var list []map[string]any
	for n, c := range s.commands {
		list = append(list, map[string]any{"CommandId": c.id, "Comment": c.comment, "RequestedDateTime": 1000 + n})
	}
	return object(map[string]any{"Commands": list}), nil
}

func (s *script) invocation(in map[string]any) (*http.Response, error) {
	for _, c := range s.commands {
		if c.id == in["CommandId"] && c.details != "" {
			return object(map[string]any{
				"Comment": c.comment, "StatusDetails": c.details,
				"StandardOutputContent": c.stdout, "StandardErrorContent": c.stderr,
			}), nil
		}
	}
	return failure(400, "InvocationDoesNotExist"), nil
}

func (s *script) describe() *http.Response {
	var b strings.Builder
	for id, state := range s.states {
		fmt.Fprintf(&b, "<item><instancesSet><item><instanceId>%s</instanceId><instanceState><name>%s</name></instanceState></item></instancesSet></item>", id, state)
	}
	return reply(200, "<DescribeInstancesResponse><reservationSet>"+b.String()+"</reservationSet></DescribeInstancesResponse>")
}

// table is as much of DynamoDB as the claims need.
func (s *script) table(op string, in map[string]any) (*http.Response, error) {
	switch op {
	case "GetItem":
		return object(map[string]any{"Item": s.items[pk(in["Key"])]}), nil
	case "UpdateItem":
		return s.update(in)
	case "TransactWriteItems":
		for _, w := range in["TransactItems"].([]any) {
			w := w.(map[string]any)
			if put, ok := w["Put"].(map[string]any); ok {
				s.items[pk(put["Item"])] = attributes(put["Item"])
			} else if _, err := s.update(w["Update"].(map[string]any)); err != nil {
				return nil, err
			}
		}
		return reply(200, "{}"), nil
	}
	return nil, fmt.Errorf("unscripted call %s", op)
}

func (s *script) update(in map[string]any) (*http.Response, error) {
	at := pk(in["Key"])
	if in["ConditionExpression"] == "attribute_not_exists(#by)" && s.items[at]["by"] != nil {
		resp := object(map[string]any{"__type": "ConditionalCheckFailedException", "Item": s.items[at]})
		resp.StatusCode = 400
		return resp, nil
	}
	if s.items[at] == nil {
		s.items[at] = attributes(in["Key"])
	}
	names := in["ExpressionAttributeNames"].(map[string]any)
	values := attributes(in["ExpressionAttributeValues"])
	for set := range strings.SplitSeq(strings.TrimPrefix(in["UpdateExpression"].(string), "SET "), ", ") {
		name, value, _ := strings.Cut(set, " = ")
		s.items[at][names[name].(string)] = values[value]
	}
	return object(map[string]any{"Attributes": s.items[at]}), nil
}

func attributes(v any) map[string]map[string]string {
	b, _ := json.Marshal(v)
	var out map[string]map[string]string
	_ = json.Unmarshal(b, &out)
	return out
}

func pk(v any) string { return attributes(v)["pk"]["S"] }

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

func object(v any) *http.Response {
	b, _ := json.Marshal(v)
	return reply(200, string(b))
}

func failure(status int, code string) *http.Response {
	return reply(status, fmt.Sprintf(`{"__type":%q,"message":"said AWS"}`, code))
}

// fault is an answer that isn't the scripted one.
type fault struct {
	status     int
	code, body string
	err        error
}

func (f fault) give() (*http.Response, error) {
	switch {
	case f.err != nil:
		return nil, f.err
	case f.body != "":
		return reply(f.status, f.body), nil
	}
	return failure(f.status, f.code), nil
}

// count is how often an operation was called.
func (s *script) count(op string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c == op {
			n++
		}
	}
	return n
}

// change is for a test's own timers.
func (s *script) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// claim writes the register; nobody may be the one.
func (s *script) claim(by string) {
	at := "CLAIM#" + attempt.Dir()
	if s.items[at] == nil {
		s.items[at] = map[string]map[string]string{}
	}
	if by != "" {
		s.items[at]["by"] = map[string]string{"S": by}
	}
}

const document = "solocron-guard"

func (s *script) options() Options {
	cfg := aws.Config{
		Region: "eu-north-1", HTTPClient: &http.Client{Transport: s},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "session+token/="),
	}
	return Options{
		SSM: ssm.NewFromConfig(cfg), DynamoDB: dynamodb.NewFromConfig(cfg), EC2: ec2.NewFromConfig(cfg),
		Document: document, ClaimsTable: "claims",
	}
}

func (s *script) open(with ...func(*Options)) *Executor {
	opts := s.options()
	for _, f := range with {
		f(&opts)
	}
	return New(opts)
}

var (
	attempt = guard.Attempt{Run: "job@20261122T023000Z", N: 1}
	host    = fleet.Host{ID: "i-0123456789abcdef0", Address: fleet.ByAgent}
)

func order() guard.Order {
	return guard.Order{
		Attempt: attempt, Token: "token1", Job: "job", Due: time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC),
		Host: host.ID, Fence: 1, Command: "true", Timeout: time.Minute, Grace: time.Second,
	}
}

// trailer is what a guard writes to stderr at its end.
func trailer(end string) string {
	return "a line of the agent\nend " + end + "\ncode 3\nfrom 1000\nto 2000\n.\noutput 4\ntail 4\nb3V0Cg==\n.\n"
}

const duplicate = "end refused\ncode 0\nduplicate\nreason it was here before\n.\noutput 0\ntail 0\n.\n"

func contains(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in %q", w, text)
		}
	}
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
