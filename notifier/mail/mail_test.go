package mail

import (
	"errors"
	"net"
	"net/mail"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/notifier/notifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	user     = "deploy"
	password = "correct/horse+batt"
)

// open returns a notifier for the server, changed as the test likes.
func open(t *testing.T, s *server, change func(*Options)) *Notifier {
	t.Helper()
	o := Options{
		Server: s.address, User: s.user, Password: s.password, Roots: s.roots,
		From: "Ops <ops@example.com>", To: []string{"ann@example.org", "Bob <bob@example.org>"},
	}
	if change != nil {
		change(&o)
	}
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNotifier(t *testing.T) {
	for _, mode := range []string{StartTLS, Implicit, None} {
		t.Run(mode, func(t *testing.T) {
			notifiertest.Run(t, notifiertest.Subject{
				Secrets: []string{password, "\x00" + user + "\x00" + password},
				Open: func(t *testing.T, mood notifiertest.Mood) notifiertest.Receiver {
					s := &server{implicit: mode == Implicit, says: moods[mood]}
					if mode != None {
						s.user, s.password = user, password
					}
					s.start(t)
					if mood == notifiertest.Absent {
						s.address = closedPort(t)
					}
					n := open(t, s, func(o *Options) { o.TLS = mode })
					return notifiertest.Receiver{Notifier: n, Received: s.received}
				},
			})
		})
	}
}

var moods = map[notifiertest.Mood]map[string]string{
	notifiertest.Refusing:   {"RCPT": "550 5.1.1 no such user"},
	notifiertest.Overloaded: {"MAIL": "451 4.3.2 come back later"},
	notifiertest.Silent:     {"": "silence"},
	notifiertest.HangingUp:  {"DATA": "hang up"},
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

func TestLetter(t *testing.T) {
	s := (&server{user: user, password: password}).start(t)
	n := open(t, s, nil)
	m := notifiertest.Message()
	for range 2 {
		if err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	m.Key = "another"
	if err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	letters := s.letters()
	got := letters[0]
	if diff := cmp.Diff([]string{"TO:<ann@example.org>", "TO:<bob@example.org>"}, got.to); diff != "" {
		t.Errorf("recipients (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got.from, "FROM:<ops@example.com>") || !got.encrypt {
		t.Errorf("from %q, encrypted %v", got.from, got.encrypt)
	}
	for name, want := range map[string]string{
		"From":           `"Ops" <ops@example.com>`,
		"To":             `<ann@example.org>, "Bob" <bob@example.org>`,
		"Subject":        "solocron: nightly on web-2 failed with exit code 3",
		"Auto-Submitted": "auto-generated",
		"Content-Type":   "text/plain; charset=UTF-8",
	} {
		if got := got.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if _, err := mail.ParseDate(got.header.Get("Date")); err != nil {
		t.Errorf("date: %v", err)
	}
	if diff := cmp.Diff(notifier.Text(notifiertest.Message()), strings.ReplaceAll(got.text, "\r\n", "\n")); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	ids := []string{got.header.Get("Message-Id"), letters[1].header.Get("Message-Id"), letters[2].header.Get("Message-Id")}
	if ids[0] != ids[1] || ids[0] == ids[2] || !strings.HasSuffix(ids[0], "@example.com>") {
		t.Errorf("message IDs %q: want the first two alike", ids)
	}
}

func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		server *server
		final  bool
		want   string
	}{
		"wrong password, echoed":  {&server{user: user, password: "another"}, true, "535"},
		"login refused for now":   {&server{user: user, password: password, says: map[string]string{"AUTH": "454 4.7.0 later"}}, false, "454"},
		"not ready":               {&server{says: map[string]string{"": "421 closing"}}, false, "421"},
		"not for us":              {&server{says: map[string]string{"": "554 go away"}}, true, "554"},
		"mail too big":            {&server{says: map[string]string{".": "552 too big"}}, true, "552"},
		"mailbox full for now":    {&server{says: map[string]string{".": "452 full"}}, false, "452"},
		"hangs up before its yes": {&server{says: map[string]string{".": "hang up"}}, false, "EOF"},
		"no starttls":             {&server{noStartTLS: true}, false, "STARTTLS"},
		"talks of the password":   {&server{user: user, password: password, says: map[string]string{"MAIL": "550 " + user + " has " + password}}, true, "550"},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.server.start(t)
			n := open(t, s, func(o *Options) {
				if o.User != "" {
					o.Password = password
				}
			})
			err := n.Notify(t.Context(), notifiertest.Message())
			if err == nil || errors.Is(err, notifier.ErrFinal) != c.final || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("Notify = %v; want final %v, with %q", err, c.final, c.want)
			}
			if strings.Contains(err.Error(), "horse") || strings.Contains(err.Error(), "Y29ycmVjdC9ob3JzZ") || strings.Contains(err.Error(), "ZGVwbG95") {
				t.Errorf("the error holds the password: %v", err)
			}
			if len(s.letters()) != 0 {
				t.Error("the mail arrived all the same")
			}
		})
	}
}

func TestFarewellDoesNotMatter(t *testing.T) {
	for _, verb := range []string{"RSET", "QUIT"} {
		for _, says := range []string{"hang up", "500 what?"} {
			s := (&server{says: map[string]string{verb: says}}).start(t)
			if err := open(t, s, nil).Notify(t.Context(), notifiertest.Message()); err != nil {
				t.Errorf("%s answered %q after the mail was accepted: %v", verb, says, err)
			}
		}
	}
}

func TestUnknownCertificateIsRefused(t *testing.T) {
	for _, mode := range []string{StartTLS, Implicit} {
		s := (&server{implicit: mode == Implicit, user: user, password: password}).start(t)
		n := open(t, s, func(o *Options) { o.TLS, o.Roots = mode, nil })
		err := n.Notify(t.Context(), notifiertest.Message())
		if err == nil || !strings.Contains(err.Error(), "certificate") || len(s.letters()) != 0 {
			t.Errorf("%s: Notify = %v, %d letters", mode, err, len(s.letters()))
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := Options{Server: "smtp.example.com:587", User: user, Password: password, From: "a@example.com", To: []string{"b@example.com"}}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Options){
		`server "smtp.example.com": want host:port`:  func(o *Options) { o.Server = "smtp.example.com" },
		`server ":25": want host:port`:               func(o *Options) { o.Server = ":25" },
		`server "h:smtp": want host:port`:            func(o *Options) { o.Server = "h:smtp" },
		`server "h:0": want host:port`:               func(o *Options) { o.Server = "h:0" },
		`tls "ssl": want starttls, implicit or none`: func(o *Options) { o.TLS = "ssl" },
		`tls is none`:                   func(o *Options) { o.TLS = None },
		`user and password go together`: func(o *Options) { o.User = "" },
		`from "": want a mail address`:  func(o *Options) { o.From = "" },
		`from "ops": want`:              func(o *Options) { o.From = "ops" },
		`to: want at least one`:         func(o *Options) { o.To = nil },
		`to "b@x\r\nBcc: c@x": want`:    func(o *Options) { o.To = []string{"b@x\r\nBcc: c@x"} },
	} {
		s := good
		change(&s)
		_, err := New(s)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), password) {
			t.Errorf("New: %v; want an error with: %s", err, want)
		}
	}
}
