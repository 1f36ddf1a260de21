package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		payload string
		want    event
		wrong   string // in the error
	}{
		"a due time": {
			payload: `{"job":"nightly","spec":"abc","due":"2026-11-22T17:30:00Z"}`,
			want:    event{due: &due{Job: "nightly", Spec: "abc", Due: time.Date(2026, 11, 22, 17, 30, 0, 0, time.UTC)}},
		},
		"a due time in another zone": {
			payload: `{"job":"nightly","due":"2026-11-23T02:30:00+09:00"}`,
			want:    event{due: &due{Job: "nightly", Due: time.Date(2026, 11, 22, 17, 30, 0, 0, time.UTC)}},
		},
		// The keyword stays as it is if the schedule's input is sent by hand.
		"an unfilled keyword": {payload: `{"job":"nightly","due":"<aws.scheduler.scheduled-time>"}`, wrong: "due time"},
		"no due":              {payload: `{"job":"nightly"}`, wrong: "job or due is missing"},
		"no job":              {payload: `{"job":"","due":"2026-11-22T17:30:00Z"}`, wrong: "job or due is missing"},
		"a sweep":             {payload: `{"sweep":true}`, want: event{sweep: true}},
		"a rule's timer": {
			payload: `{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`, want: event{sweep: true},
		},
		"news of an invocation": {
			payload: `{"source":"aws.ssm","detail-type":"EC2 Command Invocation Status-change Notification","detail":
				{"command-id":"c","document-name":"solocron","instance-id":"i-9bb89e2b","status":"Success"}}`,
			want: event{hint: &hint{Command: "c", Instance: "i-9bb89e2b", Document: "solocron", Status: "Success"}},
		},
		"news of a command": {
			payload: `{"source":"aws.ssm","detail-type":"EC2 Command Status-change Notification","detail":
				{"command-id":"c","document-name":"solocron","parameters":{"order":["…"]},"status":"Success"}}`,
			want: event{hint: &hint{Command: "c", Document: "solocron", Status: "Success"}},
		},
		// The envelope that Scheduler sends without an input of one's own.
		"scheduler's envelope": {payload: `{"source":"aws.scheduler","detail-type":"Scheduled Event","detail":"{}"}`, want: event{sweep: true}},
		"something else":       {payload: `{"Records":[]}`, wrong: "neither"},
		"no object":            {payload: `"job"`, wrong: "event:"},
		"no JSON":              {payload: `job`, wrong: "event:"},
		"nothing":              {payload: ``, wrong: "event:"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read([]byte(test.payload))
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) {
					t.Errorf("error %v, want %q in it", err, test.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(event{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Only what may be news of ours is looked at, however SSM spells it.
func TestTells(t *testing.T) {
	t.Parallel()
	tests := map[hint]bool{
		{"c", "i-1", "solocron", "Success"}:             true,
		{"c", "i-1", "solocron", "DeliveryTimedOut"}:    true,
		{"c", "i-1", "solocron", "Delivery Timed Out"}:  true,
		{"c", "i-1", "solocron", ""}:                    true,
		{"c", "i-1", "solocron", "InProgress"}:          false,
		{"c", "i-1", "solocron", "In Progress"}:         false,
		{"c", "i-1", "solocron", "Pending"}:             false,
		{"c", "", "solocron", "Success"}:                false,
		{"", "i-1", "solocron", "Success"}:              false,
		{"c", "i-1", "AWS-RunPatchBaseline", "Success"}: false,
	}
	for h, want := range tests {
		if got := h.tells("solocron"); got != want {
			t.Errorf("%+v tells: %t", h, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"job":"nightly","spec":"abc","due":"2026-11-22T17:30:00Z"}`, `{"sweep":true}`, `{"rawPath":"/v1/status"}`,
		`{"source":"aws.ssm","detail-type":"EC2 Command Invocation Status-change Notification","detail":{"command-id":"c"}}`, `{"job":null}`, `[]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		e, err := read([]byte(payload))
		parts := 0
		for _, there := range []bool{e.due != nil, e.hint != nil, e.sweep, e.ask != nil} {
			if there {
				parts++
			}
		}
		if err == nil && parts != 1 || err != nil && parts != 0 {
			t.Errorf("%d parts, error %v", parts, err)
		}
		if err == nil && !json.Valid([]byte(payload)) {
			t.Error("no JSON, and no error")
		}
	})
}
