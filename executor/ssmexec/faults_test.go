package ssmexec_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/executor/ssmexec"
	"github.com/solocron/solocron/guard"
)

// witness is where commands say that they ran.
type witness string

func newWitness(t *testing.T) witness { return witness(filepath.Join(t.TempDir(), "witness")) }

// told makes a command that first says which attempt it is.
func (w witness) told(command string) string {
	return fmt.Sprintf("echo $SOLOCRON_ATTEMPT >>%s\n%s", w, command)
}

func (w witness) saw() []string {
	words, _ := os.ReadFile(string(w))
	return strings.Fields(string(words))
}

var always = awsloop.Knob{P: 1}

func after(d time.Duration) awsloop.Knob { return awsloop.Knob{P: 1, For: d} }

func calls(name string, k awsloop.Knob) map[string]awsloop.Knob {
	return map[string]awsloop.Knob{name: k}
}

// Whatever happens on the way, the command runs once, and its result arrives.
func TestRunsOnce(t *testing.T) {
	t.Parallel()
	often := awsloop.Knob{P: 0.5}
	for name, knobs := range map[string]awsloop.Knobs{
		"nothing":                                {},
		"the answer to the order lost":           {Lost: calls("ssm.SendCommand", always)},
		"fault 54: two commands of one order":    {SSM: awsloop.AgentKnobs{Twice: always}},
		"fault 55: two deliveries at once":       {SSM: awsloop.AgentKnobs{Duplicate: always}},
		"fault 55: a delivery after the end":     {SSM: awsloop.AgentKnobs{Redeliver: after(300 * time.Millisecond)}},
		"fault 59: a command not to be seen yet": {SSM: awsloop.AgentKnobs{Unseen: after(time.Second)}},
		"late":                                   {SSM: awsloop.AgentKnobs{Delay: after(time.Second)}},
		"an agent that comes back":               {SSM: awsloop.AgentKnobs{Offline: after(time.Second)}},
		"answers of the ledger lost":             {Lost: calls("dynamodb.UpdateItem", often)},
		"a command not recorded":                 {Throttle: calls("dynamodb.TransactWriteItems", always)},
		"too many requests":                      {Throttle: calls("ssm.*", awsloop.Knob{P: 0.3})},
		"answers of everybody lost":              {Lost: calls("*", awsloop.Knob{P: 0.2})},
		"lost, and two, and not listed":          {Lost: calls("ssm.SendCommand", always), Throttle: calls("ssm.ListCommands", often), SSM: awsloop.AgentKnobs{Twice: always}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, w := newLoop(t), newWitness(t)
			x := ssmexec.New(l.opts)
			l.SetKnobs(knobs)
			o := order(l, 1, w.told("echo out; exit 3"))
			if err := x.Start(t.Context(), l.host, o, grant); err != nil {
				if n := executor.Proven(err); n != nil {
					t.Fatalf("%v", n) // SSM took none of a dozen requests
				}
				t.Log(err)
			}
			res := wait(t, x, l, o)
			if res.End != guard.Exited || res.Code != 3 || string(res.Output.Head) != "out\n" {
				t.Errorf("%+v", res)
			}
			if got := w.saw(); !slices.Equal(got, []string{"1"}) {
				t.Errorf("attempts %v ran", got)
			}
		})
	}
}

// Attempts are taken back while their orders arrive: each either ran, or is
// proven not to.
func TestTakeBackRacesWithTheClaim(t *testing.T) {
	t.Parallel()
	l, w := newLoop(t), newWitness(t)
	x := ssmexec.New(l.opts)
	const attempts = 20
	refused := make([]bool, attempts+1)
	var all sync.WaitGroup
	for n := 1; n <= attempts; n++ {
		all.Go(func() {
			o := order(l, n, w.told("true"))
			if err := x.Start(t.Context(), l.host, o, grant); err != nil {
				t.Error(err)
				return
			}
			<-time.After(rand.N(time.Second))
			if _, err := x.TakeBack(t.Context(), l.host, o.Attempt, "a race"); err != nil {
				t.Error(err)
			}
			res, err := x.Wait(t.Context(), l.host, o.Attempt)
			if err != nil || res.End != guard.Exited && res.End != guard.Refused {
				t.Errorf("%+v, %v", res, err)
			}
			refused[n] = res.End == guard.Refused
		})
	}
	all.Wait()
	saw := w.saw()
	for n := 1; n <= attempts; n++ {
		ran := slices.Contains(saw, fmt.Sprint(n))
		if ran == refused[n] {
			t.Errorf("attempt %d: ran %t, refused %t", n, ran, refused[n])
		}
	}
	slices.Sort(saw)
	if len(slices.Compact(saw)) != len(w.saw()) {
		t.Errorf("attempts %v ran", w.saw())
	}
}

func TestTerminatedInstance(t *testing.T) {
	t.Parallel()
	l, w := newLoop(t), newWitness(t)
	x := ssmexec.New(l.opts)
	terminate := func() {
		l.agent.Terminate()
		if _, err := l.opts.EC2.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{l.host.ID}}); err != nil {
			t.Fatal(err)
		}
	}
	running := order(l, 1, w.told("sleep 300"))
	if err := x.Start(t.Context(), l.host, running, grant); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(w.saw()) == 1 })
	l.agent.AgentOffline()
	waiting := order(l, 2, w.told("true"))
	if err := x.Start(t.Context(), l.host, waiting, grant); err != nil {
		t.Fatal(err)
	}
	terminate()
	if res := wait(t, x, l, running); res.End != guard.Gone || !strings.Contains(res.Reason, "terminated") {
		t.Errorf("%+v", res)
	}
	if res := wait(t, x, l, waiting); res.End != guard.Refused || !strings.Contains(res.Reason, "the instance is") {
		t.Errorf("%+v", res)
	}
	err := x.Start(t.Context(), l.host, order(l, 3, "true"), grant)
	if n := executor.Proven(err); n == nil || !strings.Contains(n.Reason(), "InvalidInstanceId") {
		t.Errorf("%v", err)
	}
	if got := w.saw(); !slices.Equal(got, []string{"1"}) {
		t.Errorf("attempts %v ran", got)
	}
}

// The host goes down while the command runs, and comes back, and its agent runs
// the document again.
func TestFault56Reboot(t *testing.T) {
	t.Parallel()
	l, w := newLoop(t), newWitness(t)
	x := ssmexec.New(l.opts)
	l.SetKnobs(awsloop.Knobs{SSM: awsloop.AgentKnobs{Reboot: after(time.Second), Redeliver: always}})
	o := order(l, 1, w.told("sleep 300"))
	if err := x.Start(t.Context(), l.host, o, grant); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(w.saw()) == 1 })
	l.SetKnobs(awsloop.Knobs{})
	if res := wait(t, x, l, o); res.End != guard.Gone {
		t.Errorf("%+v", res)
	}
	if got := w.saw(); !slices.Equal(got, []string{"1"}) {
		t.Errorf("attempts %v ran", got)
	}
}

func TestAWSOwnDocument(t *testing.T) {
	t.Parallel()
	l, w := newLoop(t), newWitness(t)
	l.opts.Document = ssmexec.RunShellScript
	x := ssmexec.New(l.opts)
	o := order(l, 1, w.told("echo 'it'\"'\"'s {{ order }}'; exec sleep 300"))
	if err := x.Start(t.Context(), l.host, o, grant); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		page, err := x.Output(t.Context(), l.host, o.Attempt, 0, 100)
		return err == nil && string(page) == "it's {{ order }}\n"
	})
	if err := x.Stop(t.Context(), l.host, o.Attempt, false); err != nil {
		t.Error(err)
	}
	if res := wait(t, x, l, o); res.End != guard.Cancelled {
		t.Errorf("%+v", res)
	}
}

// One attempt that goes well costs a SendCommand and a write; the claim is the
// host's.
func TestCalls(t *testing.T) {
	t.Parallel()
	l, w := newLoop(t), newWitness(t)
	x := ssmexec.New(l.opts)
	l.ResetCalls()
	o := order(l, 1, w.told("true"))
	if err := x.Start(t.Context(), l.host, o, grant); err != nil {
		t.Fatal(err)
	}
	wait(t, x, l, o)
	got := l.Calls()
	if got["ssm.SendCommand"] != 1 || got["dynamodb.TransactWriteItems"] != 1 || got["dynamodb.UpdateItem"] != 1 || got["ssm.ListCommands"] != 0 {
		t.Errorf("%v", got)
	}
	if _, err := x.Status(t.Context(), l.host, o.Attempt); err != nil {
		t.Fatal(err)
	}
	if later := l.Calls(); later["dynamodb.GetItem"] != got["dynamodb.GetItem"]+1 || later["ssm.GetCommandInvocation"] != got["ssm.GetCommandInvocation"]+1 {
		t.Errorf("%v, then %v", got, later)
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for tick := time.Tick(50 * time.Millisecond); !ok(); <-tick {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// A guard that can't make the run directory leaves nothing behind by which a
// further delivery would know of its refusal. Only the register can keep it.
func TestRefusedWithoutARunDirectory(t *testing.T) {
	t.Parallel()
	l, w := newLoop(t), newWitness(t)
	x := ssmexec.New(l.opts)
	if err := os.WriteFile(l.host.RunDir, nil, 0o600); err != nil { // where a directory should be
		t.Fatal(err)
	}
	l.SetKnobs(awsloop.Knobs{SSM: awsloop.AgentKnobs{Redeliver: after(4 * time.Second)}})
	o := order(l, 1, w.told("true"))
	if err := x.Start(t.Context(), l.host, o, grant); err != nil {
		t.Fatal(err)
	}
	if res := wait(t, x, l, o); res.End != guard.Refused || !strings.Contains(res.Reason, l.host.RunDir) {
		t.Errorf("%+v", res)
	}
	if err := os.Remove(l.host.RunDir); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		result, _ := os.ReadFile(filepath.Join(guard.RunDir(l.host.RunDir, o.Attempt), "result"))
		return strings.Contains(string(result), "end ")
	})
	if got := w.saw(); len(got) > 0 {
		t.Errorf("attempts %v ran after they were refused", got)
	}
}
