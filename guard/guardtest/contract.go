package guardtest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

func runToTheEnd(t *testing.T, h *Host) {
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
		// The last 7 digits are signals 1 to 28; libc keeps some of the others to itself.
		{"grep -E 'Sig(Ign|Blk)' /proc/self/status | grep -o '.......$'; umask", 0, "0000000\n0000000\n0022\n"},
		{"exec readlink /proc/self/fd/3 /proc/self/fd/9", 1, ""},
		{"grep flags /proc/self/fdinfo/1 | tr -d '\\t '", 0, "flags:01\n"}, // it blocks
		{"set -- $(cat /proc/$$/stat); [ $6 = $$ ] && echo own session", 0, "own session\n"},
	} {
		o := h.Order(c.command)
		o.N = n + 1
		before := time.Now().Add(-time.Millisecond)
		res := h.Result(o)
		if res.End != guard.Exited || res.Code != c.code || string(res.Output.Head) != c.output ||
			res.Output.Bytes != int64(len(c.output)) || res.Output.Cut || res.Note != "" {
			t.Errorf("%s: %+v, output %q", c.command, res, res.Output.Head)
		}
		if res.StartedAt.Before(before) || res.EndedAt.Before(res.StartedAt) || res.EndedAt.After(time.Now().Add(time.Second)) {
			t.Errorf("%s: from %s to %s", c.command, res.StartedAt, res.EndedAt)
		}
		again := h.Status(o)
		if again.Phase != guard.PhaseEnded || again.Result.Code != c.code || string(again.Result.Output.Head) != c.output ||
			!again.Result.EndedAt.Equal(res.EndedAt) {
			t.Errorf("%s: status says %+v", c.command, again)
		}
	}
}

func environment(t *testing.T, h *Host) {
	o := h.Order("env -0 | sort -z | tr '\\0' '|'; pwd")
	o.Env = map[string]string{"GREETING": "it's\na 'b' \"c\" $HOME `id` \\ ", "dir": "/nowhere", "nl": "x", "IFS": ","}
	o.Secrets = map[string]string{"PASSWORD": "s3cr3t"}
	o.Dir = "/usr"
	got := string(h.Result(o).Output.Head)
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
	for _, word := range []string{"LC_ALL", "OLDPWD", guard.RunDirVariable, "o_env", "o_token", "t0ken"} {
		if strings.Contains(got, word) {
			t.Errorf("%s in the command's environment: %q", word, got)
		}
	}
}

func secretsStayOutOfSight(t *testing.T, h *Host) {
	o := h.Order("while [ ! -e " + h.Root + "/leave ]; do sleep 0.05; done")
	secret := "canary-" + strings.ReplaceAll(t.Name(), "/", "-")
	o.Secrets = map[string]string{"PASSWORD": secret}
	k := h.Start(o, guard.Link{})
	k.Run(o)
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if b, _ := os.ReadFile(f); bytes.Contains(b, []byte(secret)) {
			t.Errorf("the secret is in the arguments %q", b)
		}
	}
	os.WriteFile(h.Root+"/leave", nil, 0o600)
	k.End()
	err := filepath.WalkDir(h.Root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %s", path, info.Mode())
		}
		if err != nil || d.IsDir() {
			return err
		}
		if b, err := os.ReadFile(path); err != nil || bytes.Contains(b, []byte(secret)) {
			t.Errorf("the secret is in %s (%v)", path, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func withoutGoNothingStarts(t *testing.T, h *Host) {
	for n, c := range []struct{ name, answer string }{
		{"end of input", ""}, {"wrong token", "go other 1\n"}, {"half a line", "go t0ken"},
		{"another word", "stop\n"}, {"garbage", "\x00\xff\n"}, {"too much", strings.Repeat("x", 10000)},
	} {
		o := h.Order("touch " + h.Root + "/started")
		o.N = n + 1
		k := h.Start(o, guard.Link{})
		k.Want("ready")
		if got := h.Status(o); got.Phase != guard.PhaseReady {
			t.Errorf("%s: while it waits: %+v", c.name, got)
		}
		io.WriteString(k, c.answer)
		k.Close()
		if h.Attend == nil {
			if res := k.End(); res.End != guard.Refused || !h.Ended(o) {
				t.Errorf("%s: %+v", c.name, res)
			}
		}
		Eventually(t, "the attempt is over", func() bool { return h.Ended(o) })
		if got := h.Status(o); got.Result.End != guard.Refused || got.Result.Reason != "no go was given to this attempt" {
			t.Errorf("%s: status %+v", c.name, got)
		}
	}
	if _, err := os.Stat(h.Root + "/started"); err == nil {
		t.Error("a command was started")
	}
}

func tornOrderLeavesNoTrace(t *testing.T, h *Host) {
	o := h.Order("true")
	wire, _ := o.Encode(guard.Link{})
	k := h.Begin()
	k.Write(wire[:len(wire)-2])
	k.Close()
	if h.Attend == nil {
		if m, err := k.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%+v, %v", m, err)
		}
		if err := k.Cmd.Wait(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(h.Root); err == nil {
			t.Error("a run directory was made")
		}
	}
	h.Result(o) // on a socket it is taken after the torn one
	if names, _ := filepath.Glob(h.Root + "/runs/*"); len(names) != 1 {
		t.Errorf("run directories: %s", names)
	}
}

func secondDeliveryStartsNothing(t *testing.T, h *Host) {
	o := h.Order("echo once >>" + h.Root + "/witness; sleep 0.3")
	k := h.Start(o, guard.Link{})
	k.Want("ready")
	early := h.Refused(o, "delivered to this host before")
	k.Give(o)
	k.Want("started")
	during := h.Refused(o, "delivered to this host before")
	k.End()
	after := h.Refused(o, "delivered to this host before")
	if !early.Duplicate || !during.Duplicate || !after.Duplicate {
		t.Error("a duplicate is not marked as one")
	}
	if b, _ := os.ReadFile(h.Root + "/witness"); string(b) != "once\n" {
		t.Errorf("the witness saw %q", b)
	}
	if got := h.Status(o); got.Result.End != guard.Exited {
		t.Errorf("a duplicate changed the result: %+v", got)
	}
}

func lock(t *testing.T, h *Host) {
	first := h.Order("setsid sleep 3 >/dev/null 2>&1 & while [ ! -e " + h.Root + "/leave ]; do sleep 0.05; done")
	first.Exclusive = true
	k := h.Start(first, guard.Link{})
	k.Run(first)

	second := h.Order("true")
	second.N, second.Exclusive = 2, true
	s := h.Start(second, guard.Link{})
	s.Want("ready")
	s.Give(second)
	if res := s.End(); res.End != guard.Refused || !res.Busy {
		t.Errorf("second: %+v", res)
	}
	other := h.Order("true")
	other.N = 3
	if res := h.Result(other); res.End != guard.Exited {
		t.Errorf("not exclusive: %+v", res)
	}
	os.WriteFile(h.Root+"/leave", nil, 0o600)
	k.End()
	for n := range 20 { // it is free as soon as the end is told
		second.N = 4 + n
		if res := h.Result(second); res.End != guard.Exited {
			t.Errorf("after the first: %+v", res)
		}
	}
}

func refusals(t *testing.T, h *Host) {
	o := h.Order("true")
	o.Dir = "/no/such/dir"
	h.Refused(o, "no directory /no/such/dir")
	o = h.Order("true")
	o.Shell = "/no/such/shell"
	h.Refused(o, "no shell /no/such/shell")
	o.Shell = "no-such-shell"
	h.Refused(o, "no shell no-such-shell")
	o = h.Order("true")
	o.User = "no-such-user"
	h.Refused(o, "no user no-such-user")
	o = h.Order("echo ${BASH_VERSION%%.*}")
	o.Shell = "bash"
	if got := h.Result(o); got.End != guard.Exited || got.Output.Bytes < 2 {
		t.Errorf("a refusal before ready used up the attempt: %+v", got)
	}
	h.Root += "/runs/" + o.Attempt.Dir() + "/guard" // a file where the directory should be
	h.Refused(h.Order("true"), "not a directory")
}

func unwritableRoot(t *testing.T, h *Host) {
	os.WriteFile(h.Root, nil, 0o600) // a file where the directory should be
	h.Refused(h.Order("true"), "")
	if out := h.Ask(guard.VerbProbe, "7", "0"); !strings.Contains(out, "unfit cannot write run directories in "+h.Root) {
		t.Errorf("probe: %q", out)
	}
	if _, err := guard.ReadStatus(strings.NewReader(h.Ask(guard.VerbStatus, "x.1"))); err == nil {
		t.Error("status proves something without a root")
	}
}

func anotherUser(t *testing.T, h *Host) {
	NeedRoot(t)
	// It has the user's groups alone, and no way back to the guard's user.
	o := h.Order("id -un; id -Gn; echo $USER $LOGNAME $HOME; grep -E '^[UG]id' /proc/self/status | tr -s '\\t' ' '; ls " + h.Root + " 2>&1 | tail -c 20")
	o.User = "nobody"
	res := h.Result(o)
	if got := string(res.Output.Head); !strings.HasPrefix(got, "nobody\nnogroup\nnobody nobody /nonexistent\nUid: 65534 65534 65534 65534\nGid: 65534 65534 65534 65534\n") ||
		!strings.HasSuffix(got, "Permission denied\n") {
		t.Errorf("%+v: %q", res, got)
	}
	o = h.Order("echo $GREETING; exec sleep 300")
	o.N, o.User, o.Env, o.Timeout = 2, "nobody", map[string]string{"GREETING": "it's", "PATH": "/bin"}, 300*time.Millisecond
	res = h.Result(o)
	if res.End != guard.TimedOut || res.Code != 143 || string(res.Output.Head) != "it's\n" || res.Note != "" {
		t.Errorf("%+v: %q", res, res.Output.Head)
	}
}
