package chat

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/solocron/solocron/notifier/notifiertest"
)

const (
	token    = "T0KENxyz"
	password = "correct/horse+batt"
	topic    = "secret-topic"
)

// receiver is a web server that keeps what it accepted.
type receiver struct {
	mu       sync.Mutex
	received []notifiertest.Delivery
	text     func(body []byte) string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	text := r.text(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, notifiertest.Delivery{Key: notifiertest.KeyIn(text), Headers: q.Header, Text: text})
	_, _ = w.Write([]byte("{}"))
}

func (r *receiver) list() []notifiertest.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received
}

// echo answers with everything it was sent.
func echo(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		w.WriteHeader(status)
		_ = q.Write(w)
	}
}

func hangUp(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

// play starts a receiver in the mood and returns its host and port.
func play(t *testing.T, mood notifiertest.Mood, r *receiver) string {
	t.Helper()
	over := make(chan struct{})
	var handler http.Handler = r
	switch mood {
	case notifiertest.Refusing:
		handler = echo(http.StatusForbidden)
	case notifiertest.Overloaded:
		handler = echo(http.StatusServiceUnavailable)
	case notifiertest.HangingUp:
		handler = http.HandlerFunc(hangUp)
	case notifiertest.Silent:
		handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over })
	}
	s := httptest.NewServer(handler)
	t.Cleanup(func() {
		close(over)
		s.Close()
	})
	if mood == notifiertest.Absent {
		return closedPort(t)
	}
	return s.Listener.Addr().String()
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func plainText(body []byte) string { return string(body) }

func messageOf(body []byte) string {
	var sent struct{ Message string }
	if err := json.Unmarshal(body, &sent); err != nil {
		return err.Error()
	}
	return sent.Message
}

func TestNotifier(t *testing.T) {
	login := url.UserPassword("deploy", password).String()
	for name, c := range map[string]struct {
		address func(host string) string
		text    func(body []byte) string
	}{
		"ntfy": {func(host string) string {
			return "ntfy://" + login + "@" + host + "/" + topic + "?scheme=http&click=" + token
		}, plainText},
		"gotify": {func(host string) string {
			return "gotify://" + host + "/Aaaa" + token + "xyz?disabletls=yes"
		}, messageOf},
	} {
		t.Run(name, func(t *testing.T) {
			notifiertest.Run(t, notifiertest.Subject{
				Secrets: []string{token, password, topic, "deploy:" + password},
				Open: func(t *testing.T, mood notifiertest.Mood) notifiertest.Receiver {
					r := &receiver{text: c.text}
					n, err := New(c.address(play(t, mood, r)))
					if err != nil {
						t.Fatal(err)
					}
					return notifiertest.Receiver{Notifier: n, Received: r.list}
				},
			})
		})
	}
}

func TestFault93NobodyIsPaged(t *testing.T) {
	m := notifiertest.Message()
	m.Tail, m.Reason = "hello @everyone and @here", "<!channel> <@U123>"
	m.Host, m.Job, m.State = "<@here>", "@everyone", "<@everyone"
	got := text(m)
	for _, call := range []string{"@everyone", "@here", "<!", "<@"} {
		if strings.Contains(got, call) {
			t.Errorf("the text calls %s:\n%s", call, got)
		}
	}
	if !strings.Contains(got, "solocron show nightly@20261122T023000Z") {
		t.Errorf("the command that shows more is spoilt:\n%s", got)
	}
}

func TestTextFitsEveryService(t *testing.T) {
	m := notifiertest.Message()
	m.Tail = strings.Repeat("\x00日本 a longer line of output\n", 1000)
	if got := len(text(m)); got > 1024 { // Pushover's limit, the lowest
		t.Errorf("an ordinary message has %d bytes", got)
	}
	m.Reason, m.Job, m.Host, m.More = m.Tail, m.Tail, m.Tail, m.Tail
	if got := len(text(m)); got > 4096 { // Telegram's and ntfy's
		t.Errorf("a monstrous message has %d bytes", got)
	}
}

func TestNewRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"":                                      "want SERVICE://",
		"T0KENxyz":                              "want SERVICE://",
		"https://hooks.example.com/T0KENxyz":    "names no service that is known here",
		"logger://":                             "names no service that is known here",
		"smtp://u:T0KENxyz@h/":                  "use a mail target",
		"slack://hook:T0KENxyz@webhook":         "chat slack: the url is not valid for this service",
		"telegram://T0KENxyz@telegram":          "chat telegram: the url is not valid",
		"ntfy://h/T0KENxyz?T0KENxyz=1":          "chat ntfy: the url is not valid",
		"ntfy://u:T0KENxyz@[::1/":               "chat ntfy: the url is not valid",
		"gotify+x://T0KENxyz":                   "chat gotify: the url is not valid",
		"discord://T0KENxyz@1?color=nocolour":   "chat discord: the url is not valid",
		"teams+https://h\x00/T0KENxyz":          "chat teams: the url is not valid",
		"gotify+https://h/T0KENxyz":             "chat gotify: the url is not valid",
		"generic://h.example/T0KENxyz":          "use a webhook target",
		"teams+https://T0KENxyz.example.com/%%": "chat teams: the url is not valid",
	} {
		_, err := New(address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), token) {
			t.Errorf("New(%q): %v; want an error with %q and without the secret", address, err, want)
		}
	}
}

func TestStatus(t *testing.T) {
	for text, want := range map[string]int{
		"server returned unexpected response status code: 404 Not Found": 404,
		"unexpected http status code: 500":                               500,
		"unknown error (HTTP 429)":                                       429,
		`failed: "phone", response status "403 Forbidden"`:               403,
		"failed to send: 401 Unauthorized":                               401,
		"server response: forbidden (40301)":                             403,
		"signal: server returned status 400":                             400,
		"dial tcp 10.0.0.1:443: connect: connection refused":             0,
		"took 404 ms":       0,
		"channel_not_found": 0,
	} {
		if got := status(errors.New(text)); got != want {
			t.Errorf("status(%q) = %d, want %d", text, got, want)
		}
	}
	cause := &url.Error{Op: "Post", URL: "http://h/?status=404", Err: errors.New("EOF")}
	if got := status(cause); got != 0 {
		t.Errorf("status of a request without an answer: %d", got)
	}
}
