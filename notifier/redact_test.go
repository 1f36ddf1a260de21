package notifier_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/solocron/solocron/notifier"
)

func TestRedactor(t *testing.T) {
	for name, c := range map[string]struct {
		secrets    []string
		text, want string
	}{
		"none":                    {nil, "connection refused", "connection refused"},
		"empty":                   {[]string{"", "/"}, "a / b", "a / b"},
		"whole":                   {[]string{"s3cret"}, "auth s3cret failed", "auth … failed"},
		"put together otherwise":  {[]string{"slack://hook:AAAA-BBBB-CCCC@webhook"}, "POST /services/AAAA/BBBB/CCCC", "POST /services/…/…/…"},
		"encoded":                 {[]string{"pass/wörd"}, "pass%2Fw%C3%B6rd and pass/wörd", "… and …"},
		"given encoded":           {[]string{"pass%2Fw"}, "pass/w", "…"},
		"short words stay":        {[]string{"a1:b"}, "a b a1 a1:b", "a b a1 …"},
		"the longest goes first":  {[]string{"token", "tokenlong"}, "tokenlong", "…"},
		"one line, no escapes":    {nil, " a\nb\x1b[2J ", `a\nb\x1b[2J`},
		"a bad percent is itself": {[]string{"100%zz"}, "is 100%zz", "is …"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := notifier.NewRedactor(c.secrets...).Clean(c.text); got != c.want {
				t.Errorf("Clean(%q) = %q, want %q", c.text, got, c.want)
			}
		})
	}
	if got := notifier.NewRedactor().Clean(strings.Repeat("x", 5000)); len(got) > 400 {
		t.Errorf("a cleaned text has %d bytes", len(got))
	}
}

func FuzzRedactor(f *testing.F) {
	f.Add("T0K-EN/x%2F", "before ", " after")
	f.Add("\xff\xfe", "%", "\x00")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		if len(secret) < 8 || strings.Contains(before+after, "…") || strings.Contains(secret, "…") {
			return
		}
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			got := notifier.NewRedactor(secret).Clean(before + form + after)
			if strings.Contains(got, form) && !strings.Contains(before+after, form) {
				t.Fatalf("%q still holds %q", got, form)
			}
		}
	})
}
