// Package notifiertest is the contract of [notifier.Notifier], executable:
// every adapter passes it against a receiver on the loopback.
package notifiertest

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/solocron/solocron/notifier"
)

// Mood is how a receiver treats what arrives.
type Mood string

// The moods.
const (
	Accepting  Mood = "accepting"
	Refusing   Mood = "refusing"   // for good: the message or the credentials
	Overloaded Mood = "overloaded" // for now
	Silent     Mood = "silent"     // takes the connection and never answers
	HangingUp  Mood = "hanging up" // closes the connection without an answer
	Absent     Mood = "absent"     // nobody listens
)

// Delivery is one message as it arrived at an accepting receiver.
type Delivery struct {
	Key     string              // by which the receiver can tell a repeat
	Headers map[string][]string // nil where there are none
	Text    string              // what there is to read, decoded
}

// Receiver is an adapter and the receiver it delivers to.
type Receiver struct {
	Notifier notifier.Notifier
	Received func() []Delivery // in the order of arrival
}

// Subject is how the suite opens an adapter.
type Subject struct {
	// Open returns an adapter and its receiver in the mood. Cleanup is t's.
	Open func(t *testing.T, mood Mood) Receiver
	// Secrets are what the adapter was opened with and no error may hold.
	Secrets []string
}

// Run shows that the adapter keeps the contract.
func Run(t *testing.T, s Subject) {
	t.Run("delivered once, with its key", s.delivered)
	t.Run("a repeat has the same key", s.repeated)
	t.Run("concurrent messages", s.concurrent)
	t.Run("every event", s.events)
	t.Run("failures", s.failures)
	t.Run("slow receiver", s.slow)
	t.Run("cancelled context", s.cancelled)
	t.Run("huge tail", s.huge)
	t.Run("fault 93: odd bytes in the tail", s.oddBytes)
	t.Run("fault 93: line breaks everywhere", s.injection)
	t.Run("empty message", s.empty)
}

// Message is an ordinary message, for adapters' own tests as well.
func Message() notifier.Message {
	code := 3
	due := time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)
	return notifier.Message{
		Key: "nightly@20261122T023000Z/2/failed", Event: notifier.Failed,
		Job: "nightly", Run: "nightly@20261122T023000Z", Due: due, Host: "web-2",
		State: "failed", Reason: "exit code 3", ExitCode: &code,
		StartedAt: due.Add(time.Second), EndedAt: due.Add(95 * time.Second), Duration: 94 * time.Second,
		Attempts: 2, Tail: "reading 日本.csv\nno such table: sales",
		More: "solocron show nightly@20261122T023000Z",
	}
}

// patience is for a broken adapter; a good one never needs it.
const patience = 30 * time.Second

// notify fails the test if the adapter hangs.
func notify(t *testing.T, ctx context.Context, n notifier.Notifier, m notifier.Message) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- n.Notify(ctx, m) }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatalf("Notify hangs")
		return nil
	}
}

// deliver opens an accepting receiver and returns how m arrived there.
func (s Subject) deliver(t *testing.T, m notifier.Message) Delivery {
	t.Helper()
	r := s.Open(t, Accepting)
	if err := notify(t, t.Context(), r.Notifier, m); err != nil {
		t.Fatalf("Notify: %v", err)
	}
	got := r.Received()
	if len(got) != 1 {
		t.Fatalf("%d messages arrived, want 1", len(got))
	}
	return got[0]
}

func (s Subject) delivered(t *testing.T) {
	m := Message()
	got := s.deliver(t, m)
	if got.Key != m.Key {
		t.Errorf("key %q, want %q", got.Key, m.Key)
	}
	for _, want := range []string{m.Job, m.Run, m.Host, m.Reason, "no such table: sales", "日本", m.More} {
		if !strings.Contains(got.Text, want) {
			t.Errorf("the text lacks %q:\n%s", want, got.Text)
		}
	}
}

func (s Subject) repeated(t *testing.T) {
	r := s.Open(t, Accepting)
	for range 2 {
		if err := notify(t, t.Context(), r.Notifier, Message()); err != nil {
			t.Fatalf("Notify: %v", err)
		}
	}
	got := r.Received()
	if len(got) != 2 || got[0].Key != got[1].Key {
		t.Errorf("arrived: %+v; want two with one key", got)
	}
}

func (s Subject) concurrent(t *testing.T) {
	const n = 8
	r := s.Open(t, Accepting)
	errs := make(chan error)
	for range n {
		go func() { errs <- r.Notifier.Notify(t.Context(), Message()) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Errorf("Notify: %v", err)
		}
	}
	if got := len(r.Received()); got != n {
		t.Errorf("%d of %d messages arrived", got, n)
	}
}

func (s Subject) events(t *testing.T) {
	for _, e := range notifier.Events {
		m := Message()
		m.Event, m.ExitCode, m.Tail = e, nil, ""
		if got := s.deliver(t, m); !strings.Contains(got.Text, m.Job) {
			t.Errorf("%s: the text lacks the job:\n%s", e, got.Text)
		}
	}
}

func (s Subject) failures(t *testing.T) {
	for _, mood := range []Mood{Refusing, Overloaded, HangingUp, Absent} {
		t.Run(string(mood), func(t *testing.T) {
			r := s.Open(t, mood)
			err := notify(t, t.Context(), r.Notifier, Message())
			if err == nil {
				t.Fatal("Notify returned nil")
			}
			if final := errors.Is(err, notifier.ErrFinal); final != (mood == Refusing) {
				t.Errorf("final is %v: %v", final, err)
			}
			s.wantNoSecret(t, err)
			if got := r.Received(); len(got) != 0 {
				t.Errorf("arrived all the same: %+v", got)
			}
		})
	}
}

func (s Subject) slow(t *testing.T) {
	r := s.Open(t, Silent)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := notify(t, ctx, r.Notifier, Message())
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, notifier.ErrFinal) {
		t.Errorf("Notify = %v, want the deadline's error, worth a retry", err)
	}
	s.wantNoSecret(t, err)
}

func (s Subject) cancelled(t *testing.T) {
	r := s.Open(t, Accepting)
	stopped := errors.New("the daemon stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	err := notify(t, ctx, r.Notifier, Message())
	if !errors.Is(err, stopped) || errors.Is(err, notifier.ErrFinal) {
		t.Errorf("Notify = %v, want the context's cause, worth a retry", err)
	}
	if got := r.Received(); len(got) != 0 {
		t.Errorf("arrived all the same: %+v", got)
	}
}

func (s Subject) huge(t *testing.T) {
	m := Message()
	m.Tail = strings.Repeat(strings.Repeat("x", 99)+"\n", 100_000) + strings.Repeat("y", 500) + "\nthe very last line\n"
	got := s.deliver(t, m)
	if !strings.Contains(got.Text, "the very last line") {
		t.Errorf("the text lacks the end of the tail")
	}
	if len(got.Text) > 64<<10 {
		t.Errorf("the text has %d bytes", len(got.Text))
	}
}

func (s Subject) oddBytes(t *testing.T) {
	m := Message()
	m.Tail = "\x00\x1b[2J\x1b]0;title\x07 \xff\xfe caf\u00e9 日本 \u202eevil\u2066 \r\n.\r\n\u0085 \x7f\nthe end"
	got := s.deliver(t, m)
	for _, want := range []string{"caf\u00e9", "日本", "the end"} {
		if !strings.Contains(got.Text, want) {
			t.Errorf("the text lacks %q: %q", want, got.Text)
		}
	}
	if !utf8.ValidString(got.Text) {
		t.Errorf("the text is not UTF-8: %q", got.Text)
	}
	for _, r := range got.Text {
		if !unicode.IsPrint(r) && !strings.ContainsRune("\r\n\t", r) {
			t.Errorf("the text holds %U: %q", r, got.Text)
		}
	}
}

// injection writes line breaks into every field that could end up in a header
// or a command of the receiver's protocol.
func (s Subject) injection(t *testing.T) {
	const evil = "x\r\nInjected: yes\r\n\r\n.\r\nInjected: again\n"
	m := Message()
	m.Key, m.Job, m.Run, m.Host, m.State, m.Reason, m.More = evil, evil, evil, evil, evil, evil, evil
	m.Event = notifier.Event(evil)
	got := s.deliver(t, m)
	for name, values := range got.Headers {
		if strings.EqualFold(name, "Injected") {
			t.Errorf("a header was injected: %s: %q", name, values)
		}
	}
	for line := range strings.Lines(got.Text) {
		if strings.HasPrefix(line, "Injected:") || strings.TrimSpace(line) == "." {
			t.Errorf("a line was injected: %q", line)
		}
	}
}

func (s Subject) empty(t *testing.T) {
	s.deliver(t, notifier.Message{})
}

// wantNoSecret looks for the secrets as they are and as protocols encode them.
func (s Subject) wantNoSecret(t *testing.T, err error) {
	t.Helper()
	for _, secret := range s.Secrets {
		for _, form := range []string{
			secret, url.QueryEscape(secret), url.PathEscape(secret),
			base64.StdEncoding.EncodeToString([]byte(secret)),
		} {
			if strings.Contains(err.Error(), form) {
				t.Errorf("the error holds the secret %q: %v", form, err)
			}
		}
	}
}

// KeyIn finds the message's key in a text that [notifier.Text] wrote, for
// receivers that get nothing but the text.
func KeyIn(text string) string {
	for line := range strings.Lines(text) {
		if key, ok := strings.CutPrefix(line, "message "); ok {
			return strings.TrimSpace(key)
		}
	}
	return ""
}
