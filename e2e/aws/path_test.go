package aws_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/run"
)

// Of three tagged instances one is stopped and one has its agent offline; a due
// time is delivered five times at once; the command fails.
func TestWholePath(t *testing.T) {
	a := newAccount(t, nil)
	live, stopped, silent := a.host(cron), a.host(cron), a.host(cron)
	stopped.Stop()
	if _, err := ec2.NewFromConfig(a.cfg).StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{stopped.ID()}}); err != nil {
		t.Fatal(err)
	}
	silent.AgentOffline()
	a.jobs(`
jobs:
  aggregate:
    schedule: "* * * * *"
    hosts: {cron: "true"}
    command: |
      echo $SOLOCRON_RUN_ID >>WITNESS
      echo working
      echo 'no such table: sales' >&2
      exit 3
`)
	at := time.Now().UTC().Truncate(time.Minute)
	id := run.ID("aggregate", at)
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { a.invoke(due("aggregate", at)) })
	}
	all.Wait()
	r := a.until(id, is(run.Failed))
	if saw := a.saw(); len(saw) != 1 || saw[0] != id {
		t.Errorf("the command ran for %v", saw)
	}
	if r.Host() != live.ID() || len(r.Attempts) != 1 || r.ExitCode == nil || *r.ExitCode != 3 {
		t.Errorf("%+v", r)
	}
	message := a.heard(1)[0]
	for _, part := range []string{"aggregate", "no such table: sales", live.ID(), "exit code 3", id} {
		if !strings.Contains(message, part) {
			t.Errorf("no %q in the message:\n%s", part, message)
		}
	}
	t.Log(message)
	if n := a.loop.Calls()["ssm.SendCommand"]; n != 1 {
		t.Errorf("SendCommand was called %d times", n)
	}
	details, err := a.ledger.Details(t.Context(), id)
	if err != nil || len(details) != 1 {
		t.Fatalf("%v, %v", details, err)
	}
	for _, c := range details[0].Pick.Candidates {
		t.Logf("%s: %s", c.Host, c.Reason)
	}
}

var cron = map[string]string{"cron": "true"}

// An instance that is terminated while the command runs leaves the run lost; if
// the job is idempotent, it runs again elsewhere.
func TestFault65TerminatedInMidRun(t *testing.T) {
	for name, idempotent := range map[string]string{"lost": "false", "again": "true"} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t, nil)
			a.host(cron)
			a.host(cron)
			a.jobs(`
jobs:
  long:
    schedule: "* * * * *"
    hosts: {cron: "true"}
    idempotent: ` + idempotent + `
    command: echo $SOLOCRON_RUN_ID >>WITNESS; if [ "$SOLOCRON_ATTEMPT" = 1 ]; then sleep 100; fi
`)
			at := time.Now().UTC().Truncate(time.Minute)
			id := run.ID("long", at)
			a.invoke(due("long", at))
			a.eventually(func() bool { return len(a.saw()) == 1 }, func() string { return "the command starts" })
			began := a.run(id)
			first := began.Host()
			a.terminate(a.hosts[first])
			a.sweep()
			a.sweep()
			if message := a.heard(1)[0]; !strings.Contains(message, "lost") || !strings.Contains(message, first) {
				t.Errorf("the message: %s", message)
			}
			if idempotent == "false" {
				if r := a.run(id); r.State != run.Lost || !strings.Contains(r.Reason, "terminated") || len(a.saw()) != 1 {
					t.Errorf("%+v", r)
				}
				return
			}
			r := a.until(id, is(run.Succeeded))
			if r.Host() == first || r.Attempts[0].State != run.AttemptLost || len(a.saw()) != 2 {
				t.Errorf("%+v", r)
			}
			// A list of the fleet that is some seconds old may still name the dead
			// host; an order to it is refused.
			for _, between := range r.Attempts[1 : len(r.Attempts)-1] {
				if between.State != run.AttemptNotStarted || between.Host != first {
					t.Errorf("%+v", between)
				}
			}
		})
	}
}

// The function dies when Systems Manager has the order and before it knows that,
// and Lambda tries the event again: no second order leaves, to no host.
func TestFault53FunctionDiesAfterItsOrder(t *testing.T) {
	a := newAccount(t, nil)
	a.host(cron)
	a.host(cron)
	a.jobs(`
jobs:
  once:
    schedule: "* * * * *"
    hosts: {cron: "true"}
    command: echo $SOLOCRON_RUN_ID >>WITNESS
`)
	// The answer is lost, and the look for the command takes for ever.
	knobs := a.loop.Knobs()
	knobs.Lost = map[string]awsloop.Knob{"ssm.SendCommand": {P: 1}}
	knobs.Delay = map[string]awsloop.Knob{"ssm.ListCommands": {P: 1, For: time.Hour}}
	a.loop.SetKnobs(knobs)
	at := time.Now().UTC().Truncate(time.Minute)
	id := run.ID("once", at)
	if err := a.function.InvokeAsync(due("once", at)); err != nil {
		t.Fatal(err)
	}
	a.eventually(func() bool { return len(a.saw()) == 1 }, func() string { return "the command runs" })
	a.loop.SetKnobs(awsloop.Knobs{})
	if !a.function.KillOne() {
		t.Fatal("no process was at it")
	}
	before := a.loop.Calls()["ssm.SendCommand"]
	a.eventually(func() bool { a.sweep(); return a.run(id).State == run.Succeeded }, func() string { return fmt.Sprintf("%+v", a.run(id)) })
	if r := a.run(id); len(r.Attempts) != 1 {
		t.Errorf("%+v", r)
	}
	if saw := a.saw(); len(saw) != 1 || before != 1 {
		t.Errorf("the command ran for %v, after %d orders", saw, before)
	}
}

// An instance that is terminated before the command reaches it is proven not to
// have started it, and another one does.
func TestFault64TerminatedBeforeDelivery(t *testing.T) {
	a := newAccount(t, nil)
	a.host(cron)
	a.host(cron)
	a.jobs(`
jobs:
  early:
    schedule: "* * * * *"
    hosts: {cron: "true"}
    command: echo $SOLOCRON_RUN_ID >>WITNESS
`)
	knobs := a.loop.Knobs()
	knobs.SSM.Delay.P, knobs.SSM.Delay.For = 1, time.Hour
	a.loop.SetKnobs(knobs)
	at := time.Now().UTC().Truncate(time.Minute)
	id := run.ID("early", at)
	a.invoke(due("early", at))
	began := a.run(id)
	first := began.Host()
	a.terminate(a.hosts[first])
	knobs.SSM.Delay.P = 0
	a.loop.SetKnobs(knobs)
	a.sweep()
	r := a.until(id, is(run.Succeeded))
	if r.Host() == first || len(r.Attempts) != 2 || r.Attempts[0].State != run.AttemptNotStarted {
		t.Errorf("%+v", r)
	}
	for _, part := range []string{"taken back before the host claimed it", "terminated"} {
		if !strings.Contains(r.Attempts[0].Reason, part) {
			t.Errorf("no %q in the proof %q", part, r.Attempts[0].Reason)
		}
	}
	if saw := a.saw(); len(saw) != 1 {
		t.Errorf("the command ran %d times", len(saw))
	}
}
