package ledgertest

import (
	"testing"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

var queryCases = map[string]func(*testing.T, ledger.Ledger){
	"runs are listed the latest due first, then by ID": func(t *testing.T, l ledger.Ledger) {
		same(t, "an empty ledger", must(l.Runs(t.Context(), ledger.Query{}))(t), []run.Run{})
		for _, r := range []run.Run{occurrence("b", 1), occurrence("a", 2), occurrence("B", 1), occurrence("a", 1), occurrence("a-b", 1)} {
			put(t, l, r)
		}
		want := []string{
			occurrence("a", 2).ID, // then by byte: - before @, and B before a
			occurrence("B", 1).ID, occurrence("a-b", 1).ID, occurrence("a", 1).ID, occurrence("b", 1).ID,
		}
		same(t, "all", ids(must(l.Runs(t.Context(), ledger.Query{}))(t)), want)
		same(t, "two", ids(must(l.Runs(t.Context(), ledger.Query{Limit: 2}))(t)), want[:2])
	},
	"queries select by every field": selectByField,
	"busy counts the attempts under way by host": func(t *testing.T, l ledger.Ledger) {
		same(t, "nobody busy", must(l.Busy(t.Context()))(t), map[string]int{})
		r := put(t, l, starting("a", 1, "h1"))
		put(t, l, starting("b", 1, "h1"))
		put(t, l, starting("c", 1, "h2"))
		put(t, l, occurrence("d", 1))
		same(t, "two hosts", must(l.Busy(t.Context()))(t), map[string]int{"h1": 2, "h2": 1})
		r.State, r.Attempts[0].State = run.Running, run.AttemptRunning
		r = put(t, l, r)
		same(t, "running", must(l.Busy(t.Context()))(t), map[string]int{"h1": 2, "h2": 1})
		r.State, r.Attempts[0].State = run.Planned, run.AttemptFailed // waits for its retry
		put(t, l, r)
		same(t, "one ended", must(l.Busy(t.Context()))(t), map[string]int{"h1": 1, "h2": 1})
	},
}

func selectByField(t *testing.T, l ledger.Ledger) {
	own := func(r run.Run, owner string) run.Run { r.Owner = owner; return r }
	a1 := put(t, l, own(ended("a", 1, run.Failed), "x")).ID
	a2 := put(t, l, own(ended("a", 2, run.Succeeded), "y")).ID
	a3 := put(t, l, own(occurrence("a", 3), "x")).ID
	b2 := put(t, l, own(ended("b", 2, run.Failed), "x")).ID
	b4 := put(t, l, own(ended("b", 4, run.Lost), "y")).ID
	due := func(n int) time.Time { return occurrence("", n).Due }
	for name, c := range map[string]struct {
		q    ledger.Query
		want []string
	}{
		"all":                 {ledger.Query{}, []string{b4, a3, a2, b2, a1}},
		"job":                 {ledger.Query{Job: "a"}, []string{a3, a2, a1}},
		"job, latest":         {ledger.Query{Job: "a", Limit: 1}, []string{a3}},
		"job, in a zone":      {ledger.Query{Job: "a", Since: due(2).In(base.Location())}, []string{a3, a2}},
		"unknown job":         {ledger.Query{Job: "c"}, []string{}},
		"state":               {ledger.Query{States: []run.State{run.Failed}}, []string{b2, a1}},
		"states":              {ledger.Query{States: []run.State{run.Failed, run.Lost, run.Failed}}, []string{b4, b2, a1}},
		"states, latest two":  {ledger.Query{States: run.States, Limit: 2}, []string{b4, a3}},
		"state of a job":      {ledger.Query{Job: "a", States: []run.State{run.Failed, run.Planned}}, []string{a3, a1}},
		"owner":               {ledger.Query{Owner: "y"}, []string{b4, a2}},
		"owner and state":     {ledger.Query{Owner: "x", States: []run.State{run.Failed}}, []string{b2, a1}},
		"since includes":      {ledger.Query{Since: due(3)}, []string{b4, a3}},
		"until excludes":      {ledger.Query{Until: due(2)}, []string{a1}},
		"since and until":     {ledger.Query{Since: due(2), Until: due(4), Limit: 2}, []string{a3, a2}},
		"everything at once":  {ledger.Query{Job: "a", States: []run.State{run.Failed}, Owner: "x", Since: due(1), Until: due(2), Limit: 1}, []string{a1}},
		"without some":        {ledger.Query{Without: map[string]bool{a2: true, b4: true, "other": true}}, []string{a3, b2, a1}},
		"open without some":   {ledger.Query{States: []run.State{run.Planned, run.Lost}, Without: map[string]bool{a3: true}}, []string{b4}},
		"everything but none": {ledger.Query{Job: "a", States: []run.State{run.Failed}, Owner: "y"}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, "runs", ids(must(l.Runs(t.Context(), c.q))(t)), c.want)
		})
	}
}
