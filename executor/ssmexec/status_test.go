package ssmexec

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/guard"
)

// what a claim, a command, EC2, an agent and the host itself say of the attempt,
// and what follows.
type row struct {
	name      string
	unclaimed bool
	by        string // who wrote the register
	details   string // of the command; empty for one that SSM doesn't show yet
	stderr    string
	state     string // of the instance
	ping      string // of the agent
	answer    string // of the host, when asked

	phase    guard.Phase
	end      guard.End
	hopeless string
	reason   string // words of it
	err      string
}

const byTheGuard = "guard token1"

var rows = []row{
	// The guard's trailer is the result, whatever SSM calls the end.
	{name: "exited", by: byTheGuard, details: "Success", stderr: trailer("exited"), phase: guard.PhaseEnded, end: guard.Exited},
	{name: "exited, though SSM was late", by: byTheGuard, details: "Delivery Timed Out", stderr: trailer("exited"), phase: guard.PhaseEnded, end: guard.Exited},
	{name: "timed out", by: byTheGuard, details: "Failed", stderr: trailer("timed_out"), phase: guard.PhaseEnded, end: guard.TimedOut},
	{name: "cancelled", by: byTheGuard, details: "Failed", stderr: trailer("cancelled"), phase: guard.PhaseEnded, end: guard.Cancelled},
	{name: "refused by the guard", details: "Failed", stderr: trailer("refused"), phase: guard.PhaseAbsent, hopeless: "the guard refused"},
	{name: "unclaimed, refused", unclaimed: true, details: "Failed", stderr: trailer("refused"), phase: guard.PhaseEnded, end: guard.Refused},
	{name: "refused for the job's lock", by: byTheGuard, details: "Failed", stderr: strings.Replace(trailer("refused"), ".", "busy 1\n.", 1), phase: guard.PhaseEnded, end: guard.Refused},
	{name: "refused after the claim", by: byTheGuard, details: "Failed", stderr: trailer("refused"), ping: "Online", answer: "phase ended\nend refused\ncode 0\n.\ndata 0 0\n", phase: guard.PhaseEnded, end: guard.Refused},
	{name: "refused, but another delivery runs", by: byTheGuard, details: "Failed", stderr: trailer("refused"), ping: "Online", answer: "phase running\n", phase: guard.PhaseRunning},
	{name: "unclaimed, exited", unclaimed: true, details: "Success", stderr: trailer("exited"), phase: guard.PhaseEnded, end: guard.Exited},
	{name: "a torn trailer is none", by: byTheGuard, details: "Failed", stderr: "end exited\ncode 0\n", ping: "Online", answer: "phase running\n", phase: guard.PhaseRunning},

	// Taken back.
	{name: "taken back", by: "scheduler", phase: guard.PhaseEnded, end: guard.Refused, reason: "taken back before the host claimed it"},
	{name: "taken back, then cancelled", by: "scheduler", details: "Cancelled", phase: guard.PhaseEnded, end: guard.Refused, reason: "taken back"},

	// What SSM knows never to have reached its host is proof where there is no
	// claim. Where there is one, another command may have brought the order.
	{name: "unclaimed, undeliverable", unclaimed: true, details: "Undeliverable", phase: guard.PhaseEnded, end: guard.Refused, reason: "Undeliverable"},
	{name: "unclaimed, terminated", unclaimed: true, details: "Terminated", phase: guard.PhaseEnded, end: guard.Refused},
	{name: "unclaimed, invalid platform", unclaimed: true, details: "Invalid Platform", phase: guard.PhaseEnded, end: guard.Refused},
	{name: "unclaimed, access denied", unclaimed: true, details: "accessdenied", phase: guard.PhaseEnded, end: guard.Refused},
	{name: "undeliverable", details: "Undeliverable", phase: guard.PhaseAbsent, hopeless: "Undeliverable"},
	{name: "access denied", details: "AccessDenied", phase: guard.PhaseAbsent, hopeless: "AccessDenied"},
	{name: "undeliverable, and yet claimed", by: byTheGuard, details: "Undeliverable", ping: "Online", answer: "phase running\n", phase: guard.PhaseRunning},

	// Over without a trailer, and nobody claimed: taking it back makes the proof.
	{name: "failed before the claim", details: "Failed", phase: guard.PhaseAbsent, hopeless: "Failed"},
	{name: "fault 58: not delivered in time", details: "DeliveryTimedOut", phase: guard.PhaseAbsent, hopeless: "DeliveryTimedOut"},
	{name: "execution timed out before the claim", details: "ExecutionTimedOut", phase: guard.PhaseAbsent, hopeless: "ExecutionTimedOut"},
	{name: "cancelled by others", details: "Cancelled", phase: guard.PhaseAbsent, hopeless: "Cancelled"},
	{name: "success without a word", details: "Success", phase: guard.PhaseAbsent, hopeless: "Success"},
	{name: "a duplicate: another delivery is at it", details: "Failed", stderr: duplicate, phase: guard.PhaseAbsent},
	{name: "a duplicate, and the instance is gone", details: "Failed", stderr: duplicate, state: "terminated", phase: guard.PhaseAbsent, hopeless: "terminated"},
	{name: "a status to come", details: "Some New Ending", phase: guard.PhaseAbsent, hopeless: "Some New Ending"},

	// Over without a trailer, and claimed: the host knows.
	{name: "fault 58: the host says it runs", by: byTheGuard, details: "DeliveryTimedOut", ping: "Online", answer: "phase running\n", phase: guard.PhaseRunning},
	{name: "the host says it ended", by: byTheGuard, details: "Failed", ping: "Online", answer: "phase ended\nend exited\ncode 0\n.\noutput 0\ndata 0 0\n", phase: guard.PhaseEnded, end: guard.Exited},
	{name: "the host says it is gone", by: byTheGuard, details: "Failed", ping: "Online", answer: "phase ended\nend gone\ncode 0\nreason the host was restarted during the run\n.\ndata 0 0\n", phase: guard.PhaseEnded, end: guard.Gone, reason: "restarted"},
	{name: "the host says it never started", by: byTheGuard, details: "Failed", ping: "Online", answer: "phase ended\nend refused\ncode 0\nreason no go\n.\ndata 0 0\n", phase: guard.PhaseEnded, end: guard.Refused},
	{name: "the host knows nothing of it", by: byTheGuard, details: "Failed", ping: "Online", answer: "phase absent\n", phase: guard.PhaseEnded, end: guard.Gone, reason: "no run directory"},
	{name: "the host can't tell", by: byTheGuard, details: "Failed", ping: "Online", answer: "error no run directories at /mnt/runs\n", err: "no run directories"},
	{name: "the host doesn't answer", by: byTheGuard, details: "Failed", ping: "Online", err: "without an answer"},
	{name: "a duplicate after the claim", by: byTheGuard, details: "Failed", stderr: duplicate, ping: "Online", answer: "phase running\n", phase: guard.PhaseRunning},
	{name: "fault 58: the agent is out of reach", by: byTheGuard, details: "DeliveryTimedOut", ping: "ConnectionLost", phase: guard.PhaseEnded, end: guard.Gone, reason: "agent is not online"},
	{name: "the agent is not listed", by: byTheGuard, details: "Failed", phase: guard.PhaseEnded, end: guard.Gone, reason: "agent is not online"},
	{name: "the instance is no more, its agent seems online", by: byTheGuard, details: "Failed", ping: "Online", state: "terminated", phase: guard.PhaseEnded, end: guard.Gone, reason: "terminated"},
	{name: "unclaimed, over, and runs", unclaimed: true, details: "Cancelled", ping: "Online", answer: "phase running\n", phase: guard.PhaseRunning},
	{name: "unclaimed, over, and never came", unclaimed: true, details: "DeliveryTimedOut", ping: "Online", answer: "phase absent\n", phase: guard.PhaseEnded, end: guard.Gone},
	{name: "unclaimed, over, out of reach", unclaimed: true, details: "DeliveryTimedOut", phase: guard.PhaseEnded, end: guard.Gone},

	// Not over, or not to be seen.
	{name: "just sent", phase: guard.PhaseAbsent},
	{name: "pending", details: "Pending", state: "running", phase: guard.PhaseAbsent},
	{name: "delayed", details: "Delayed", phase: guard.PhaseAbsent},
	{name: "in progress without a claim", details: "InProgress", phase: guard.PhaseAbsent},
	{name: "pending, and the instance stops", details: "Pending", state: "stopping", phase: guard.PhaseAbsent, hopeless: "the instance is stopping"},
	{name: "pending, and the instance is stopped", details: "Pending", state: "stopped", phase: guard.PhaseAbsent, hopeless: "stopped"},
	{name: "in progress, and the instance goes", details: "InProgress", state: "shutting-down", phase: guard.PhaseAbsent, hopeless: "shutting-down"},
	{name: "never seen, and the instance is gone", state: "terminated", phase: guard.PhaseAbsent, hopeless: "terminated"},
	{name: "claimed", by: byTheGuard, details: "In Progress", state: "running", phase: guard.PhaseRunning},
	{name: "claimed, and not shown by SSM", by: byTheGuard, phase: guard.PhaseRunning},
	{name: "claimed, being cancelled", by: byTheGuard, details: "Cancelling", phase: guard.PhaseRunning},
	{name: "claimed, and the instance stops", by: byTheGuard, details: "InProgress", state: "stopping", phase: guard.PhaseRunning},
	{name: "claimed, and the instance is stopped", by: byTheGuard, details: "InProgress", state: "stopped", phase: guard.PhaseEnded, end: guard.Gone, reason: "the instance is stopped"},
	{name: "claimed, and the instance goes", by: byTheGuard, details: "InProgress", state: "shutting-down", phase: guard.PhaseEnded, end: guard.Gone},
	{name: "claimed, and the instance is no more", by: byTheGuard, details: "InProgress", state: "terminated", phase: guard.PhaseEnded, end: guard.Gone, reason: "not known"},
	{name: "unclaimed, pending", unclaimed: true, details: "Pending", phase: guard.PhaseAbsent},
	{name: "unclaimed, in progress", unclaimed: true, details: "InProgress", phase: guard.PhaseRunning},
	{name: "unclaimed, and the instance is no more", unclaimed: true, details: "Pending", state: "terminated", phase: guard.PhaseEnded, end: guard.Gone},
}

func TestStatus(t *testing.T) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				s := newScript()
				s.commands = []*sentCommand{{id: "c1", comment: attempt.Dir(), details: r.details, stderr: r.stderr, stdout: "out\n"}}
				s.answers[guard.VerbStatus] = r.answer
				s.claim(r.by)
				if r.ping != "" {
					s.pings[host.ID] = r.ping
				}
				if r.state != "" {
					s.states[host.ID] = r.state
				}
				a := attempt
				a.Unclaimed = r.unclaimed
				got, err := s.open().Status(t.Context(), host, a)
				judge(t, r, got, err)
				if s.bodies["SendCommand"] != "" && r.answer == "" && r.err == "" {
					t.Error("the host was asked")
				}
			})
		})
	}
}

func judge(t *testing.T, r row, got guard.Status, err error) {
	t.Helper()
	if r.err != "" {
		if err == nil || !strings.Contains(err.Error(), r.err) {
			t.Errorf("error %v, want %q", err, r.err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got.Phase != r.phase || got.Result.End != r.end || (got.Hopeless == "") != (r.hopeless == "") {
		t.Errorf("%+v", got)
	}
	contains(t, got.Hopeless, r.hopeless)
	contains(t, got.Result.Reason, r.reason)
	if r.end == guard.Exited && r.answer == "" && (got.Result.Code != 3 || string(got.Result.Output.Head) != "out\n") {
		t.Errorf("%+v", got.Result)
	}
}

func TestStatusTrustsNoSilence(t *testing.T) {
	for op, say := range map[string]func() (*http.Response, error){
		"GetItem":              func() (*http.Response, error) { return failure(500, "InternalServerError"), nil },
		"GetCommandInvocation": func() (*http.Response, error) { return failure(400, "ThrottlingException"), nil },
		"ListCommands":         func() (*http.Response, error) { return nil, errors.New("connection reset") },
	} {
		t.Run(op, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				s := newScript()
				s.fail[op] = say
				s.commands = []*sentCommand{{id: "c1", comment: attempt.Dir(), details: "InProgress"}}
				if got, err := s.open().Status(t.Context(), host, attempt); err == nil {
					t.Errorf("%+v", got)
				}
			})
		})
	}
	t.Run("EC2", func(t *testing.T) { // it only adds to what the others say
		bubbletest.Test(t, func(t *testing.T) {
			s := newScript()
			s.fail["DescribeInstances"] = func() (*http.Response, error) { return reply(403, "<Response/>"), nil }
			s.claim(byTheGuard)
			if got, err := s.open().Status(t.Context(), host, attempt); err != nil || got.Phase != guard.PhaseRunning {
				t.Errorf("%+v, %v", got, err)
			}
		})
	})
}

// A host that says "duplicate" to the newest command has an older one.
func TestStatusOfSeveralCommands(t *testing.T) {
	for _, older := range []row{
		{name: "ended", details: "Success", stderr: trailer("exited"), phase: guard.PhaseEnded, end: guard.Exited},
		{name: "runs", details: "InProgress", phase: guard.PhaseRunning},
		{name: "is not to be seen", phase: guard.PhaseRunning},
	} {
		t.Run(older.name, func(t *testing.T) {
			s := newScript()
			s.claim(byTheGuard)
			s.items["CLAIM#"+attempt.Dir()]["command"] = map[string]string{"S": "c2"}
			s.commands = []*sentCommand{
				{id: "c1", comment: attempt.Dir(), details: older.details, stderr: older.stderr, stdout: "out\n"},
				{id: "c2", comment: attempt.Dir(), details: "Failed", stderr: duplicate},
				{id: "c3", comment: "status " + attempt.Dir(), details: "Success", stderr: trailer("refused")},
			}
			got, err := s.open().Status(t.Context(), host, attempt)
			judge(t, older, got, err)
		})
	}
}

func TestStatusOfANodeOutsideOfEC2(t *testing.T) {
	s := newScript()
	s.claim(byTheGuard)
	node := host
	node.ID = "mi-0123456789abcdef0"
	if got, err := s.open().Status(t.Context(), node, attempt); err != nil || got.Phase != guard.PhaseRunning {
		t.Errorf("%+v, %v", got, err)
	}
	if s.count("DescribeInstances") > 0 {
		t.Error("EC2 was asked")
	}
}
