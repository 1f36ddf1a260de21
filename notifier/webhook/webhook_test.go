package webhook

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/notifier/notifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	user     = "deploy"
	password = "pass/word%2B1"
	token    = "T0KENxyz"
	pathKey  = "B00-secret-hook"
)

// receiver is a web server that keeps what it accepted.
type receiver struct {
	mu       sync.Mutex
	received []notifiertest.Delivery
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil || !json.Valid(body) || q.Header.Get("Authorization") != "Bearer "+token ||
		q.Method != http.MethodPost || q.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "not what was expected", http.StatusTeapot)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, notifiertest.Delivery{
		Key: q.Header.Get("Idempotency-Key"), Headers: q.Header, Text: string(body),
	})
	w.WriteHeader(http.StatusAccepted)
}

func (r *receiver) list() []notifiertest.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received
}

// serve starts a web server and returns its address with secrets in it.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return "http://" + user + ":pass%2Fword%252B1@" + strings.TrimPrefix(s.URL, "http://") + "/" + pathKey + "?key=" + token
}

func open(t *testing.T, address string) *Notifier {
	t.Helper()
	n, err := New(address, map[string]string{"authorization": "Bearer " + token})
	if err != nil {
		t.Fatal(err)
	}
	return n
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

func TestNotifier(t *testing.T) {
	notifiertest.Run(t, notifiertest.Subject{
		Secrets: []string{password, token, pathKey, user + ":" + password},
		Open: func(t *testing.T, mood notifiertest.Mood) notifiertest.Receiver {
			r := &receiver{}
			var address string
			switch mood {
			case notifiertest.Accepting:
				address = serve(t, r)
			case notifiertest.Refusing:
				address = serve(t, echo(http.StatusForbidden))
			case notifiertest.Overloaded:
				address = serve(t, echo(http.StatusServiceUnavailable))
			case notifiertest.HangingUp:
				address = serve(t, http.HandlerFunc(hangUp))
			case notifiertest.Silent:
				over := make(chan struct{})
				address = serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
				t.Cleanup(func() { close(over) })
			case notifiertest.Absent:
				address = "http://" + closedPort(t) + "/" + pathKey + "?key=" + token
			}
			return notifiertest.Receiver{Notifier: open(t, address), Received: r.list}
		},
	})
}

// closedPort returns an address of this machine where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestBodyIsTheMessage(t *testing.T) {
	var got notifier.Message
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		d := json.NewDecoder(q.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	want := notifiertest.Message()
	if err := open(t, address).Notify(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStatus(t *testing.T) {
	for status, want := range map[int]string{
		200: "delivered", 201: "delivered", 204: "delivered", 299: "delivered",
		301: "final", 302: "final", 307: "final", 308: "final",
		400: "final", 401: "final", 404: "final", 410: "final", 413: "final",
		408: "retry", 425: "retry", 429: "retry",
		500: "retry", 502: "retry", 503: "retry", 504: "retry", 599: "retry",
	} {
		asked := 0
		address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		err := open(t, address).Notify(t.Context(), notifiertest.Message())
		got := "retry"
		switch {
		case err == nil:
			got = "delivered"
		case errors.Is(err, notifier.ErrFinal):
			got = "final"
		}
		if got != want || asked != 1 {
			t.Errorf("status %d: %s after %d requests (%v), want %s after 1", status, got, asked, err, want)
		}
	}
}

func TestAnswerIsBounded(t *testing.T) {
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		for q.Context().Err() == nil {
			if _, err := w.Write([]byte(strings.Repeat("\x1b[2Jno such channel ", 1000))); err != nil {
				return
			}
		}
	}))
	err := open(t, address).Notify(t.Context(), notifiertest.Message())
	if err == nil || len(err.Error()) > 1000 || !strings.Contains(err.Error(), `\x1b[2Jno such channel`) {
		t.Errorf("error = %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		address string
		headers map[string]string
		want    string
	}{
		"nothing":          {"", nil, "want https://host/path"},
		"no scheme":        {"example.com/T0KENxyz", nil, "want https://host/path"},
		"other scheme":     {"ftp://example.com/T0KENxyz", nil, "want https://host/path"},
		"no host":          {"https:///T0KENxyz", nil, "want https://host/path"},
		"only a port":      {"https://:80/T0KENxyz", nil, "want https://host/path"},
		"not an address":   {"https://u:T0KENxyz@[::1/", nil, "want https://host/path"},
		"control":          {"https://h/T0KENxyz\n", nil, "want https://host/path"},
		"header's name":    {"https://h/T0KENxyz", map[string]string{"X Y": "1"}, `webhook https://h: header "X Y"`},
		"header's value":   {"https://h/T0KENxyz", map[string]string{"X": "T0KENxyz\n"}, "header X: its value holds a line break"},
		"reserved":         {"https://h/T0KENxyz", map[string]string{"content-type": "x"}, "header content-type: solocron sets it itself"},
		"host as a header": {"https://h/", map[string]string{"Host": "x"}, "header Host: solocron sets it itself"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.address, c.headers)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), token) {
				t.Errorf("New: %v; want an error with %q and without the secret", err, c.want)
			}
		})
	}
}

func TestFault84Addresses(t *testing.T) {
	for address, allowed := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "10.0.0.1:443": true, "192.168.1.1:443": true,
		"[fd00::1]:80": true, "93.184.216.34:443": true, "[2606:2800::1]:443": true,
		"169.254.169.254:80": false, "169.254.0.1:80": false, "[::ffff:169.254.169.254]:80": false,
		"[64:ff9b::a9fe:a9fe]:80": false, "[64:ff9b::5db8:d822]:80": true,
		"[fe80::1]:80": false, "[fe80::1%eth0]:80": false, "[febf::1]:80": false, "[fec0::1]:80": true,
		"[fd00:ec2::254]:80": false, "[fd20:ce::254]:80": false, "100.100.100.200:80": false,
		"192.0.0.192:80": false, "168.63.129.16:80": false,
		"224.0.0.1:80": false, "[ff02::1]:80": false, "not an address": false,
	} {
		if err := guard("tcp", address, nil); (err == nil) != allowed {
			t.Errorf("%s: %v, want allowed %v", address, err, allowed)
		}
	}
}

func TestFault84RefusedForGood(t *testing.T) {
	err := open(t, "http://169.254.169.254/latest/meta-data/").Notify(t.Context(), notifiertest.Message())
	if !errors.Is(err, notifier.ErrFinal) || !strings.Contains(err.Error(), "metadata addresses are not allowed") {
		t.Errorf("Notify = %v", err)
	}
}
