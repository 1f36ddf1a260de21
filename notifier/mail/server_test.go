package mail

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/solocron/solocron/notifier/notifiertest"
)

// server is a small SMTP server that keeps the mail it accepted. What it says
// to a command may be set by the command's first word, "" standing for the
// greeting and "." for the end of the mail; "hang up" closes the connection
// instead, "silence" waits for the end of the test.
type server struct {
	says       map[string]string
	noStartTLS bool
	implicit   bool
	user       string // wants this login; empty for none
	password   string

	address string
	cert    tls.Certificate
	roots   *x509.CertPool
	over    chan struct{}

	mu   sync.Mutex
	mail []letter
}

// letter is one mail as it was accepted.
type letter struct {
	from    string
	to      []string
	encrypt bool
	header  netmail.Header
	text    string
}

func (s *server) start(t *testing.T) *server {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate
	web.Close()
	s.cert, s.roots = web.TLS.Certificates[0], x509.NewCertPool()
	s.roots.AddCert(web.Certificate())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address, s.over = listener.Addr().String(), make(chan struct{})
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		close(s.over)
		listener.Close()
		sessions.Wait()
	})
	return s
}

func (s *server) letters() []letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mail
}

func (s *server) received() []notifiertest.Delivery {
	var all []notifiertest.Delivery
	for _, l := range s.letters() {
		all = append(all, notifiertest.Delivery{Key: notifiertest.KeyIn(l.text), Headers: l.header, Text: l.text})
	}
	return all
}

// session is one connection.
type session struct {
	*server
	conn     net.Conn
	text     *textproto.Conn
	secure   bool
	loggedIn bool
	letter   letter
}

func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	c := &session{server: s, conn: conn}
	if s.implicit {
		c.encrypt()
	}
	c.text = textproto.NewConn(c.conn)
	if !c.say("", "220 test ready") {
		return
	}
	for {
		line, err := c.text.ReadLine()
		if err != nil {
			return
		}
		verb, argument, _ := strings.Cut(line, " ")
		if !c.obey(strings.ToUpper(verb), argument) {
			return
		}
	}
}

func (c *session) encrypt() {
	c.conn = tls.Server(c.conn, &tls.Config{Certificates: []tls.Certificate{c.cert}})
	c.secure = true
}

// say answers a command, as set or with the given line.
func (c *session) say(verb, line string) (goOn bool) {
	if set, ok := c.says[verb]; ok {
		line = set
	}
	switch line {
	case "hang up":
		return false
	case "silence":
		<-c.over
		return false
	}
	return c.text.PrintfLine("%s", line) == nil
}

func (c *session) obey(verb, argument string) (goOn bool) {
	switch verb {
	case "EHLO":
		lines := "250-test"
		if !c.secure && !c.noStartTLS {
			lines += "\r\n250-STARTTLS"
		}
		if c.user != "" && c.secure {
			lines += "\r\n250-AUTH PLAIN"
		}
		return c.say(verb, lines+"\r\n250 8BITMIME")
	case "STARTTLS":
		if !c.say(verb, "220 go ahead") {
			return false
		}
		c.encrypt()
		c.text = textproto.NewConn(c.conn)
		return true
	case "AUTH":
		want := base64.StdEncoding.EncodeToString([]byte("\x00" + c.user + "\x00" + c.password))
		if argument != "PLAIN "+want || !c.secure {
			return c.say(verb, "535 5.7.8 refused: AUTH "+argument)
		}
		c.loggedIn = true
		return c.say(verb, "235 welcome")
	case "MAIL":
		if c.user != "" && !c.loggedIn {
			return c.say(verb, "530 log in first")
		}
		c.letter = letter{from: argument, encrypt: c.secure}
		return c.say(verb, "250 ok")
	case "RCPT":
		c.letter.to = append(c.letter.to, argument)
		return c.say(verb, "250 ok")
	case "DATA":
		return c.say(verb, "354 go ahead") && c.take()
	case "RSET", "NOOP":
		return c.say(verb, "250 ok")
	case "QUIT":
		c.say(verb, "221 bye")
		return false
	}
	return c.say(verb, "502 unknown command")
}

// take reads one mail and keeps it if it is accepted.
func (c *session) take() (goOn bool) {
	raw, err := io.ReadAll(c.text.DotReader())
	if err != nil {
		return false
	}
	if _, refused := c.says["."]; !refused {
		if err := c.keep(string(raw)); err != nil {
			return c.say(".", "554 can't read that: "+err.Error())
		}
	}
	return c.say(".", "250 accepted")
}

func (c *session) keep(raw string) error {
	m, err := netmail.ReadMessage(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		return err
	}
	body := m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return err
	}
	m.Header["Subject"] = []string{subject}
	c.letter.header, c.letter.text = m.Header, string(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mail = append(c.mail, c.letter)
	return nil
}
