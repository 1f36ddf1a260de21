package awssim_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// Agents that die as soon as they started a command leave it InProgress, until
// Systems Manager says that it was not delivered in time. Neither is an end,
// and neither proves that it never started: the run is lost when its command
// must be over.
func TestFault62NobodyTells(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t, 62)
		defer w.end()
		var k trouble
		k.SSM.Kill = awsloop.Knob{P: 1}
		w.pass(1, k)
		w.judge(1)
		runs, err := w.ledger.Runs(t.Context(), ledger.Query{})
		if err != nil {
			t.Fatal(err)
		}
		said := w.standings()
		lost := 0
		for _, r := range runs {
			starts := w.witness.of(r.ID)
			if len(starts) == 0 {
				continue
			}
			lost++
			if r.State != run.Lost || starts[0].host != r.Host() {
				t.Errorf("%s started on %v, and is %s: %s", r.ID, starts, r.State, r.Reason)
			}
			if got := said[starts[0].attempt]; got != "DeliveryTimedOut" {
				t.Errorf("the command of %s is %s at the end", r.ID, got)
			}
		}
		if lost == 0 {
			t.Error("no command was started")
		}
	})
}

// standings is what Systems Manager says of every order.
func (w *world) standings() map[string]string {
	w.t.Helper()
	client := ssm.NewFromConfig(w.loop.Config(region))
	said := map[string]string{}
	pages := ssm.NewListCommandInvocationsPaginator(client, &ssm.ListCommandInvocationsInput{MaxResults: aws.Int32(50)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, i := range page.CommandInvocations {
			said[*i.Comment] = *i.StatusDetails
		}
	}
	return said
}
