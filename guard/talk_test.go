package guard_test

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
	"pgregory.net/rapid"
)

// Whatever the values are, every shell reads back exactly what was encoded.
func TestOrderSurvivesEveryShell(t *testing.T) {
	shells(t, func(t *testing.T, h *guardtest.Host) {
		const read = `nl='
'
while IFS= read -r line; do [ "$line" != . ] || break; eval "$line"; done
printf '%s\0' "$o_command" "$o_cwd" "$o_user" "$o_token"; eval "$o_env"; printf '%s\0' "$VALUE" "$SECRET"`
		text := rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("'\"\\$`\n\t !#%*;&|<>(){}[]~.\r\x01\x7f\x81\x88\xc3"))), 1, 60)
		value := rapid.Map(text, func(b []byte) string { return strings.ReplaceAll(string(b), "\x00", "x") })
		rapid.Check(t, func(rt *rapid.T) {
			o := h.Order(value.Draw(rt, "command"))
			o.Dir = value.Draw(rt, "dir")
			o.Env = map[string]string{"VALUE": value.Draw(rt, "value")}
			o.Secrets = map[string]string{"SECRET": value.Draw(rt, "secret")}
			wire, err := o.Encode(guard.Link{})
			if err != nil {
				rt.Fatal(err)
			}
			cmd := exec.Command(h.Shell[0], append(h.Shell[1:], "-c", read)...)
			cmd.Env = guard.Environ("root", "/", "")
			cmd.Stdin = bytes.NewReader(wire)
			got, err := cmd.Output()
			want := strings.Join([]string{o.Command, o.Dir, "", o.Token, o.Env["VALUE"], o.Secrets["SECRET"], ""}, "\x00")
			if err != nil || string(got) != want {
				rt.Fatalf("%v\n got %q\nwant %q", err, got, want)
			}
		})
	})
}

func TestOrdersThatNoHostCouldStart(t *testing.T) {
	for name, spoil := range map[string]func(*guard.Order){
		"command is empty":   func(o *guard.Order) { o.Command = "" },
		"command with NUL":   func(o *guard.Order) { o.Command = "a\x00b" },
		"command too long":   func(o *guard.Order) { o.Command = strings.Repeat("x", 200<<10) },
		"run id":             func(o *guard.Order) { o.Run = "../../etc" },
		"foreign job":        func(o *guard.Order) { o.Job = "other" },
		"attempt":            func(o *guard.Order) { o.N = 0 },
		"token":              func(o *guard.Order) { o.Token = "a b" },
		"timeout":            func(o *guard.Order) { o.Timeout = 0 },
		"user is an option":  func(o *guard.Order) { o.User = "--reuid" },
		"variable name":      func(o *guard.Order) { o.Env = map[string]string{"a;b": ""} },
		"variable of ours":   func(o *guard.Order) { o.Env = map[string]string{"SOLOCRON_HOST": ""} },
		"readonly variable":  func(o *guard.Order) { o.Secrets = map[string]string{"PPID": "1"} },
		"variable with NUL":  func(o *guard.Order) { o.Secrets = map[string]string{"KEY": "s3cr3t\x00"} },
		"variable too long":  func(o *guard.Order) { o.Env = map[string]string{"KEY": strings.Repeat("x", 130<<10)} },
		"directory with NUL": func(o *guard.Order) { o.Dir = "/\x00" },
	} {
		h := &guardtest.Host{}
		o := h.Order("true")
		spoil(&o)
		_, err := o.Encode(guard.Link{})
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{
		"ready\nstarted\nend exited\ncode 3\nfrom 1795314600123\nto 1795314601123\nreason \nnote \n.\noutput 5 \ndata 5 0\nhello",
		"end refused\ncode 0\nfrom 0\nto 0\nbusy 1\nreason held\nnote \n.\n", "data 16384 49152\n", "data 99999999999 1\n", "data -1 0\n",
		"end exited\ncode 300\n.\n", "end what\n", "output x\n", strings.Repeat("x", 9000) + "\n", "phase running\n", "\n\n \x00\xff\n", "end exited\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		r := guard.NewReader(bytes.NewReader(said))
		for {
			m, err := r.Next()
			if err != nil {
				break
			}
			if len(m.Text) > 600 || len(m.Result.Reason) > 600 || len(m.Output.Head)+len(m.Output.Tail) > guard.HeadBytes+guard.TailBytes {
				t.Fatalf("unbounded: %+v", m)
			}
			if strings.ContainsAny(m.Text+m.Result.Reason+m.Result.Note, "\n\x00\x1b") {
				t.Fatalf("not printable: %+v", m)
			}
		}
		if s, err := guard.ReadStatus(bytes.NewReader(said)); err == nil && s.Phase == "" {
			t.Fatal("a status without a phase")
		}
	})
}

func TestStatusIsWholeOrAnError(t *testing.T) {
	whole := "phase ended\nend exited\ncode 3\nfrom 1795314600123\nto 1795314601123\nreason \nnote \n.\noutput 5 \ndata 5 0\nhello"
	s, err := guard.ReadStatus(strings.NewReader(whole))
	if err != nil || s.Result.Code != 3 || string(s.Result.Output.Head) != "hello" || s.Result.EndedAt.Sub(s.Result.StartedAt) != time.Second {
		t.Fatalf("%+v, %v", s, err)
	}
	for n := range whole {
		if s, err := guard.ReadStatus(strings.NewReader(whole[:n])); err == nil {
			t.Errorf("cut after %d bytes: %+v", n, s)
		} else if n == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("no answer: %v", err)
		}
	}
}
