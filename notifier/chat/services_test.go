package chat

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"go.uber.org/goleak"

	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/notifier/notifiertest"
)

// internet stands in for every server that the library might call: a proxy,
// named by the environment, that plays the far end itself, with certificates
// that this process trusts. What is sent to it as to a server, it answers too.
type internet struct {
	address   string
	authority tls.Certificate

	mu     sync.Mutex
	status string // of every answer; empty to hang up
	body   string
	bodies []string // of the requests
}

var world internet

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "chat-test-")
	must(err)
	world.authority = issue("test authority", nil)
	path := filepath.Join(folder, "ca.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: world.authority.Certificate[0]})
	must(os.WriteFile(path, encoded, 0o600))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	world.address = listener.Addr().String()
	must(listener.Close())
	must(os.Setenv("SSL_CERT_FILE", path))
	must(os.Setenv("HTTPS_PROXY", "http://"+world.address))
	must(os.Setenv("NO_PROXY", ""))
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		must(os.RemoveAll(folder))
		os.Exit(code)
	}))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// issue makes a certificate: the authority's, or a server's signed by it.
func issue(name string, by *tls.Certificate) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: by == nil, BasicConstraintsValid: true, DNSNames: []string{name},
	}
	parent, signer := template, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	must(err)
	leaf, err := x509.ParseCertificate(der)
	must(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// open lets the world answer until the test ends.
func (w *internet) open(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { w.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		connections.Wait()
	})
}

// serve answers one request and closes the connection.
func (w *internet) serve(conn net.Conn) {
	defer conn.Close()
	q, err := http.ReadRequest(bufio.NewReader(conn))
	if err == nil && q.Method == http.MethodConnect {
		name := q.URL.Hostname()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{issue(name, &w.authority)}})
		q, err = http.ReadRequest(bufio.NewReader(conn))
	}
	if err != nil {
		return
	}
	body, _ := io.ReadAll(q.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bodies = append(w.bodies, string(body))
	if w.status != "" {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", w.status, len(w.body), w.body)
	}
	if secure, ok := conn.(*tls.Conn); ok {
		_ = secure.CloseWrite()
	}
}

// says sets the answer and forgets the requests.
func (w *internet) says(status, body string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.body, w.bodies = status, body, nil
}

// asked returns the bodies of the requests.
func (w *internet) asked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bodies
}

// addresses are of every service.
func addresses() map[string]string {
	here := world.address
	return map[string]string{
		"bark":       "bark://:T0KENdevice@bark.example",
		"discord":    "discord://T0KENxyz@1234567",
		"googlechat": "googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=T0KENxyz&token=T0KENabc",
		"gotify":     "gotify://" + here + "/AaaaT0KENxyzaaa?disabletls=yes",
		"ifttt":      "ifttt://T0KENxyz@T0KENxyz?events=event1&messagevalue=1",
		"join":       "join://shoutrrr:T0KENxyz@join/?devices=device",
		"lark":       "lark://open.larksuite.com/T0KENxyz",
		"matrix":     "matrix://user:T0KENxyz@matrix.example",
		"mattermost": "mattermost://" + here + "/T0KENxyz?disabletls=yes",
		"notifiarr":  "notifiarr://T0KENxyz",
		"ntfy":       "ntfy://" + here + "/T0KENxyz?scheme=http",
		"opsgenie":   "opsgenie://api.opsgenie.com/T0KENxyz-faa2-4ba2-a551q-1afdf565c889",
		"pagerduty":  "pagerduty://events.pagerduty.com/eb243592faa24ba2a5511afdf565c889",
		"pushbullet": "pushbullet://o.T0KENxyzijklmnopqrstuvwxyzABCDEF",
		"pushover":   "pushover://:T0KENxyz@user/?devices=device",
		"rocketchat": "rocketchat://rocket.example/T0KENxyz/T0KENabc/channel",
		"signal":     "signal://signal.example:8443/+1234567890/+0987654321",
		"slack":      "slack://hook:T0KEN1234-BBBBBBBBB-123456789123456789123456@webhook",
		"slack api":  "slack://xoxb:123456789012-123456789012-T0KENxyzabcdefabcdefabcd@channel",
		"teams":      "teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344/44444444-4444-4444-8444-cccccccccccc/V2ESyij_gAljSoUQHvZoZYzlpAoAXExyOl26dlf1xHEx05?host=test.webhook.office.com",
		"telegram":   "telegram://110201543:T0KENxyzGJxfSeofSAs0K5PALDsaw0AbCdE@telegram?channels=@ops,-1001:7",
		"wecom":      "wecom://T0KENxyz-7aoc-4bc4-97a0-0ec2sifa5aaa",
		"zulip":      "zulip://bot%40zulip.example:T0KENxyz@zulip.example/?stream=foo&topic=bar",
	}
}

func TestTelegram(t *testing.T) {
	world.open(t)
	world.says("200 OK", `{"ok":true}`)
	n, err := New(addresses()["telegram"] + "&notification=no")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Notify(t.Context(), notifiertest.Message()); err != nil {
		t.Fatal(err)
	}
	var chats []string
	for _, body := range world.asked() {
		var sent struct {
			Chat   string `json:"chat_id"`
			Thread int    `json:"message_thread_id"`
			Silent bool   `json:"disable_notification"`
			Mode   string `json:"parse_mode"`
			Text   string `json:"text"`
		}
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatal(err)
		}
		if sent.Text != text(notifiertest.Message()) || !sent.Silent || sent.Mode != "" {
			t.Errorf("sent %+v", sent)
		}
		chats = append(chats, fmt.Sprint(sent.Chat, " ", sent.Thread))
	}
	if want := []string{"@ops 0", "-1001 7"}; !slices.Equal(chats, want) {
		t.Errorf("chats %q, want %q", chats, want)
	}
}

// Whatever a service of the library's makes of an outage or a refusal, it must
// not say that the message was delivered.
func TestNoServiceLosesAMessage(t *testing.T) {
	world.open(t)
	known := addresses()
	for _, name := range new(router.ServiceRouter).ListServices() {
		if services[name] == nil && !slices.Contains([]string{"generic", "logger", "smtp"}, name) {
			t.Errorf("service %s of the library can't be used", name)
		}
	}
	for name := range services {
		if _, shown := known[name]; !shown && name != "hangouts" {
			t.Errorf("service %s is not looked at", name)
		}
	}
	for name, address := range known {
		t.Run(name, func(t *testing.T) {
			n, err := New(address)
			if err != nil {
				t.Fatal(err)
			}
			for _, answer := range [][2]string{
				{"", ""},
				{"500 Internal Server Error", ""}, {"500 Internal Server Error", "{}"}, {"502 Bad Gateway", "<html>"},
				{"403 Forbidden", ""}, {"403 Forbidden", "{}"}, {"403 Forbidden", "no"},
				{"403 Forbidden", `{"ok":false,"error_code":403,"description":"bot was blocked"}`},
			} {
				world.says(answer[0], answer[1])
				err := n.Notify(t.Context(), notifiertest.Message())
				final := errors.Is(err, notifier.ErrFinal)
				switch {
				case len(world.asked()) == 0:
					t.Errorf("%q: nobody was asked: %v", answer, err)
				case err == nil:
					t.Errorf("%q: the message counts as delivered", answer)
				case strings.Contains(err.Error(), "T0KEN"):
					t.Errorf("%q: the error holds a secret: %v", answer, err)
				case final && answer[0] != "403 Forbidden":
					t.Errorf("%q: final: %v", answer, err)
				}
			}
		})
	}
}
