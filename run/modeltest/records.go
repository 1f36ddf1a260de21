package modeltest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/solocron/solocron/run"
)

// due is the model's one due time. Everything is at this instant: what depends
// on time is a step of its own that may be taken whenever it likes.
var due = time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)

// record numbers a run as it can stand in the ledger, so that states stay small
// and can be compared; nothing is the number of a run that is not there.
type record uint16

const nothing record = 0

// records are the runs met so far, and how [run.Step] moves them.
type records struct {
	runs  []run.Run
	known map[string]record
	moved map[move]moved
}

type move struct {
	from  record
	event run.Event
}

type moved struct {
	to record
	ok bool
}

func newRecords() *records {
	return &records{runs: make([]run.Run, 1), known: map[string]record{}, moved: map[move]moved{}}
}

// step applies the event by run.Step; it is false if it does not apply.
func (rs *records) step(from record, e run.Event) (record, bool) {
	if m, ok := rs.moved[move{from, e}]; ok {
		return m.to, m.ok
	}
	r := rs.runs[from]
	if from == nothing {
		r = run.Run{
			ID: run.ID("nightly", due), Job: "nightly", Due: due, Trigger: run.Scheduled, State: run.Planned,
			StartBy: due.Add(time.Minute), Policy: run.Policy{Timeout: time.Minute, MaxAttempts: Attempts},
		}
	}
	next, _, err := run.Step(r, e, due)
	m := moved{from, false}
	if err == nil {
		m = moved{rs.number(next), true}
	}
	rs.moved[move{from, e}] = m
	return m.to, m.ok
}

func (rs *records) number(r run.Run) record {
	key, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("a run that JSON can't hold: %v", err)) // it holds text, numbers and times
	}
	n, ok := rs.known[string(key)]
	if !ok {
		n = record(len(rs.runs))
		rs.known[string(key)], rs.runs = n, append(rs.runs, r)
	}
	return n
}

// attempt is the current attempt's host and number.
func (rs *records) attempt(r record) (host, n uint8) {
	a := rs.runs[r].Attempt()
	return hostOf(a), uint8(a.N)
}

func hostOf(a *run.Attempt) uint8 {
	if a.Host == Hosts[1] {
		return 1
	}
	return 0
}
