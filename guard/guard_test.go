package guard_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

func TestScriptIsCleanShell(t *testing.T) {
	cmd := exec.Command(need(t, "shellcheck", "shellcheck"), "-s", "sh", "-")
	var all strings.Builder
	for _, part := range []string{"common", "tree", "output", "start", "ask", "main"} {
		b, err := os.ReadFile("sh/" + part + ".sh")
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	cmd.Stdin = strings.NewReader(all.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
	if len(guard.CommandLine(guard.VerbStart)) > 32<<10 {
		t.Errorf("the guard has grown to %d bytes", len(guard.CommandLine(guard.VerbStart)))
	}
}

func TestRunToTheEnd(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		for n, c := range []struct {
			command string
			code    int
			output  string
		}{
			{"true", 0, ""},
			{"echo out; echo err >&2", 0, "out\nerr\n"},
			{"exit 3", 3, ""},
			{"kill -TERM $$", 143, ""},
			{"kill -KILL $$", 137, ""},
			{"printf '\\000\\377\\033[31m\\r\\n'", 0, "\x00\xff\x1b[31m\r\n"},
			{"no-such-command 2>/dev/null", 127, ""},
			{"read line || echo end of input", 0, "end of input\n"},
			// The last 7 digits are signals 1 to 28; libc keeps some of the others to itself.
			{"grep -E 'Sig(Ign|Blk)' /proc/self/status | grep -o '.......$'; umask", 0, "0000000\n0000000\n0022\n"},
			{"exec readlink /proc/self/fd/3 /proc/self/fd/9", 1, ""},
			{"set -- $(cat /proc/$$/stat); [ $6 = $$ ] && echo own session", 0, "own session\n"},
		} {
			o := h.order(c.command)
			o.N = n + 1
			before := time.Now().Add(-time.Millisecond)
			res := h.result(o)
			if res.End != guard.Exited || res.Code != c.code || string(res.Output.Head) != c.output ||
				res.Output.Bytes != int64(len(c.output)) || res.Output.Cut || res.Note != "" {
				t.Errorf("%s: %+v, output %q", c.command, res, res.Output.Head)
			}
			if res.StartedAt.Before(before) || res.EndedAt.Before(res.StartedAt) || res.EndedAt.After(time.Now().Add(time.Second)) {
				t.Errorf("%s: from %s to %s", c.command, res.StartedAt, res.EndedAt)
			}
			again := h.status(o)
			if again.Phase != guard.PhaseEnded || again.Result.Code != c.code || string(again.Result.Output.Head) != c.output ||
				!again.Result.EndedAt.Equal(res.EndedAt) {
				t.Errorf("%s: status says %+v", c.command, again)
			}
		}
	})
}

func TestEnvironment(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		o := h.order("env -0 | sort -z | tr '\\0' '|'; pwd")
		o.Env = map[string]string{"GREETING": "it's\na 'b' \"c\" $HOME `id` \\ ", "dir": "/nowhere", "nl": "x", "IFS": ","}
		o.Secrets = map[string]string{"PASSWORD": "s3cr3t"}
		o.Dir = "/usr"
		got := string(h.result(o).Output.Head)
		for _, want := range []string{
			"GREETING=" + o.Env["GREETING"] + "|", "dir=/nowhere|", "nl=x|", "PASSWORD=s3cr3t|",
			"SOLOCRON_RUN_ID=job@20261122T023000Z|", "SOLOCRON_JOB=job|", "SOLOCRON_DUE=2026-11-22T02:30:00Z|",
			"SOLOCRON_ATTEMPT=1|", "SOLOCRON_HOST=host-1|", "SOLOCRON_FENCE=7|",
			"USER=root|", "LOGNAME=root|", "SHELL=/bin/sh|", "LANG=C.UTF-8|", "HOME=", "PATH=", "|/usr\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in %q", want, got)
			}
		}
		for _, word := range []string{"LC_ALL", "OLDPWD", "o_env", "o_token", "t0ken"} {
			if strings.Contains(got, word) {
				t.Errorf("%s in the command's environment: %q", word, got)
			}
		}
	})
}

func TestSecretsStayOutOfSight(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		o := h.order("while [ ! -e " + h.root + "/leave ]; do sleep 0.05; done")
		secret := "canary-" + strings.ReplaceAll(t.Name(), "/", "-")
		o.Secrets = map[string]string{"PASSWORD": secret}
		k := h.start(o, guard.Link{})
		k.run(o)
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range files {
			if b, _ := os.ReadFile(f); bytes.Contains(b, []byte(secret)) {
				t.Errorf("the secret is in the arguments %q", b)
			}
		}
		os.WriteFile(h.root+"/leave", nil, 0o600)
		k.end()
		err := filepath.WalkDir(h.root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if b, err := os.ReadFile(path); err != nil || bytes.Contains(b, []byte(secret)) {
				t.Errorf("the secret is in %s (%v)", path, err)
			}
			info, err := d.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 && filepath.Base(path) != "leave" {
				t.Errorf("%s is open to others: %s", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestWithoutGoNothingStarts(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		for n, c := range []struct{ name, answer string }{
			{"end of input", ""}, {"wrong token", "go other 1\n"}, {"half a line", "go t0ken"},
			{"another word", "stop\n"}, {"garbage", "\x00\xff\n"},
		} {
			o := h.order("touch " + h.root + "/started")
			o.N = n + 1
			k := h.start(o, guard.Link{})
			k.want("ready")
			if got := h.status(o); got.Phase != guard.PhaseReady {
				t.Errorf("%s: while it waits: %+v", c.name, got)
			}
			io.WriteString(k.stdin, c.answer)
			k.stdin.Close()
			if res := k.end(); res.End != guard.Refused {
				t.Errorf("%s: %+v", c.name, res)
			}
			if got := h.status(o); got.Phase != guard.PhaseEnded || got.Result.End != guard.Refused {
				t.Errorf("%s: status %+v", c.name, got)
			}
		}
		if _, err := os.Stat(h.root + "/started"); err == nil {
			t.Error("a command was started")
		}
	})
}

func TestTornOrderLeavesNoTrace(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		o := h.order("true")
		wire, _ := o.Encode(guard.Link{})
		cmd := h.command(guard.VerbStart)
		cmd.Stdin = bytes.NewReader(wire[:len(wire)-2])
		if out, err := cmd.Output(); err != nil || len(out) > 0 {
			t.Errorf("%q, %v", out, err)
		}
		if _, err := os.Stat(h.root); err == nil {
			t.Error("a run directory was made")
		}
	})
}

func TestWaitForGoIsBounded(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		o := h.order("true")
		k := h.start(o, guard.Link{GoWithin: 300 * time.Millisecond})
		k.want("ready")
		if m, err := k.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("the guard said %+v, %v", m, err)
		}
		if got := h.status(o); got.Result.End != guard.Refused || !strings.Contains(got.Result.Reason, "no go within") {
			t.Errorf("status %+v", got)
		}

		o.N = 2
		k = h.start(o, guard.Link{GoWithin: 77 * time.Minute})
		k.run(o)
		if res := k.end(); res.End != guard.Exited {
			t.Errorf("%+v", res)
		}
		eventually(t, "the expiry's sleep is gone", func() bool { return len(holding("sleep\x004620\x00")) == 0 })
	})
}

func TestSecondDeliveryStartsNothing(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		o := h.order("echo once >>" + h.root + "/witness; sleep 0.3")
		k := h.start(o, guard.Link{})
		k.want("ready")
		early := h.refused(o, "delivered to this host before")
		io.WriteString(k.stdin, o.Go(time.Now()))
		k.want("started")
		during := h.refused(o, "delivered to this host before")
		k.end()
		after := h.refused(o, "delivered to this host before")
		if !early.Duplicate || !during.Duplicate || !after.Duplicate {
			t.Error("a duplicate is not marked as one")
		}
		if b, _ := os.ReadFile(h.root + "/witness"); string(b) != "once\n" {
			t.Errorf("the witness saw %q", b)
		}
	})
}

func TestLock(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		first := h.order("setsid sleep 3 >/dev/null 2>&1 & while [ ! -e " + h.root + "/leave ]; do sleep 0.05; done")
		first.Exclusive = true
		k := h.start(first, guard.Link{})
		k.run(first)

		second := h.order("true")
		second.N, second.Exclusive = 2, true
		s := h.start(second, guard.Link{})
		s.want("ready")
		io.WriteString(s.stdin, second.Go(time.Now()))
		if res := s.end(); res.End != guard.Refused || !res.Busy {
			t.Errorf("second: %+v", res)
		}
		other := h.order("true")
		other.N = 3
		if res := h.result(other); res.End != guard.Exited {
			t.Errorf("not exclusive: %+v", res)
		}
		os.WriteFile(h.root+"/leave", nil, 0o600)
		k.end()
		second.N = 4
		if res := h.result(second); res.End != guard.Exited {
			t.Errorf("after the first: %+v", res)
		}
	})
}

func TestRefusals(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		o := h.order("true")
		o.Dir = "/no/such/dir"
		h.refused(o, "no directory /no/such/dir")
		o = h.order("true")
		o.Shell = "/no/such/shell"
		h.refused(o, "no shell /no/such/shell")
		o.Shell = "no-such-shell"
		h.refused(o, "no shell no-such-shell")
		o = h.order("true")
		o.User = "no-such-user"
		h.refused(o, "no user no-such-user")
		if got := h.result(h.order("true")); got.End != guard.Exited {
			t.Errorf("a refusal before ready used up the attempt: %+v", got)
		}
	})
}

func TestUnwritableRoot(t *testing.T) {
	shells(t, func(t *testing.T, h *host) {
		os.WriteFile(h.root, nil, 0o600) // a file where the directory should be
		h.refused(h.order("true"), "")
		if out := h.ask(guard.VerbProbe, "7", "0"); !strings.Contains(out, "unfit cannot write run directories in "+h.root) {
			t.Errorf("probe: %q", out)
		}
		if _, err := guard.ReadStatus(strings.NewReader(h.ask(guard.VerbStatus, "x.1"))); err == nil {
			t.Error("status proves something without a root")
		}
	})
}

func TestAnotherUser(t *testing.T) {
	needRoot(t)
	shells(t, func(t *testing.T, h *host) {
		o := h.order("id -un; id -gn; echo $USER $LOGNAME $HOME; ls " + h.root + " 2>&1 | tail -c 20")
		o.User = "nobody"
		res := h.result(o)
		if got := string(res.Output.Head); !strings.HasPrefix(got, "nobody\nnogroup\nnobody nobody /nonexistent\n") || !strings.HasSuffix(got, "Permission denied\n") {
			t.Errorf("%+v: %q", res, got)
		}
		o = h.order("echo $GREETING; exec sleep 300")
		o.N, o.User, o.Env, o.Timeout = 2, "nobody", map[string]string{"GREETING": "it's", "PATH": "/bin"}, 300*time.Millisecond
		res = h.result(o)
		if res.End != guard.TimedOut || res.Code != 143 || string(res.Output.Head) != "it's\n" || res.Note != "" {
			t.Errorf("%+v: %q", res, res.Output.Head)
		}
	})
}

func TestOrdinaryUserCannotBecomeAnother(t *testing.T) {
	needRoot(t)
	shells(t, func(t *testing.T, h *host) {
		home := "/tmp/solocron-nobody-" + fmt.Sprint(os.Getpid()) + "-" + filepath.Base(t.Name())
		t.Cleanup(func() { os.RemoveAll(home) })
		if err := os.Mkdir(home, 0o700); err != nil {
			t.Fatal(err)
		}
		os.Chown(home, 65534, 65534)
		as := func(o guard.Order) string {
			wire, _ := o.Encode(guard.Link{})
			cmd := h.command(guard.VerbStart)
			cmd.Args = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, cmd.Args...)
			cmd.Path = need(t, "setpriv", "util-linux")
			cmd.Env = guard.Environ("nobody", home, "")
			cmd.Stdin = strings.NewReader(string(wire) + o.Go(time.Now()))
			out, _ := cmd.Output()
			return string(out)
		}
		o := h.order("id -un")
		o.Kept = ""
		if got := as(o); !strings.Contains(got, "end exited\ncode 0\n") {
			t.Errorf("own user: %q", got)
		}
		if _, err := os.Stat(home + "/.local/state/solocron/runs/" + o.Attempt.Dir() + "/result"); err != nil {
			t.Error(err)
		}
		o.N, o.User = 2, "root"
		if got := as(o); !strings.Contains(got, "must be root to run as user root") {
			t.Errorf("another user: %q", got)
		}
	})
}
