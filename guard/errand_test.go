package guard_test

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

// Whatever an order holds, a guard in Go reads what a shell would have.
func FuzzErrand(f *testing.F) {
	f.Add("true", "/bin/sh", "", "", "it's", "", int64(1000), int64(10), int64(0), false)
	f.Add("echo 'a\n\nb' \"$nl\"", "/bin/bash", "nobody", "/tmp/it's", "\n'\n\\'\"$nl\"", "/var/run", int64(1), int64(0), int64(1<<30), true)
	f.Add("\xff\xfe", "sh", "x", "\n", "export A='b'\n", "'", int64(86400_000), int64(15), int64(128<<10), true)
	f.Fuzz(func(t *testing.T, command, shell, user, dir, value, root string, timeout, grace, kept int64, exclusive bool) {
		o := guard.Order{
			Attempt: guard.Attempt{Run: "job@20261122T023000Z", N: 3, Kept: root},
			Token:   "t0ken", Job: "job", Host: value, Fence: 7,
			Command: command, Shell: shell, User: user, Dir: dir,
			Env: map[string]string{"A": value, "B": "b"}, Secrets: map[string]string{"S": value + "'"},
			Timeout: time.Duration(timeout%1e9) * time.Millisecond, Grace: time.Duration(grace%1e9) * 10 * time.Millisecond,
			Exclusive: exclusive, OutputBytes: kept,
		}
		wire, err := o.Encode(guard.Link{})
		if err != nil {
			return
		}
		r := bufio.NewReader(bytes.NewReader(append(wire, "go on"...)))
		got, err := guard.ReadErrand(r)
		if err != nil {
			t.Fatalf("%v in %q", err, wire)
		}
		if shell == "" {
			shell = "/bin/sh"
		}
		env := []string{
			"A=" + value, "B=b", "S=" + value + "'",
			"SOLOCRON_RUN_ID=job@20261122T023000Z", "SOLOCRON_JOB=job", "SOLOCRON_DUE=0001-01-01T00:00:00Z",
			"SOLOCRON_ATTEMPT=3", "SOLOCRON_HOST=" + value, "SOLOCRON_FENCE=7",
		}
		if got.Root != root || got.Name != "job@20261122T023000Z.3" || got.Token != "t0ken" || got.Command != command ||
			got.Shell != shell || got.User != user || got.Dir != dir || (got.Lock == "job") != exclusive || !slices.Equal(got.Env, env) {
			t.Errorf("%+v\nof %+v", got, o)
		}
		if (got.Timeout-o.Timeout).Abs() > time.Microsecond || got.Grace != o.Grace ||
			got.HeadBytes+got.TailBytes < guard.MinOutputBytes || kept >= guard.MinOutputBytes && got.HeadBytes+got.TailBytes != kept {
			t.Errorf("%+v\nof %+v", got, o)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "go on" {
			t.Errorf("left %q", rest)
		}
		if _, err := guard.ReadErrand(bufio.NewReader(bytes.NewReader(wire[:len(wire)-1]))); err == nil {
			t.Error("a torn order was taken")
		}
	})
}

func FuzzReadErrand(f *testing.F) {
	for _, seed := range []string{"", ".\n", "o_name='a'\n.\n", "o_name='a\n", "o_env='export A='\\''b'\\'''\"$nl\"''\n.\n", "o_x=''\n", "o_name='a'b\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := guard.ReadErrand(bufio.NewReader(strings.NewReader(text)))
		if err == nil && (e.Name == "" || e.Token == "" || e.Command == "") {
			t.Errorf("%+v of %q", e, text)
		}
	})
}
