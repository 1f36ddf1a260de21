// Package mail sends messages by SMTP.
//
// A message's Message-ID is made from its key, so that mail programs and
// servers can drop a repeat. It goes to all recipients or, when the server
// refuses one of them, to none. The server's 5xx answers are final, its 4xx
// answers and broken connections are worth a retry. A password never travels
// unencrypted: with TLS "none" there is no login.
package mail

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/solocron/solocron/notifier"
)

// Options say where mail goes. User and Password may be empty for a server
// that asks for none.
type Options struct {
	Server   string // host:port
	TLS      string // StartTLS, Implicit or None; empty for StartTLS
	User     string
	Password string
	From     string // "ops@example.com" or "Ops <ops@example.com>"
	To       []string
	Roots    *x509.CertPool // whom to trust; nil for the system's
}

// How the connection is encrypted. StartTLS fails, rather than go on in the
// clear, with a server that doesn't offer it.
const (
	StartTLS = "starttls"
	Implicit = "implicit"
	None     = "none"
)

const timeout = 30 * time.Second // of one delivery, if the context allows more

// Notifier sends messages to one set of recipients.
type Notifier struct {
	options Options
	host    string
	port    int
	from    string // bare address
	name    string // for errors
	redact  *notifier.Redactor
}

// New checks the options; it doesn't connect. Its errors hold no secret.
func New(o Options) (*Notifier, error) {
	n := &Notifier{options: o, name: "mail by " + o.Server}
	var port string
	var err error
	if n.host, port, err = net.SplitHostPort(o.Server); err == nil {
		n.port, err = strconv.Atoi(port)
	}
	if err != nil || n.host == "" || n.port < 1 || n.port > 65535 {
		return nil, fmt.Errorf("mail: server %q: want host:port, such as smtp.example.com:587", o.Server)
	}
	switch o.TLS {
	case "", StartTLS, Implicit:
	case None:
		if o.User != "" || o.Password != "" {
			return nil, fmt.Errorf("%s: tls is none, which would show the password to everybody: use starttls or implicit, or leave out user and password", n.name)
		}
	default:
		return nil, fmt.Errorf("%s: tls %q: want starttls, implicit or none", n.name, o.TLS)
	}
	if (o.User == "") != (o.Password == "") {
		return nil, fmt.Errorf("%s: user and password go together: set both or neither", n.name)
	}
	if err := n.checkAddresses(); err != nil {
		return nil, fmt.Errorf("%s: %w", n.name, err)
	}
	n.redact = notifier.NewRedactor(o.Password,
		base64.StdEncoding.EncodeToString([]byte(o.Password)),
		base64.StdEncoding.EncodeToString([]byte("\x00"+o.User+"\x00"+o.Password)))
	return n, nil
}

func (n *Notifier) checkAddresses() error {
	from, err := mail.ParseAddress(n.options.From)
	if err != nil {
		return fmt.Errorf("from %q: want a mail address", n.options.From)
	}
	n.from = from.Address
	if len(n.options.To) == 0 {
		return errors.New("to: want at least one mail address")
	}
	for _, to := range n.options.To {
		if _, err := mail.ParseAddress(to); err != nil {
			return fmt.Errorf("to %q: want a mail address", to)
		}
	}
	return nil
}

// Notify implements [notifier.Notifier].
func (n *Notifier) Notify(ctx context.Context, m notifier.Message) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", n.name, context.Cause(ctx))
	}
	letter, err := n.letter(m)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", n.name, notifier.ErrFinal, n.redact.Clean(err.Error()))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = n.send(ctx, letter)
	switch {
	case err == nil || letter.IsDelivered(): // saying goodbye may fail
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: no answer: %w", n.name, context.Cause(ctx))
	}
	return n.explain(err)
}

// send opens a connection of its own. The library only bounds its dialing by
// the context, so the connection is closed under it when ctx is done.
func (n *Notifier) send(ctx context.Context, letter *gomail.Msg) error {
	conn, err := n.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	client, err := n.client(conn)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, letter)
}

func (n *Notifier) dial(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{}
	if n.options.TLS == Implicit {
		secure := tls.Dialer{NetDialer: dialer, Config: n.tls()}
		return secure.DialContext(ctx, "tcp", n.options.Server)
	}
	return dialer.DialContext(ctx, "tcp", n.options.Server)
}

// client is one that uses the given connection.
func (n *Notifier) client(conn net.Conn) (*gomail.Client, error) {
	how := []gomail.Option{
		gomail.WithPort(n.port),
		gomail.WithTLSConfig(n.tls()),
		gomail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return conn, nil }),
	}
	if n.options.TLS == "" || n.options.TLS == StartTLS {
		how = append(how, gomail.WithTLSPolicy(gomail.TLSMandatory))
	} else {
		how = append(how, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if n.options.User != "" {
		how = append(how,
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin),
			gomail.WithUsername(n.options.User), gomail.WithPassword(n.options.Password))
	}
	return gomail.NewClient(n.host, how...)
}

func (n *Notifier) tls() *tls.Config {
	return &tls.Config{ServerName: n.host, MinVersion: tls.VersionTLS12, RootCAs: n.options.Roots}
}

// explain says whether a failure is final, and leaves the secrets out.
func (n *Notifier) explain(err error) error {
	cause := n.redact.Clean(err.Error())
	if code(err)/100 == 5 {
		return fmt.Errorf("%s: %w: %s", n.name, notifier.ErrFinal, cause)
	}
	return fmt.Errorf("%s: %s", n.name, cause)
}

// code is the server's answer behind the error, or 0.
func code(err error) int {
	var sent *gomail.SendError
	if errors.As(err, &sent) {
		return sent.ErrorCode()
	}
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return answer.Code
	}
	return 0
}

// letter writes the mail.
func (n *Notifier) letter(m notifier.Message) (*gomail.Msg, error) {
	letter := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := letter.From(n.options.From); err != nil {
		return nil, err
	}
	if err := letter.To(n.options.To...); err != nil {
		return nil, err
	}
	letter.Subject(notifier.Subject(m))
	letter.SetDate()
	letter.SetMessageIDWithValue(n.messageID(m.Key))
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // no out-of-office replies
	letter.SetBodyString(gomail.TypeTextPlain, notifier.Text(m))
	return letter, nil
}

// messageID is the same for the same key and recipients.
func (n *Notifier) messageID(key string) string {
	sum := sha256.Sum256([]byte(key + "\x00" + strings.Join(n.options.To, "\x00")))
	_, domain, _ := strings.Cut(n.from, "@")
	return fmt.Sprintf("%x@%s", sum[:16], domain)
}
