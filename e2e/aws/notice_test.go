package aws_test

import (
	"testing"
	"time"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// While SNS refuses to publish, a notice waits in the ledger and says why; the
// sweeps deliver it once SNS is back.
func TestFault85PublishFails(t *testing.T) {
	a := newAccount(t, nil)
	a.host(cron)
	a.jobs("jobs: {fails: {schedule: '* * * * *', hosts: {cron: 'true'}, command: exit 3}}")
	a.loop.SetKnobs(awsloop.Knobs{Throttle: map[string]awsloop.Knob{"sns.Publish": {P: 1}}})
	at := time.Now().UTC().Truncate(time.Minute)
	id := run.ID("fails", at)
	a.invoke(due("fails", at))
	stop := a.sweeping(500 * time.Millisecond)
	defer stop()
	a.until(id, is(run.Failed))
	var n ledger.Notice
	a.eventually(func() bool {
		notices, err := a.ledger.Notices(t.Context(), id)
		if err != nil || len(notices) != 1 {
			t.Fatalf("%+v, %v", notices, err)
		}
		n = notices[0]
		return n.Error != ""
	}, func() string { return "the notice was not tried" })
	if !n.Settled.IsZero() || n.Dead {
		t.Errorf("the notice was given up: %+v", n)
	}
	t.Logf("after %d tries: %s", n.Tries, n.Error)
	a.loop.SetKnobs(awsloop.Knobs{})
	t.Log(a.heard(1)[0])
}
