package fleet_test

import (
	"strings"
	"testing"

	"github.com/solocron/solocron/fleet"
)

func TestParseAddress(t *testing.T) {
	for s, want := range map[string]fleet.Address{
		"local":                            {Local: true},
		"ssh://web-1":                      {Host: "web-1", Port: 22},
		"ssh://web-1.example.com:2222":     {Host: "web-1.example.com", Port: 2222},
		"ssh://deploy@10.0.0.1":            {User: "deploy", Host: "10.0.0.1", Port: 22},
		"ssh://[2001:db8::1]":              {Host: "2001:db8::1", Port: 22},
		"ssh://_ci.bot@[fe80::1%eth0]:022": {User: "_ci.bot", Host: "fe80::1%eth0", Port: 22},
	} {
		got, err := fleet.ParseAddress(s)
		if err != nil || got != want {
			t.Errorf("ParseAddress(%q) = %+v, %v; want %+v", s, got, err, want)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	const form = `want "local" or "ssh://[user@]host[:port]"`
	for s, want := range map[string]string{
		"":                                  form,
		"Local":                             form,
		"web-1":                             form,
		"http://web-1":                      form,
		"SSH://web-1":                       form,
		"ssh://":                            `host "": want a name`,
		"ssh://@web-1":                      `user "": want letters`,
		"ssh://deploy@":                     `host ""`,
		"ssh://-oProxyCommand=x":            `host "-oProxyCommand=x"`,
		"ssh://-l@web-1":                    `user "-l"`,
		"ssh://a b@web-1":                   `user "a b"`,
		"ssh://we b":                        `host "we b"`,
		"ssh://web\n1":                      `host "web\n1"`,
		"ssh://web-1/path":                  `host "web-1/path"`,
		"ssh://web-1:22/":                   `port "22/"`,
		"ssh://web-1?x=y":                   `host "web-1?x=y"`,
		"ssh://wéb":                         `host "wéb"`,
		"ssh://web-1:":                      `port "": want 1 to 65535`,
		"ssh://web-1:0":                     `port "0"`,
		"ssh://web-1:65536":                 `port "65536"`,
		"ssh://web-1:ssh":                   `port "ssh"`,
		"ssh://web-1:+22":                   `port "+22"`,
		"ssh://2001:db8::1":                 "IPv6 address in brackets",
		"ssh://[2001:db8::1":                "want host or host:port",
		"ssh://[2001:db8::g]":               "not an IPv6 address",
		"ssh://[10.0.0.1]":                  "not an IPv6 address",
		"ssh://[fe80::1%-x]":                "not an IPv6 address",
		"ssh://[]:22":                       "not an IPv6 address",
		"ssh://" + strings.Repeat("a", 254): "want a name",
	} {
		got, err := fleet.ParseAddress(s)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseAddress(%q) = %+v, %v; want an error with: %s", s, got, err, want)
		}
	}
}

func TestParseAddressKeepsPasswordsToItself(t *testing.T) {
	for _, s := range []string{
		"ssh://deploy:hunter2@web-1", "ssh://:hunter2@web-1", "ssh://a:hunter2@b@web-1",
		"http://deploy:hunter2@web-1", "deploy:hunter2@web-1", "ssh://deploy:hunter2@",
	} {
		_, err := fleet.ParseAddress(s)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseAddress(%q): %v; want an error without the password", s, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"local", "ssh://u@h:22", "ssh://[::1%lo]:1", "ssh://-x", "ssh://a:b@c", "ssh://[::1]:", "ssh://a@@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := fleet.ParseAddress(s)
		if err != nil {
			return
		}
		for _, word := range []string{a.User, a.Host} {
			if strings.HasPrefix(word, "-") || strings.ContainsAny(word, " \t\r\n\"'`$\\;&|<>(){}*?!~#/@") || strings.ContainsFunc(word, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%q gives the unsafe word %q", s, word)
			}
		}
		if !a.Local && (a.Host == "" || a.Port < 1 || a.Port > 65535) {
			t.Fatalf("%q gives %+v", s, a)
		}
		if again, err := fleet.ParseAddress(a.String()); err != nil || again != a {
			t.Fatalf("%q gives %+v, which reads as %+v, %v", s, a, again, err)
		}
	})
}
