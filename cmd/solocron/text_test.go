package main

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

func TestLength(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                         "0ms",
		-1500 * time.Millisecond:  "-1.5s",
		412 * time.Millisecond:    "412ms",
		59949 * time.Millisecond:  "59.9s",
		59950 * time.Millisecond:  "1m00s",
		time.Hour - time.Second:   "59m59s",
		time.Hour - time.Second/2: "1h00m",
		2*time.Hour + 5*time.Minute + 29*time.Second: "2h05m",
		24*time.Hour - time.Minute/2:                 "1d00h",
		76 * time.Hour:                               "3d04h",
	} {
		if got := length(d); got != want {
			t.Errorf("length(%s) = %s, want %s", d, got, want)
		}
	}
}

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 5, time.UTC)
	for text, want := range map[string]string{
		"now":                       "2026-11-22T10:00:00Z",
		"2026-11-22":                "2026-11-22T00:00:00Z",
		"2026-11-22T02:30:00+09:00": "2026-11-21T17:30:00Z",
		"2h":                        "2026-11-22T08:00:00Z",
		"+90m":                      "2026-11-22T11:30:00Z",
		"3d":                        "2026-11-19T10:00:00Z",
		"+2w":                       "2026-12-06T10:00:00Z",
		"":                          "",
		"yesterday":                 "",
		"d":                         "",
		"-3d":                       "",
		"-2h":                       "",
		"99999d":                    "",
		"1.5d":                      "",
		"2026-02-30":                "",
	} {
		got, err := parseMoment(text, now)
		if want == "" && err == nil {
			t.Errorf("%q = %s, want an error", text, got)
		}
		if want != "" && (err != nil || stamp(got) != want) {
			t.Errorf("%q = %s, %v, want %s", text, got, err, want)
		}
	}
}

func FuzzParseMoment(f *testing.F) {
	for _, s := range []string{"now", "2026-11-22", "2026-11-22T02:30:00Z", "3d", "+2w", "2h30m", "", "+", "9999999999999h"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseMoment(s, now)
		if err == nil && (got.Location() != time.UTC || got.Year() < -1 || got.Year() > 10000) {
			t.Errorf("%q = %v", s, got)
		}
	})
}

func TestWithin(t *testing.T) {
	for stamped, want := range map[string][2]string{
		"20261122T023000Z-abc123": {"2026-11-22T02:30:00Z", "2026-11-22T02:30:01Z"},
		"20261122T0230":           {"2026-11-22T02:30:00Z", "2026-11-22T02:31:00Z"},
		"20261122T02300":          {"2026-11-22T02:30:00Z", "2026-11-22T02:31:00Z"},
		"20261122T02":             {"2026-11-22T02:00:00Z", "2026-11-22T03:00:00Z"},
		"20261122":                {"2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"},
		"202611":                  {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
		"rubbish!":                {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
	} {
		since, until := within(stamped)
		if got := [2]string{stamp(since), stamp(until)}; got != want {
			t.Errorf("within(%s) = %v, want %v", stamped, got, want)
		}
	}
}

func TestColumns(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "日本": 4, "é": 1, "e\u0301": 1, "😀": 2, "ｱ": 1, "a\u200bb": 2} {
		if got := columns(s); got != want {
			t.Errorf("columns(%q) = %d, want %d", s, got, want)
		}
	}
	for _, c := range []struct {
		text string
		most int
		want string
	}{{"abcdef", 6, "abcdef"}, {"abcdef", 5, "abcd…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}} {
		if got := clip(c.text, c.most); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.text, c.most, got, c.want)
		}
	}
}

// TestRunsOnATerminal compares with a file: colors, wide characters, and a
// reason cut where the terminal ends. UPDATE_SCRIPTS=1 writes it anew.
func TestRunsOnATerminal(t *testing.T) {
	at := func(s string) *time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return &v
	}
	var runs []web.Run
	for i, state := range run.States {
		r := web.Run{ID: "日次@20261122T000000Z", Job: "日次", Due: *at("2026-11-22T00:00:00Z"), State: state, Host: "web-1"}
		if !state.Open() {
			code := i
			r.ExitCode, r.StartedAt, r.EndedAt = &code, at("2026-11-22T00:00:01Z"), at("2026-11-22T00:01:01Z")
			r.Reason = "a reason that is longer than 日本語 what is left of the line"
		}
		runs = append(runs, r)
	}
	got := viewRuns(runs, screen{width: 110, color: true})
	golden(t, "runs-terminal.golden", got)
}

// FuzzTable: whatever a host or a command says, a table's lines stay lines, fit
// the screen and hold nothing that a terminal obeys.
func FuzzTable(f *testing.F) {
	f.Add("plain", "日本語", 20)
	f.Add("\x1b[2J", "a\nb\r\tc", 0)
	f.Add("\xff\xfe", "\u202etxt\u2028", 12)
	f.Fuzz(func(t *testing.T, a, b string, width int) {
		view := table{cut: true, head: []string{"A", "B"}}
		view.add(cell{text: a}, cell{b, red})
		got := view.render(screen{width: width % 1000})
		if n := strings.Count(got, "\n"); n != 2 || !utf8.ValidString(got) {
			t.Fatalf("%d lines: %q", n, got)
		}
		for _, r := range got {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Fatalf("holds %U: %q", r, got)
			}
		}
		if shown := block(a); strings.ContainsFunc(shown, func(r rune) bool { return r != '\n' && r != '\t' && unicode.IsControl(r) }) {
			t.Fatalf("block(%q) = %q", a, shown)
		}
	})
}
