// Package webhook posts messages as JSON to an address of the operator's.
//
// The body is a [notifier.Message]; the header Idempotency-Key is its key, by
// which the receiver can drop a repeat. Any 2xx is a delivery. 408, 425, 429
// and 5xx are worth a retry, every other answer is final. Redirects are not
// followed.
//
// The address stands in the operator's own file, so loopback and private
// networks are allowed. Link-local addresses and the clouds' metadata services
// are not, whatever name leads there: a connection is refused after the name
// was resolved and before it is made. Where the environment names a proxy
// (HTTPS_PROXY), the proxy resolves the name, and only its own address is
// looked at.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/solocron/solocron/notifier"
)

const (
	timeout     = 30 * time.Second // of one delivery, if the context allows more
	dialTimeout = 10 * time.Second
	answerBytes = 2 << 10 // of an answer's body that are read
	headerBytes = 64 << 10
	tailBytes   = 32 << 10
)

// Notifier posts messages to one address.
type Notifier struct {
	url     string
	name    string // the address without its secrets, for errors
	headers http.Header
	client  *http.Client
	redact  *notifier.Redactor
}

// New returns the notifier for an http or https address. The headers, often a
// token, go with every message. Both may hold secrets: of the address only
// scheme and host show in errors, of the headers only the names.
func New(address string, headers map[string]string) (*Notifier, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return nil, errors.New("webhook: the url is not valid: want https://host/path, with special characters percent-encoded")
	}
	n := &Notifier{url: address, name: "webhook " + u.Scheme + "://" + u.Host, headers: http.Header{}, client: client()}
	secrets := []string{u.Path, u.RawQuery, u.Fragment, u.User.String()}
	for name, value := range headers {
		if err := checkHeader(name, value); err != nil {
			return nil, fmt.Errorf("%s: %w", n.name, err)
		}
		n.headers.Set(name, value)
		secrets = append(secrets, value)
	}
	n.redact = notifier.NewRedactor(secrets...)
	return n, nil
}

// client keeps no connection: messages are rare and receivers restart.
func client() *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: guard}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: headerBytes,
		},
	}
}

// The headers that this package sets itself.
var reserved = []string{"Content-Length", "Content-Type", "Host", "Idempotency-Key", "Transfer-Encoding"}

func checkHeader(name, value string) error {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	switch {
	case name == "" || strings.Trim(name, token) != "":
		return fmt.Errorf("header %q: not a header's name", name)
	case slices.Contains(reserved, http.CanonicalHeaderKey(name)):
		return fmt.Errorf("header %s: solocron sets it itself, leave it out", name)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return fmt.Errorf("header %s: its value holds a line break or another control character, perhaps at the end of a secret's file", name)
	}
	return nil
}

// Notify implements [notifier.Notifier].
func (n *Notifier) Notify(ctx context.Context, m notifier.Message) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := n.request(ctx, m)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", n.name, notifier.ErrFinal, n.redact.Clean(err.Error()))
	}
	answer, err := n.client.Do(request)
	if err != nil {
		return n.unsent(ctx, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 == 2 {
		return nil
	}
	// An answer that breaks off is still an answer.
	said, _ := io.ReadAll(io.LimitReader(answer.Body, answerBytes))
	return n.refused(answer.StatusCode, string(said))
}

func (n *Notifier) request(ctx context.Context, m notifier.Message) (*http.Request, error) {
	m.Tail = notifier.Tail(m.Tail, tailBytes)
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = n.headers.Clone()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", headerSafe(m.Key))
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "solocron")
	}
	return request, nil
}

// unsent explains a request without an answer. It leaves out the *url.Error
// around the cause, which quotes the address.
func (n *Notifier) unsent(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: no answer: %w", n.name, context.Cause(ctx))
	}
	var around *url.Error
	if errors.As(err, &around) {
		err = around.Err
	}
	if errors.Is(err, errForbidden) {
		return fmt.Errorf("%s: %w: %w", n.name, notifier.ErrFinal, errForbidden)
	}
	return fmt.Errorf("%s: %s", n.name, n.redact.Clean(err.Error()))
}

// refused explains an answer other than 2xx.
func (n *Notifier) refused(status int, said string) error {
	what := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	switch {
	case status/100 == 3:
		return fmt.Errorf("%s: %w: answered %s: redirects are not followed, name the final address", n.name, notifier.ErrFinal, what)
	case said != "":
		what += ": " + n.redact.Clean(said)
	}
	switch {
	case status/100 == 5, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return fmt.Errorf("%s: answered %s", n.name, what)
	}
	return fmt.Errorf("%s: %w: answered %s", n.name, notifier.ErrFinal, what)
}

// headerSafe percent-encodes what a header can't carry.
func headerSafe(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
