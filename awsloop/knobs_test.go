package awsloop_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/bubbletest"
)

// Each knob of the agent alone, over one command that takes a minute.
func TestAgentKnobs(t *testing.T) {
	t.Parallel()
	const long = time.Hour
	always := awsloop.Knob{P: 1}
	later := awsloop.Knob{P: 1, For: 10 * time.Minute}
	tests := map[string]struct {
		knobs    awsloop.AgentKnobs
		atOnce   string // the standing after half a minute
		runs     int32  // by then
		atTwo    string // after two minutes
		inTheEnd string // after three hours
		allRuns  int32
		commands int
	}{
		"none":               {awsloop.AgentKnobs{}, "InProgress", 1, "Success", "Success", 1, 1},
		"unseen":             {awsloop.AgentKnobs{Unseen: awsloop.Knob{P: 1, For: time.Minute}}, "InvocationDoesNotExist", 1, "Success", "Success", 1, 1},
		"twice":              {awsloop.AgentKnobs{Twice: always}, "InProgress", 2, "Success", "Success", 2, 2},
		"duplicate":          {awsloop.AgentKnobs{Duplicate: always}, "InProgress", 2, "Success", "Success", 2, 1},
		"delay":              {awsloop.AgentKnobs{Delay: later}, "Pending", 0, "Pending", "Success", 1, 1},
		"drop":               {awsloop.AgentKnobs{Drop: always}, "InProgress", 0, "InProgress", "DeliveryTimedOut", 0, 1},
		"offline":            {awsloop.AgentKnobs{Offline: later}, "Delayed", 0, "Delayed", "Success", 1, 1},
		"offline for good":   {awsloop.AgentKnobs{Offline: always}, "Delayed", 0, "Delayed", "DeliveryTimedOut", 0, 1},
		"kill":               {awsloop.AgentKnobs{Kill: later}, "InProgress", 1, "InProgress", "DeliveryTimedOut", 1, 1},
		"reboot":             {awsloop.AgentKnobs{Reboot: awsloop.Knob{P: 1, For: time.Second}}, "Failed", 1, "Failed", "Failed", 1, 1},
		"redeliver":          {awsloop.AgentKnobs{Redeliver: later}, "InProgress", 1, "Success", "Success", 2, 1},
		"reboot, run again":  {awsloop.AgentKnobs{Reboot: awsloop.Knob{P: 1, For: time.Second}, Redeliver: always}, "InProgress", 2, "Success", "Success", 2, 1},
		"duplicate and kill": {awsloop.AgentKnobs{Duplicate: always, Kill: later}, "InProgress", 1, "InProgress", "Success", 2, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubbletest.Test(t, func(t *testing.T) {
				s := newServer(t, awsloop.Options{Dir: t.TempDir()})
				c := client(t, s)
				var runs atomic.Int32
				i := addInstance(t, s, instanceID(1), awsloop.InstanceOptions{Online: true,
					Run: func(ctx context.Context, _, _ string, _ map[string][]string) (string, string, int) {
						runs.Add(1)
						select {
						case <-time.After(time.Minute):
						case <-ctx.Done():
						}
						return "", "", 0
					}})
				s.SetKnobs(awsloop.Knobs{SSM: test.knobs})
				command := send(t, c, i.ID(), "true")
				standing := func(after time.Duration) string {
					time.Sleep(after)
					synctest.Wait()
					out, err := c.GetCommandInvocation(t.Context(), &ssm.GetCommandInvocationInput{
						CommandId: command.CommandId, InstanceId: aws.String(i.ID()),
					})
					if unseen := new(types.InvocationDoesNotExist); errors.As(err, &unseen) {
						return unseen.ErrorCode()
					} else if err != nil {
						t.Fatal(err)
					}
					return *out.StatusDetails
				}
				if got := standing(30 * time.Second); got != test.atOnce || runs.Load() != test.runs {
					t.Errorf("after half a minute %s and %d runs, want %s and %d", got, runs.Load(), test.atOnce, test.runs)
				}
				if got := standing(90 * time.Second); got != test.atTwo {
					t.Errorf("after two minutes %s, want %s", got, test.atTwo)
				}
				if got := standing(3 * long); got != test.inTheEnd || runs.Load() != test.allRuns {
					t.Errorf("in the end %s and %d runs, want %s and %d", got, runs.Load(), test.inTheEnd, test.allRuns)
				}
				listed, err := c.ListCommands(t.Context(), &ssm.ListCommandsInput{})
				if err != nil || len(listed.Commands) != test.commands {
					t.Errorf("%d commands, want %d (%v)", len(listed.Commands), test.commands, err)
				}
			})
		})
	}
}

// The knobs of the front, alone.
func TestFrontKnobs(t *testing.T) {
	t.Parallel()
	bubbletest.Test(t, func(t *testing.T) {
		s := newServer(t, awsloop.Options{Dir: t.TempDir()})
		c := client(t, s)
		addInstance(t, s, instanceID(1), answers("", 0))
		always := awsloop.Knob{P: 1, For: time.Minute}
		in := &ssm.SendCommandInput{
			DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{instanceID(1)},
			Parameters: map[string][]string{"commands": {"true"}},
		}

		s.SetKnobs(awsloop.Knobs{Throttle: map[string]awsloop.Knob{"ssm.SendCommand": always}})
		_, err := c.SendCommand(t.Context(), in)
		wantCode(t, err, "ThrottlingException")
		if _, err := c.ListCommands(t.Context(), &ssm.ListCommandsInput{}); err != nil {
			t.Errorf("another operation: %v", err)
		}

		s.SetKnobs(awsloop.Knobs{Lost: map[string]awsloop.Knob{"*": always, "ssm.ListCommands": {}}})
		if _, err := c.SendCommand(t.Context(), in); err == nil {
			t.Error("the answer wasn't lost")
		}
		listed, err := c.ListCommands(t.Context(), &ssm.ListCommandsInput{})
		if err != nil || len(listed.Commands) != 1 {
			t.Errorf("the lost call made %d commands, want 1 (%v)", len(listed.Commands), err)
		}

		s.SetKnobs(awsloop.Knobs{Delay: map[string]awsloop.Knob{"ssm.*": always}})
		begin := time.Now()
		if _, err := c.ListCommands(t.Context(), &ssm.ListCommandsInput{}); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("took %v, want a minute (%v)", time.Since(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.ListCommands(ctx, &ssm.ListCommandsInput{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up: %v", err)
		}
		if n := s.Calls()["ssm.SendCommand"]; n != 2 {
			t.Errorf("%d calls of SendCommand, want 2", n)
		}
	})
}

// The same seed draws the same.
func TestSeed(t *testing.T) {
	t.Parallel()
	draw := func() (drawn string) {
		bubbletest.Test(t, func(t *testing.T) {
			s := newServer(t, awsloop.Options{Seed: 7, Dir: t.TempDir()})
			c := client(t, s)
			addInstance(t, s, instanceID(1), answers("", 0))
			s.SetKnobs(awsloop.Knobs{SSM: awsloop.AgentKnobs{Drop: awsloop.Knob{P: 0.5}}})
			for range 20 {
				command := send(t, c, instanceID(1), "true")
				synctest.Wait()
				drawn += *command.CommandId + string(get(t, c, command, instanceID(1)).Status)
			}
		})
		return drawn
	}
	if a, b := draw(), draw(); a != b {
		t.Errorf("%s\n%s", a, b)
	}
}

// All knobs at once: each command ends nevertheless, at its expiry at the
// latest, and Close leaves nothing behind.
func TestAllKnobs(t *testing.T) {
	t.Parallel()
	bubbletest.Test(t, func(t *testing.T) {
		s := newServer(t, awsloop.Options{Seed: 3, Dir: t.TempDir()})
		c := client(t, s)
		some := awsloop.Knob{P: 0.2, For: 10 * time.Minute}
		s.SetKnobs(awsloop.Knobs{
			Throttle: map[string]awsloop.Knob{"ssm.SendCommand": some}, Lost: map[string]awsloop.Knob{"ssm.SendCommand": some},
			Delay: map[string]awsloop.Knob{"ssm.SendCommand": {P: 0.2, For: time.Second}},
			SSM: awsloop.AgentKnobs{
				Unseen: some, Twice: some, Duplicate: some, Delay: some, Drop: some, Offline: some, Kill: some, Reboot: some, Redeliver: some,
			},
		})
		for n := range 3 {
			addInstance(t, s, instanceID(n), awsloop.InstanceOptions{Online: true, Boot: time.Minute,
				Run: func(ctx context.Context, _, _ string, _ map[string][]string) (string, string, int) {
					select {
					case <-time.After(5 * time.Minute):
					case <-ctx.Done():
					}
					return "", "", n
				}})
		}
		for n := range 300 {
			out, err := c.SendCommand(t.Context(), &ssm.SendCommandInput{
				DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: []string{instanceID(n % 3)},
				Parameters: map[string][]string{"commands": {"true"}},
			})
			if err == nil && n%7 == 0 {
				if _, err := c.CancelCommand(t.Context(), &ssm.CancelCommandInput{CommandId: out.Command.CommandId}); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		count := map[types.CommandStatus]int{}
		for p := ssm.NewListCommandsPaginator(c, &ssm.ListCommandsInput{}); p.HasMorePages(); {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, command := range out.Commands {
				count[command.Status]++
			}
		}
		for _, status := range []types.CommandStatus{"Success", "Failed", "Cancelled", "TimedOut"} {
			if count[status] == 0 {
				t.Errorf("no command is %s: %v", status, count)
			}
			delete(count, status)
		}
		if len(count) > 0 {
			t.Errorf("these never end: %v", count)
		}
	})
}
