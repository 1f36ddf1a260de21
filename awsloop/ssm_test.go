package awsloop_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/bubbletest"
)

// instanceID is the n-th of the tests' instances.
func instanceID(n int) string { return fmt.Sprintf("i-%017d", n) }

// newServer returns a server that closes with the test.
func newServer(t *testing.T, o awsloop.Options) *awsloop.Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s := awsloop.New(o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func addInstance(t *testing.T, s *awsloop.Server, id string, o awsloop.InstanceOptions) *awsloop.Instance {
	t.Helper()
	i, err := s.AddInstance(id, o)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// wantCode checks an answer's error code; "" is none.
func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	var known smithy.APIError
	got := ""
	if errors.As(err, &known) {
		got = known.ErrorCode()
	} else if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("error is %q (%v), want %q", got, err, want)
	}
}

// send sends the commands by AWS-RunShellScript.
func send(t *testing.T, c *ssm.Client, id string, commands ...string) *types.Command {
	t.Helper()
	out, err := c.SendCommand(t.Context(), &ssm.SendCommandInput{
		DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{id},
		Parameters: map[string][]string{"commands": commands},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Command
}

func get(t *testing.T, c *ssm.Client, command *types.Command, id string) *ssm.GetCommandInvocationOutput {
	t.Helper()
	out, err := c.GetCommandInvocation(t.Context(), &ssm.GetCommandInvocationInput{CommandId: command.CommandId, InstanceId: &id})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// await polls until the invocation stands as wanted.
func await(t *testing.T, c *ssm.Client, command *types.Command, id, details string) *ssm.GetCommandInvocationOutput {
	t.Helper()
	var out *ssm.GetCommandInvocationOutput
	eventually(t, "the command is "+details, func() bool {
		out = get(t, c, command, id)
		return *out.StatusDetails == details
	})
	return out
}

// eventually polls a condition that is about to hold.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// answers is a fake command that ends at once.
func answers(stdout string, code int) awsloop.InstanceOptions {
	return awsloop.InstanceOptions{Online: true, Run: func(context.Context, string, string, map[string][]string) (string, string, int) {
		return stdout, "", code
	}}
}

func TestSendCommandRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	c := client(t, s)
	addInstance(t, s, instanceID(1), answers("", 0))
	addInstance(t, s, instanceID(2), answers("", 0)).Stop()
	addInstance(t, s, instanceID(3), answers("", 0)).Terminate()
	windows := answers("", 0)
	windows.Platform = types.PlatformTypeWindows
	addInstance(t, s, instanceID(4), windows)
	tests := map[string]struct {
		change func(in *ssm.SendCommandInput)
		want   string
	}{
		"nothing wrong":       {func(*ssm.SendCommandInput) {}, ""},
		"stopped instance":    {func(in *ssm.SendCommandInput) { in.InstanceIds = []string{instanceID(2)} }, "InvalidInstanceId"},
		"terminated instance": {func(in *ssm.SendCommandInput) { in.InstanceIds = []string{instanceID(3)} }, "InvalidInstanceId"},
		"unknown instance":    {func(in *ssm.SendCommandInput) { in.InstanceIds = []string{instanceID(9)} }, "InvalidInstanceId"},
		"one of two unknown": {func(in *ssm.SendCommandInput) {
			in.InstanceIds = []string{instanceID(1), instanceID(9)}
		}, "InvalidInstanceId"},
		"twice the same": {func(in *ssm.SendCommandInput) {
			in.InstanceIds = []string{instanceID(1), instanceID(1)}
		}, "DuplicateInstanceId"},
		"no ID":            {func(in *ssm.SendCommandInput) { in.InstanceIds = []string{"web-1"} }, "ValidationException"},
		"Windows":          {func(in *ssm.SendCommandInput) { in.InstanceIds = []string{instanceID(4)} }, "UnsupportedPlatformType"},
		"no targets":       {func(in *ssm.SendCommandInput) { in.InstanceIds = nil }, "ValidationException"},
		"unknown document": {func(in *ssm.SendCommandInput) { in.DocumentName = aws.String("Mine") }, "InvalidDocument"},
		"version":          {func(in *ssm.SendCommandInput) { in.DocumentVersion = aws.String("7") }, "InvalidDocumentVersion"},
		"an account's ARN of AWS's document": {func(in *ssm.SendCommandInput) {
			in.DocumentName = aws.String("arn:aws:ssm:us-east-1:123456789012:document/AWS-RunShellScript")
		}, "InvalidDocument"},
		"AWS's ARN of it": {func(in *ssm.SendCommandInput) {
			in.DocumentName = aws.String("arn:aws:ssm:us-east-1::document/AWS-RunShellScript")
		}, ""},
		"timeout too short":  {func(in *ssm.SendCommandInput) { in.TimeoutSeconds = aws.Int32(29) }, "ValidationException"},
		"timeout too long":   {func(in *ssm.SendCommandInput) { in.TimeoutSeconds = aws.Int32(2592001) }, "ValidationException"},
		"comment of 100":     {func(in *ssm.SendCommandInput) { in.Comment = aws.String(strings.Repeat("x", 100)) }, ""},
		"comment of 101":     {func(in *ssm.SendCommandInput) { in.Comment = aws.String(strings.Repeat("x", 101)) }, "ValidationException"},
		"max errors":         {func(in *ssm.SendCommandInput) { in.MaxErrors = aws.String("many") }, "ValidationException"},
		"no commands":        {func(in *ssm.SendCommandInput) { in.Parameters = nil }, "InvalidParameters"},
		"unknown parameter":  {func(in *ssm.SendCommandInput) { in.Parameters["shell"] = []string{"zsh"} }, "InvalidParameters"},
		"allowed pattern":    {func(in *ssm.SendCommandInput) { in.Parameters["executionTimeout"] = []string{"soon"} }, "InvalidParameters"},
		"two for a string":   {func(in *ssm.SendCommandInput) { in.Parameters["executionTimeout"] = []string{"5", "6"} }, "InvalidParameters"},
		"stray braces":       {func(in *ssm.SendCommandInput) { in.Parameters["commands"] = []string{"echo {{ job }}"} }, "InvalidParameters"},
		"unknown stored":     {func(in *ssm.SendCommandInput) { in.Parameters["commands"] = []string{"{{ssm:no}}"} }, "InvalidParameters"},
		"a template, though": {func(in *ssm.SendCommandInput) { in.Parameters["commands"] = []string{"docker ps --format '{{ .ID }}'"} }, ""},
		"too large": {func(in *ssm.SendCommandInput) {
			in.Parameters["commands"] = []string{strings.Repeat("#", 64<<10)}
		}, "MaxDocumentSizeExceeded"},
		"notice without a role": {func(in *ssm.SendCommandInput) {
			in.NotificationConfig = &types.NotificationConfig{NotificationArn: aws.String("arn:aws:sns:us-east-1:123456789012:t")}
		}, "InvalidRole"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := &ssm.SendCommandInput{
				DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{instanceID(1)},
				Parameters: map[string][]string{"commands": {"true"}},
			}
			test.change(in)
			_, err := c.SendCommand(t.Context(), in)
			wantCode(t, err, test.want)
		})
	}
}

func TestExpiresAfterBothTimeouts(t *testing.T) {
	t.Parallel()
	bubbletest.Test(t, func(t *testing.T) {
		s := newServer(t, awsloop.Options{Dir: t.TempDir()})
		c := client(t, s)
		i := addInstance(t, s, instanceID(1), answers("", 0))
		i.AgentOffline()
		out, err := c.SendCommand(t.Context(), &ssm.SendCommandInput{
			DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{i.ID()}, TimeoutSeconds: aws.Int32(600),
			Parameters: map[string][]string{"commands": {"true"}, "executionTimeout": {"3600"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		const wait = 4200 * time.Second
		if got := out.Command.ExpiresAfter.Sub(*out.Command.RequestedDateTime); got != wait {
			t.Errorf("expires %v after the request, want %v", got, wait)
		}
		time.Sleep(wait - time.Second)
		if got := *get(t, c, out.Command, i.ID()).StatusDetails; got != "Delayed" {
			t.Errorf("a second before: %s", got)
		}
		i.AgentOnline() // too late: the service delivers for 600 seconds
		synctest.Wait()
		if got := *get(t, c, out.Command, i.ID()).StatusDetails; got != "Delayed" {
			t.Errorf("the agent is back late: %s", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		got := get(t, c, out.Command, i.ID())
		if *got.StatusDetails != "DeliveryTimedOut" || got.Status != types.CommandInvocationStatusTimedOut || got.ResponseCode != -1 {
			t.Errorf("after expiry: %s, %s, %d", got.Status, *got.StatusDetails, got.ResponseCode)
		}
	})
}

func TestDescribeInstanceInformation(t *testing.T) {
	t.Parallel()
	s := newServer(t, awsloop.Options{})
	c := client(t, s)
	for n := range 23 {
		o := answers("", 0)
		o.Tags = map[string]string{"cron": "true", "n": fmt.Sprint(n)}
		i := addInstance(t, s, instanceID(n), o)
		switch n {
		case 3:
			i.AgentOffline()
		case 4:
			i.Stop()
		case 5:
			i.Terminate()
		}
	}
	var all []string
	pages := 0
	p := ssm.NewDescribeInstanceInformationPaginator(c, &ssm.DescribeInstanceInformationInput{})
	for p.HasMorePages() {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages++
		if len(out.InstanceInformationList) > 10 {
			t.Errorf("%d instances on a page, the default is 10", len(out.InstanceInformationList))
		}
		for _, i := range out.InstanceInformationList {
			all = append(all, *i.InstanceId)
		}
	}
	if pages != 3 || len(all) != 21 || slices.Contains(all, instanceID(4)) || slices.Contains(all, instanceID(5)) {
		t.Errorf("%d pages of %v", pages, all)
	}

	one := func(key string, values ...string) types.InstanceInformationStringFilter {
		return types.InstanceInformationStringFilter{Key: &key, Values: values}
	}
	old := types.InstanceInformationFilter{Key: types.InstanceInformationFilterKeyPingStatus, ValueSet: []string{"ConnectionLost"}}
	tests := map[string]struct {
		in   *ssm.DescribeInstanceInformationInput
		want []string
		code string
	}{
		"by tag":  {&ssm.DescribeInstanceInformationInput{Filters: []types.InstanceInformationStringFilter{one("tag:n", "7", "8")}}, []string{instanceID(7), instanceID(8)}, ""},
		"by ping": {&ssm.DescribeInstanceInformationInput{Filters: []types.InstanceInformationStringFilter{one("PingStatus", "ConnectionLost")}}, []string{instanceID(3)}, ""},
		"by the older filters": {&ssm.DescribeInstanceInformationInput{
			InstanceInformationFilterList: []types.InstanceInformationFilter{old},
		}, []string{instanceID(3)}, ""},
		"tag and ping": {&ssm.DescribeInstanceInformationInput{Filters: []types.InstanceInformationStringFilter{
			one("tag:n", "7"), one("PingStatus", "Online"),
		}}, nil, "ValidationException"},
		"both forms": {&ssm.DescribeInstanceInformationInput{
			Filters: []types.InstanceInformationStringFilter{one("tag:n", "7")}, InstanceInformationFilterList: []types.InstanceInformationFilter{old},
		}, nil, "ValidationException"},
		"unknown key": {&ssm.DescribeInstanceInformationInput{Filters: []types.InstanceInformationStringFilter{one("Colour", "red")}}, nil, "InvalidFilterKey"},
		"too many": {&ssm.DescribeInstanceInformationInput{Filters: []types.InstanceInformationStringFilter{
			one("InstanceIds", slices.Repeat([]string{"i-00000000"}, 101)...),
		}}, nil, "InvalidInstanceInformationFilterValue"},
		"page of 4":    {&ssm.DescribeInstanceInformationInput{MaxResults: aws.Int32(4)}, nil, "ValidationException"},
		"page of 51":   {&ssm.DescribeInstanceInformationInput{MaxResults: aws.Int32(51)}, nil, "ValidationException"},
		"broken token": {&ssm.DescribeInstanceInformationInput{NextToken: aws.String("x")}, nil, "InvalidNextToken"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := c.DescribeInstanceInformation(t.Context(), test.in)
			wantCode(t, err, test.code)
			if err != nil {
				return
			}
			var got []string
			for _, i := range out.InstanceInformationList {
				got = append(got, *i.InstanceId)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestPingGrowsStale(t *testing.T) {
	t.Parallel()
	bubbletest.Test(t, func(t *testing.T) {
		s := newServer(t, awsloop.Options{Dir: t.TempDir()})
		c := client(t, s)
		o := answers("", 0)
		o.Lost = 5 * time.Minute
		i := addInstance(t, s, "mi-00000000000000001", o)
		i.AgentOffline()
		for _, want := range []types.PingStatus{types.PingStatusOnline, types.PingStatusConnectionLost} {
			out, err := c.DescribeInstanceInformation(t.Context(), &ssm.DescribeInstanceInformationInput{})
			if err != nil {
				t.Fatal(err)
			}
			if got := out.InstanceInformationList[0]; got.PingStatus != want || got.ResourceType != types.ResourceTypeManagedInstance {
				t.Errorf("ping is %s of a %s, want %s", got.PingStatus, got.ResourceType, want)
			}
			status, err := c.GetConnectionStatus(t.Context(), &ssm.GetConnectionStatusInput{Target: aws.String(i.ID())})
			if err != nil || status.Status != types.ConnectionStatusNotConnected {
				t.Errorf("connection is %v, %v", status, err)
			}
			time.Sleep(5 * time.Minute)
		}
	})
}

func TestListCommands(t *testing.T) {
	t.Parallel()
	bubbletest.Test(t, func(t *testing.T) {
		s := newServer(t, awsloop.Options{Dir: t.TempDir()})
		c := client(t, s)
		addInstance(t, s, instanceID(1), answers("", 0))
		addInstance(t, s, instanceID(2), answers("", 3))
		begin := time.Now()
		for n := range 7 {
			_, err := c.SendCommand(t.Context(), &ssm.SendCommandInput{
				DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{instanceID(1 + n%2)},
				Comment: aws.String(fmt.Sprint(n)), Parameters: map[string][]string{"commands": {"true"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		at := func(d time.Duration) *string { return aws.String(begin.Add(d).UTC().Format(time.RFC3339)) }
		tests := map[string]struct {
			in   *ssm.ListCommandsInput
			want string
		}{
			"all":       {&ssm.ListCommandsInput{}, "6543210"},
			"in pages":  {&ssm.ListCommandsInput{MaxResults: aws.Int32(2)}, "6543210"},
			"after":     {&ssm.ListCommandsInput{Filters: []types.CommandFilter{{Key: types.CommandFilterKeyInvokedAfter, Value: at(4*time.Minute - time.Second)}}}, "654"},
			"before":    {&ssm.ListCommandsInput{Filters: []types.CommandFilter{{Key: types.CommandFilterKeyInvokedBefore, Value: at(2 * time.Minute)}}}, "10"},
			"failed":    {&ssm.ListCommandsInput{Filters: []types.CommandFilter{{Key: types.CommandFilterKeyStatus, Value: aws.String("Failed")}}}, "531"},
			"document":  {&ssm.ListCommandsInput{Filters: []types.CommandFilter{{Key: types.CommandFilterKeyDocumentName, Value: aws.String("Mine")}}}, ""},
			"instance":  {&ssm.ListCommandsInput{InstanceId: aws.String(instanceID(2))}, "531"},
			"no number": {&ssm.ListCommandsInput{CommandId: aws.String(strings.Repeat("0", 36))}, ""},
		}
		for name, test := range tests {
			var got string
			for p := ssm.NewListCommandsPaginator(c, test.in); p.HasMorePages(); {
				out, err := p.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range out.Commands {
					got += *c.Comment
				}
			}
			if got != test.want {
				t.Errorf("%s: %q, want %q", name, got, test.want)
			}
		}
		out, err := c.ListCommandInvocations(t.Context(), &ssm.ListCommandInvocationsInput{
			Details: true, MaxResults: aws.Int32(1),
			Filters: []types.CommandFilter{{Key: types.CommandFilterKeyStatus, Value: aws.String("Failed")}},
		})
		if err != nil || len(out.CommandInvocations) != 1 || out.NextToken == nil {
			t.Fatalf("invocations: %v, %v", out, err)
		}
		if v := out.CommandInvocations[0]; *v.Comment != "5" || v.CommandPlugins[0].ResponseCode != 3 {
			t.Errorf("invocation %+v", v)
		}
	})
}

func TestEvents(t *testing.T) {
	t.Parallel()
	bubbletest.Test(t, func(t *testing.T) {
		s := newServer(t, awsloop.Options{Dir: t.TempDir()})
		c := client(t, s)
		var events []string
		s.OnEvent(func(event []byte) { events = append(events, string(event)) })
		addInstance(t, s, instanceID(1), answers("", 0))
		command := send(t, c, instanceID(1), "date")
		synctest.Wait()
		if len(events) != 4 {
			t.Fatalf("%d events: %v", len(events), events)
		}
		for n, want := range []string{
			`"instance-id":"` + instanceID(1) + `"`, `"parameters":{"commands":["date"]}`,
			`"status":"Success"`, `"detail-type":"EC2 Command Status-change Notification"`,
		} {
			if !strings.Contains(events[n], want) || !strings.Contains(events[n], *command.CommandId) {
				t.Errorf("event %d lacks %s: %s", n, want, events[n])
			}
		}
	})
}
