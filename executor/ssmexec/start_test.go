package ssmexec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

func granted(n *int) func(context.Context) error {
	return func(context.Context) error {
		*n++
		return nil
	}
}

func TestStart(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := newScript()
		x := s.open(func(o *Options) { o.Report = &Report{Topic: "arn:topic", Role: "arn:role"} })
		o := order()
		o.StartBy = time.Now().Add(10 * time.Minute)
		grants := 0
		if err := x.Start(t.Context(), host, o, granted(&grants)); err != nil || grants != 1 {
			t.Fatalf("%v, granted %d times", err, grants)
		}
		same(t, "calls", s.calls, []string{"SendCommand", "TransactWriteItems"})
		var in struct {
			Comment, DocumentName, ServiceRoleArn string
			TimeoutSeconds                        int
			InstanceIDs                           []string `json:"InstanceIds"`
			Parameters                            map[string][]string
			NotificationConfig                    struct {
				NotificationArn, NotificationType string
				NotificationEvents                []string
			}
		}
		if err := json.Unmarshal([]byte(s.bodies["SendCommand"]), &in); err != nil {
			t.Fatal(err)
		}
		if in.Comment != "job@20261122T023000Z.1" || in.DocumentName != document || in.TimeoutSeconds != 600 || len(in.InstanceIDs) != 1 || in.InstanceIDs[0] != host.ID {
			t.Errorf("%+v", in)
		}
		if in.ServiceRoleArn != "arn:role" || in.NotificationConfig.NotificationArn != "arn:topic" || in.NotificationConfig.NotificationType != "Command" || len(in.NotificationConfig.NotificationEvents) != 3 {
			t.Errorf("%+v", in)
		}
		if in.Parameters["verb"][0] != guard.VerbStart || in.Parameters["run"][0] != attempt.Dir() {
			t.Errorf("%v", in.Parameters)
		}
		if got := s.items["CLAIM#job@20261122T023000Z.1"]; got["command"]["S"] != "c1" || got["by"] != nil || got["ttl"]["N"] == "" || got["sk"]["S"] != "-" {
			t.Errorf("claim %v", got)
		}
		if got := s.items["COMMAND#c1"]; got["run"]["S"] != attempt.Run || got["n"]["N"] != "1" || got["host"]["S"] != host.ID {
			t.Errorf("index %v", got)
		}
	})
}

func TestStartByAWSOwnDocument(t *testing.T) {
	s := newScript()
	x := s.open(func(o *Options) { o.Document = RunShellScript })
	if err := x.Start(t.Context(), host, order(), granted(new(int))); err != nil {
		t.Fatal(err)
	}
	var in ssm.SendCommandInput
	if err := json.Unmarshal([]byte(s.bodies["SendCommand"]), &in); err != nil {
		t.Fatal(err)
	}
	if len(in.Parameters) != 2 || len(in.Parameters["commands"]) < 10 || in.Parameters["executionTimeout"][0] == "" || in.TimeoutSeconds != nil {
		t.Errorf("%v", in.Parameters)
	}
	if strings.Contains(s.bodies["SendCommand"], "{{ order }}") {
		t.Error("the order was not filled in")
	}
}

func TestStartUnclaimed(t *testing.T) {
	s := newScript()
	x := s.open(func(o *Options) { o.DynamoDB = nil })
	o := order()
	o.Unclaimed = true
	if err := x.Start(t.Context(), host, o, granted(new(int))); err != nil {
		t.Fatal(err)
	}
	same(t, "calls", s.calls, []string{"SendCommand"})
	s.commands[0].details = "InProgress"
	if got, err := x.Status(t.Context(), host, o.Attempt); err != nil || got.Phase != guard.PhaseRunning {
		t.Errorf("%+v, %v", got, err)
	}
	same(t, "calls", s.calls, []string{"SendCommand", "GetCommandInvocation", "DescribeInstances"})
}

func TestStartRefusesBeforeTheGrant(t *testing.T) {
	tests := map[string]struct {
		spoil func(*guard.Order, *fleet.Host, *Options)
		words string
	}{
		"secrets":       {func(o *guard.Order, _ *fleet.Host, _ *Options) { o.Secrets = map[string]string{"P": "x"} }, "secrets"},
		"a huge order":  {func(o *guard.Order, _ *fleet.Host, _ *Options) { o.Command = strings.Repeat("x", 60<<10) }, "at most"},
		"a long one":    {func(o *guard.Order, _ *fleet.Host, _ *Options) { o.Timeout = 49 * time.Hour }, "may last"},
		"no table":      {func(_ *guard.Order, _ *fleet.Host, x *Options) { x.ClaimsTable = "" }, "no claims table"},
		"no client":     {func(_ *guard.Order, _ *fleet.Host, x *Options) { x.DynamoDB = nil }, "no claims table"},
		"too late":      {func(o *guard.Order, _ *fleet.Host, _ *Options) { o.StartBy = time.Now() }, "start-by"},
		"another host":  {func(_ *guard.Order, h *fleet.Host, _ *Options) { h.Address = "ssh://db" }, "ssh://db"},
		"empty command": {func(o *guard.Order, _ *fleet.Host, _ *Options) { o.Command = "" }, "empty command"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScript()
			o, h, opts, grants := order(), host, s.options(), 0
			tt.spoil(&o, &h, &opts)
			err := New(opts).Start(t.Context(), h, o, granted(&grants))
			if n := executor.Proven(err); n == nil || !strings.Contains(n.Reason(), tt.words) {
				t.Errorf("%v, want a proof with %q", err, tt.words)
			}
			if grants > 0 || len(s.calls) > 0 {
				t.Errorf("granted %d times, calls %v", grants, s.calls)
			}
		})
	}
}

func TestStartWithoutAGrant(t *testing.T) {
	s := newScript()
	no := errors.New("the ledger says no")
	err := s.open().Start(t.Context(), host, order(), func(context.Context) error { return no })
	if executor.Proven(err) == nil || !errors.Is(err, no) || len(s.calls) > 0 {
		t.Errorf("%v, calls %v", err, s.calls)
	}
}

func TestStartOutlivesItsContext(t *testing.T) {
	s := newScript()
	ctx, cancel := context.WithCancel(t.Context())
	err := s.open().Start(ctx, host, order(), func(context.Context) error { cancel(); return nil })
	if err != nil || s.count("SendCommand") != 1 || s.count("TransactWriteItems") != 1 {
		t.Errorf("%v, calls %v", err, s.calls)
	}
}

// Every way in which SendCommand can go wrong, and what is known then.
func TestStartThatGoesWrong(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	tests := map[string]struct {
		answer fault
		proven bool
		is     error
		more   bool // further requests are made
	}{
		"no such instance":     {fault{status: 400, code: "InvalidInstanceId"}, true, executor.ErrUnreachable, false},
		"no such document":     {fault{status: 400, code: "InvalidDocument"}, true, nil, false},
		"wrong platform":       {fault{status: 400, code: "UnsupportedPlatformType"}, true, nil, false},
		"not allowed":          {fault{status: 400, code: "AccessDeniedException"}, true, nil, false},
		"a code to come":       {fault{status: 400, code: "SomethingNew"}, true, nil, false},
		"throttled":            {fault{status: 400, code: "ThrottlingException"}, true, executor.ErrThrottled, true},
		"too many requests":    {fault{status: 429, code: "SlowerPlease"}, true, executor.ErrThrottled, true},
		"nobody listens":       {fault{err: dial}, true, nil, true},
		"reset":                {fault{err: errors.New("connection reset by peer")}, false, nil, false},
		"internal error":       {fault{status: 500, code: "InternalServerError"}, false, nil, false},
		"throttled by a 503":   {fault{status: 503, code: "ThrottlingException"}, false, nil, false},
		"request timeout":      {fault{status: 400, code: "RequestTimeout"}, false, nil, false},
		"a proxy's own answer": {fault{status: 403, body: "<html>your proxy</html>"}, false, nil, false},
		"no command":           {fault{status: 200, body: "{}"}, false, nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				s := newScript()
				s.fail["SendCommand"] = tt.answer.give
				grants := 0
				err := s.open().Start(t.Context(), host, order(), granted(&grants))
				if (executor.Proven(err) != nil) != tt.proven || err == nil || grants != 1 {
					t.Fatalf("%v, granted %d times", err, grants)
				}
				for _, kind := range []error{executor.ErrUnreachable, executor.ErrThrottled} {
					if errors.Is(err, kind) != errors.Is(tt.is, kind) {
						t.Errorf("%v: is it %v?", err, kind)
					}
				}
				if n := s.count("SendCommand"); (n > 1) != tt.more || n > 10 {
					t.Errorf("%d requests", n)
				}
				if (s.count("ListCommands") > 0) == tt.proven {
					t.Errorf("calls %v", s.calls)
				}
			})
		})
	}
}

func TestStartGetsThroughInTheEnd(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := newScript()
		n := 0
		s.fail["SendCommand"] = func() (*http.Response, error) {
			if n++; n < 4 {
				return failure(400, "ThrottlingException"), nil
			}
			return nil, nil
		}
		if err := s.open().Start(t.Context(), host, order(), granted(new(int))); err != nil || len(s.commands) != 1 {
			t.Errorf("%v, %d commands", err, len(s.commands))
		}
	})
}

func TestStartStopsTryingAtStartBy(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := newScript()
		s.fail["SendCommand"] = func() (*http.Response, error) { return failure(400, "ThrottlingException"), nil }
		o := order()
		o.StartBy = time.Now().Add(3 * time.Second)
		err := s.open().Start(t.Context(), host, o, granted(new(int)))
		if !errors.Is(err, executor.ErrThrottled) || time.Now().After(o.StartBy) {
			t.Errorf("%v at %s", err, time.Now())
		}
	})
}

// The answer to SendCommand is lost, but the command was made.
func TestStartFindsItsOrphan(t *testing.T) {
	for name, late := range map[string]int{"at once": 0, "after a while": 2} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				s := newScript()
				s.fail["SendCommand"] = func() (*http.Response, error) {
					s.commands = append(s.commands,
						&sentCommand{id: "other", comment: "job@20261122T023000Z.2"},
						&sentCommand{id: "ours", comment: attempt.Dir()},
						&sentCommand{id: "errand", comment: "status " + attempt.Dir()})
					return nil, errors.New("connection reset by peer")
				}
				s.fail["ListCommands"] = func() (*http.Response, error) {
					if late--; late >= 0 {
						return reply(200, `{"Commands":[]}`), nil
					}
					return nil, nil
				}
				x := s.open()
				if err := x.Start(t.Context(), host, order(), granted(new(int))); err != nil {
					t.Fatal(err)
				}
				if s.count("SendCommand") != 1 || s.items["COMMAND#ours"] == nil || x.remembered(host, attempt) != "ours" {
					t.Errorf("calls %v, items %v", s.calls, s.items)
				}
				contains(t, s.bodies["ListCommands"], `"InstanceId":"`+host.ID+`"`, "InvokedAfter", document)
			})
		})
	}
}

// A table that is out of reach is no error of a start; the comment finds the
// command again.
func TestStartUnrecorded(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := newScript()
		s.fail["TransactWriteItems"] = func() (*http.Response, error) { return failure(500, "InternalServerError"), nil }
		if err := s.open().Start(t.Context(), host, order(), granted(new(int))); err != nil {
			t.Fatal(err)
		}
		s.commands[0].details, s.commands[0].stderr = "Success", trailer("exited")
		if got, err := s.open().Status(t.Context(), host, attempt); err != nil || got.Result.End != guard.Exited {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// Without credentials nothing leaves this machine.
func TestStartThatIsNotSigned(t *testing.T) {
	s := newScript()
	none := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, fmt.Errorf("the session is over")
	})
	opts := s.options()
	opts.SSM = ssm.New(opts.SSM.Options(), func(o *ssm.Options) { o.Credentials = none })
	err := New(opts).Start(t.Context(), host, order(), granted(new(int)))
	if n := executor.Proven(err); n == nil || !strings.Contains(n.Reason(), "the session is over") || len(s.calls) > 0 {
		t.Errorf("%v, calls %v", err, s.calls)
	}
}

func TestFind(t *testing.T) {
	s := newScript()
	x := s.open()
	if err := x.Start(t.Context(), host, order(), granted(new(int))); err != nil {
		t.Fatal(err)
	}
	s.commands = append(s.commands,
		&sentCommand{id: "bare", comment: "job@20261122T023000Z-abcd.12", details: "Failed"},
		&sentCommand{id: "errand", comment: "status " + attempt.Dir(), details: "Success"},
		&sentCommand{id: "foreign", comment: "update.1", details: "Success"})
	for id, want := range map[string]string{
		"c1": "job@20261122T023000Z 1", "bare": "job@20261122T023000Z-abcd 12", "errand": "", "foreign": "", "nobody's": "",
	} {
		run, n, err := x.Find(t.Context(), id, host.ID)
		switch {
		case want == "" && !errors.Is(err, ErrNotOurs):
			t.Errorf("%s: %s %d, %v", id, run, n, err)
		case want != "" && (err != nil || fmt.Sprint(run, " ", n) != want):
			t.Errorf("%s: %s %d, %v", id, run, n, err)
		}
	}
	s.fail["GetItem"] = func() (*http.Response, error) { return failure(400, "ResourceNotFoundException"), nil }
	if _, _, err := x.Find(t.Context(), "c1", host.ID); err == nil || errors.Is(err, ErrNotOurs) {
		t.Errorf("%v", err)
	}
}

func FuzzComment(f *testing.F) {
	for _, seed := range []string{"job@20261122T023000Z.1", "status job@20261122T023000Z.1", "job@20261122T023000Z-abcd.012", "a.b@20261122T023000Z.+1", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, comment string) {
		id, n, ok := attemptIn(comment)
		if back := (guard.Attempt{Run: id, N: n}).Dir(); ok && back != comment {
			t.Errorf("%q reads as %q", comment, back)
		}
	})
}
