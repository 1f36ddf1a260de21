package notifier_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/solocron/solocron/notifier"
)

var update = flag.Bool("update", false, "write the golden files anew")

func message(change func(*notifier.Message)) notifier.Message {
	code := 3
	due := time.Date(2026, 11, 22, 11, 30, 0, 0, time.FixedZone("JST", 9*3600))
	m := notifier.Message{
		Key: "nightly@20261122T023000Z/2/failed", Event: notifier.Failed,
		Job: "nightly", Run: "nightly@20261122T023000Z", Due: due, Host: "web-2",
		State: "failed", Reason: "exit code 3", ExitCode: &code,
		StartedAt: due.Add(1200 * time.Millisecond), EndedAt: due.Add(95 * time.Second), Duration: 93800 * time.Millisecond,
		Attempts: 2, Tail: "reading 日本.csv\n\tat line 7\nno such table: sales\n",
		More: "solocron show nightly@20261122T023000Z",
	}
	change(&m)
	return m
}

// unstarted is what is known of a run that never began.
func unstarted(event notifier.Event, reason string) notifier.Message {
	return message(func(m *notifier.Message) {
		m.Event, m.State, m.Reason, m.Key = event, "skipped", reason, m.Run+"/0/"+string(event)
		m.Host, m.ExitCode, m.StartedAt, m.EndedAt, m.Duration, m.Attempts, m.Tail = "", nil, time.Time{}, time.Time{}, 0, 0, ""
	})
}

func messages() map[string]notifier.Message {
	as := func(event notifier.Event, state, reason string) notifier.Message {
		return message(func(m *notifier.Message) {
			m.Event, m.State, m.Reason, m.ExitCode = event, state, reason, nil
			m.Key = m.Run + "/2/" + string(event)
		})
	}
	zero := 0
	return map[string]notifier.Message{
		"failed":         message(func(*notifier.Message) {}),
		"failed-unbegun": as(notifier.Failed, "failed", "no attempt could start: host refused the connection"),
		"timed-out":      as(notifier.TimedOut, "timed_out", "ended after 1h0m0s"),
		"lost":           as(notifier.Lost, "lost", "host did not come back within 1h"),
		"skipped":        unstarted(notifier.Skipped, `no host: 2 unreachable, 1 tag cron is "false", not "true"`),
		"overlapped":     unstarted(notifier.Overlapped, "overlap: run nightly@20261121T023000Z is under way"),
		"cancelled":      as(notifier.Cancelled, "cancelled", "by ann"),
		"recovered": message(func(m *notifier.Message) {
			m.Event, m.State, m.Reason, m.ExitCode, m.Tail = notifier.Recovered, "succeeded", "", &zero, ""
		}),
		"odd-bytes": message(func(m *notifier.Message) {
			m.Job, m.Reason = "ni\r\nBcc: x", "ca\u00f1on\x00 \u202egnp.exe"
			m.Tail = "50%\r100%\r\n\x1b[31mred\x1b[0m \xff\xfe\x00 caf\u00e9 日本\n.\n"
		}),
		"empty": {},
	}
}

func TestSubjectAndText(t *testing.T) {
	for name, m := range messages() {
		t.Run(name, func(t *testing.T) {
			got := "Subject: " + notifier.Subject(m) + "\n\n" + notifier.Text(m)
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("go test ./notifier -update accepts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTail(t *testing.T) {
	for name, c := range map[string]struct {
		output string
		size   int
		want   string
	}{
		"nothing":           {"", 10, ""},
		"only breaks":       {"\n\r\n\n", 10, ""},
		"short":             {"a\nb\n", 10, "a\nb"},
		"just fits":         {"aaaa\nbbbbb", 10, "aaaa\nbbbbb"},
		"from a line":       {"aaaa\nbbbb\ncccc", 12, "bbbb\ncccc"},
		"at a line's start": {"aaaa\nbbbb\ncccc", 10, "bbbb\ncccc"},
		"one long line":     {"aaaaaaaaaaaaaab", 10, "aaaaaaaaab"},
		"within a rune":     {"日本日本日本", 10, "本日本"},
		"escapes are long":  {"first\n\x00\x00\x00", 12, `\x00\x00\x00`},
		"escapes are cut":   {"\x00\x00\x00\x00", 10, `00\x00\x00`},
		"progress bar":      {"1%\r2%\r3%", 100, "1%\n2%\n3%"},
		"tab stays":         {"a\tb", 100, "a\tb"},
		"not UTF-8":         {"a\xffb", 100, `a\xffb`},
		"replaced earlier":  {"a\uFFFDb", 100, "a\uFFFDb"},
		"trailing breaks":   {"aaaaaaaaaaaa\nb\n\n\n", 6, "b"},
		"spaces in a frame": {"  a  \n\n", 100, "  a"},
	} {
		t.Run(name, func(t *testing.T) {
			got := notifier.Tail(c.output, c.size)
			if got != c.want || len(got) > c.size {
				t.Errorf("Tail(%q, %d) = %q, want %q", c.output, c.size, got, c.want)
			}
		})
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "nightly", "a\r\nb", "\x1b[2J", "\xff", "日本\u202e", strings.Repeat("x", 5000)} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, field, tail string) {
		m := notifier.Message{
			Key: field, Event: notifier.Event(field), Job: field, Run: field, Host: field,
			State: field, Reason: field, Tail: tail, More: field,
		}
		for _, e := range append(notifier.Events, m.Event) {
			m.Event = e
			subject, text := notifier.Subject(m), notifier.Text(m)
			if len(subject) > notifier.SubjectBytes || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("subject %q", subject)
			}
			if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }) {
				t.Fatalf("text %q", text)
			}
			if len(text) > 2*notifier.TailBytes+8*4*300 {
				t.Fatalf("text of %d bytes", len(text))
			}
		}
	})
}
