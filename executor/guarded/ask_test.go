package guarded

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/fleet"
)

// speaker is a host that says some words to every verb, and then nothing.
type speaker string

type speech struct {
	io.Reader
	io.Closer
}

func (s speaker) Open(context.Context, fleet.Host, string, ...string) (Session, error) {
	silent, hangUp := io.Pipe()
	return speech{io.MultiReader(strings.NewReader(string(s)), silent), hangUp}, nil
}

func (speaker) Close() error { return nil }

func (speech) Write(b []byte) (int, error) { return len(b), nil }

func (speech) Complaint() string { return "" }

// A host that is slow to remove old attempts is as fit as it has said.
func TestProbeOfAHostThatPrunes(t *testing.T) {
	for words, refused := range map[string]bool{"time 946684800\nfree 7\nfit\n": false, "time 946684800\nfree 7\n": true} {
		bubbletest.Test(t, func(t *testing.T) {
			begin := time.Now()
			h := New(speaker(words), Options{AskWithin: 10 * time.Second}).Probe(t.Context(), fleet.Host{ID: "a"})
			synctest.Wait()
			if (h.Refused != "") != refused || h.FreeBytes != 7 || time.Since(begin) != 10*time.Second {
				t.Errorf("after %q and %s: %+v", words, time.Since(begin), h)
			}
		})
	}
}

// A host prunes ten minutes after its first probe and hourly from then on; one that left
// is forgotten.
func TestKeepDays(t *testing.T) {
	e := New(nil, Options{KeepDays: 30})
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		host  string
		after time.Duration
		want  string
	}{
		{"a", 0, ""},
		{"a", 20 * time.Second, ""},
		{"b", time.Minute, ""},
		{"a", 10 * time.Minute, "30"},
		{"a", 10*time.Minute + 20*time.Second, ""},
		{"b", 11 * time.Minute, "30"},
		{"a", 70*time.Minute - time.Second, ""},
		{"a", 70 * time.Minute, "30"},
		{"a", 3 * time.Hour, "30"},
		{"c", 4 * time.Hour, ""},
	} {
		if got := e.keepDays(step.host, begin.Add(step.after)); got != step.want {
			t.Errorf("%s after %s: %q, want %q", step.host, step.after, got, step.want)
		}
	}
	if _, still := e.pruned["b"]; still || len(e.pruned) != 2 {
		t.Errorf("it remembers %v", e.pruned)
	}
}
