package awsloop

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"
)

const invocationChange = `{"version":"0","id":"4780","detail-type":"EC2 Command Invocation Status-change Notification","source":"aws.ssm",
 "account":"123456789012","time":"2016-07-10T21:51:32Z","region":"us-east-2",
 "resources":["arn:aws:ec2:us-east-2:123456789012:instance/i-abcd1111"],
 "detail":{"command-id":"e8d3","document-name":"Solocron","instance-id":"i-9bb89e2b","n":3,
  "requested-date-time":"2016-07-10T21:51:30.049Z","status":"Success"}}`

func TestPattern(t *testing.T) {
	t.Parallel()
	var e map[string]any
	if err := json.Unmarshal([]byte(invocationChange), &e); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		`{"source":["aws.ssm"]}`: true,
		`{"source":["aws.ec2"]}`: false,
		`{"source":["aws.ec2","aws.ssm"],"detail":{"document-name":["Solocron"]}}`:        true,
		`{"source":["aws.ssm"],"detail":{"document-name":["Other"]}}`:                     false,
		`{"detail-type":[{"prefix":"EC2 Command"}]}`:                                      true,
		`{"detail-type":[{"prefix":"Command"}]}`:                                          false,
		`{"detail-type":[{"suffix":"Notification"}]}`:                                     true,
		`{"detail":{"status":[{"equals-ignore-case":"success"}]}}`:                        true,
		`{"detail":{"status":[{"anything-but":["Failed","TimedOut"]}]}}`:                  true,
		`{"detail":{"status":[{"anything-but":"Success"}]}}`:                              false,
		`{"detail":{"exit":[{"anything-but":"0"}]}}`:                                      false,
		`{"detail":{"exit":[{"exists":false}]}}`:                                          true,
		`{"detail":{"status":[{"exists":true}]}}`:                                         true,
		`{"detail":{"n":[3]}}`:                                                            true,
		`{"detail":{"n":["3"]}}`:                                                          false,
		`{"resources":["arn:aws:ec2:us-east-2:123456789012:instance/i-abcd1111","else"]}`: true,
		`{"resources":[{"prefix":"arn:aws:ec2:us-east-1"}]}`:                              false,
		`{"detail":{"inner":{"deep":["x"]}}}`:                                             false,
	} {
		p, err := parsePattern(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if p.matches(e) != want {
			t.Errorf("%s: matches should be %v", text, want)
		}
	}
	for _, text := range []string{``, `{}`, `[]`, `{"source":"aws.ssm"}`, `{"source":[]}`, `{"detail":{"n":[{"numeric":[">",1]}]}}`,
		`{"detail":{"n":[["x"]]}}`, `{"source":[{"prefix":1}]}`, `{"source":[{"prefix":"a","suffix":"b"}]}`, `{"source":[{"anything-but":[{"prefix":"a"}]}]}`} {
		if _, err := parsePattern(text); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`{"source":["aws.ssm"],"detail":{"document-name":[{"prefix":"Solo"}]}}`, invocationChange)
	f.Add(`{"detail":{"n":[{"anything-but":[1,null]}]}}`, `{"detail":{"n":{"a":[]}}}`)
	f.Fuzz(func(_ *testing.T, text, event string) {
		p, err := parsePattern(text)
		var e map[string]any
		if err != nil || json.Unmarshal([]byte(event), &e) != nil {
			return
		}
		p.matches(e)
	})
}

func TestRules(t *testing.T) {
	t.Parallel()
	s, l := newLoop(t)
	f := newTestFunction(t, l, FunctionOptions{})
	b := NewEvents(s, l, NewClock(start, 600))
	path := filepath.Join(t.TempDir(), "got")
	if err := b.AddRule("changes", `{"source":["aws.ssm"],"detail":{"document-name":["Solocron"]}}`, f); err != nil {
		t.Fatal(err)
	}
	// The constant input of a second target tells what the function got.
	_, err := b.putTargets(t.Context(), &putTargetsInput{Rule: "changes", Targets: []ruleTarget{{Id: "2", Arn: f.ARN(), Input: string(noted(t, path, "change", nil))}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.listTargets(t.Context(), &listTargetsInput{Rule: "changes"}); err != nil || len(got.Targets) != 2 || got.Targets[0].Arn != f.ARN() {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := b.deleteRule(t.Context(), &ruleInput{Name: "changes"}); errorCode(err) != "ValidationException" {
		t.Errorf("deleted with its targets: %v", err)
	}
	s.emit([]byte(invocationChange))
	s.emit([]byte(`{"source":"aws.ssm","detail":{"document-name":"Other"}}`))
	until(t, "the event", func() bool { return len(lines(path)) == 1 })

	if err := b.AddSchedule("sweep", "rate(1 minute)", string(noted(t, path, "sweep", nil)), f); err != nil {
		t.Fatal(err)
	}
	b.Start()
	until(t, "two sweeps", func() bool { return len(lines(path)) >= 3 })
	if _, err := b.disableRule(t.Context(), &ruleInput{Name: "sweep"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Fire("sweep", start); err != nil {
		t.Error(err)
	}
	for _, in := range []putRuleInput{
		{Name: "x", ScheduleExpression: "cron(*/5 * * * ? *)"},
		{Name: "x", ScheduleExpression: "at(2026-11-22T00:00:00)"},
		{Name: "x", EventPattern: "{"},
		{Name: "x"},
		{Name: "x y", ScheduleExpression: "rate(1 minute)"},
		{Name: "x", ScheduleExpression: "rate(1 minute)", EventBusName: "other"},
	} {
		if _, err := b.putRule(t.Context(), &in); err == nil {
			t.Errorf("%+v is accepted", in)
		}
	}
}

func TestScheduledEvent(t *testing.T) {
	t.Parallel()
	b := NewEvents(New(Options{}), nil, nil)
	var e map[string]any
	if err := json.Unmarshal(b.scheduled("sweep", start.Add(30*time.Second)), &e); err != nil || e["source"] != "aws.events" ||
		e["detail-type"] != "Scheduled Event" || e["time"] != "2026-11-22T00:01:00Z" {
		t.Errorf("%v, %v", e, err)
	}
}
