package keeper

import (
	"slices"
	"testing"
)

// What the words of a command are without a shell; nil is the shell's.
func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"/opt/app/bin/aggregate --yesterday": {"/opt/app/bin/aggregate", "--yesterday"},
		"  tar\tczf /b/x.tgz -C / etc\n":     {"tar", "czf", "/b/x.tgz", "-C", "/", "etc"},
		`mail -s 'it is $5' a@b.c`:           {"mail", "-s", "it is $5", "a@b.c"},
		`a"b c"'d e'f "" ''`:                 {"ab cd ef", "", ""},
		"''":                                 {""},
		"dd if=/dev/zero of=/x":              {"dd", "if=/dev/zero", "of=/x"},
		"printf 'a\nb'":                      {"printf", "a\nb"},
	} {
		if got := words(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
	for _, text := range []string{
		"", " \n", "a; b", "a & b", "a | b", "a > b", "a < b", "a $b", "a `b`", "a *", "a ?", "a [b]", "a {b,c}", "a ~",
		"a # b", "! a", "(a)", `a \b`, "a\nb", "a 'b", `a "b`, `a "$b"`, "a \"`b`\"", `a "\b"`, "a\x00", "a ^ b", "a é", "a\rb", "a\vb",
	} {
		if got := words(text); got != nil {
			t.Errorf("%q: %q without a shell", text, got)
		}
	}
}

// The commands that a shell would take otherwise than a program of that name.
func TestPlain(t *testing.T) {
	env := []string{"HOME=/", "PATH=/usr/bin:/bin"}
	a := attempt{}
	a.errand.Shell = "/bin/sh"
	for text, want := range map[string]string{
		"/bin/ls /": "/bin/ls", "exec /bin/ls": "/bin/ls", "env": "/usr/bin/env", "exec env": "/usr/bin/env", "bin/x": "bin/x",
		"no-such-program": "", "cd /": "", "exit 3": "", "true": "", "exec true": "", ". /x": "", "exec": "", "if x": "", "'cd' /": "",
		"A=b env": "", "exec -a b env": "", "'' env": "", "exec A=b": "", "umask 077": "", "etc": "",
	} {
		a.errand.Command = text
		if path, _ := a.plain(env); path != want {
			t.Errorf("%q is the program %q, want %q", text, path, want)
		}
	}
	a.errand.Command = "env"
	for _, path := range []string{"", ":/usr/bin", ".:/usr/bin", "bin:/usr/bin"} {
		if got, _ := a.plain([]string{"PATH=" + path}); got != "" {
			t.Errorf("found %q in the PATH %q", got, path)
		}
	}
	if got, _ := a.plain([]string{"HOME=/"}); got != "" {
		t.Errorf("found %q without a PATH", got)
	}
	a.errand.Shell = "/bin/bash"
	if got, _ := a.plain(env); got != "" {
		t.Errorf("found %q although the job has a shell of its own", got)
	}
	a.errand.Shell, a.as.means = "/bin/sh", "/usr/bin/setpriv"
	if got, _ := a.plain(env); got != "" {
		t.Errorf("found %q for another user", got)
	}
}
