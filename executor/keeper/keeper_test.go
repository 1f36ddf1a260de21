package keeper_test

import (
	"bytes"
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

func TestRunToTheEnd(t *testing.T) {
	h := newHost(t)
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
		{"exec ls /proc/self/fd", 0, "0\n1\n2\n3\n"},                       // ls itself has the fourth
		{"grep flags /proc/self/fdinfo/1 | tr -d '\\t '", 0, "flags:01\n"}, // it blocks
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
}

// The shell's guard and the keeper give a command the same environment.
func TestEnvironment(t *testing.T) {
	h := newHost(t)
	o := h.order("env -0 | sort -z | tr '\\0' '|'; pwd")
	o.Env = map[string]string{"GREETING": "it's\na 'b' \"c\" $HOME `id` \\ ", "dir": "/nowhere", "nl": "x", "IFS": ",", "PATH": "/bin:/usr/bin"}
	o.Secrets = map[string]string{"PASSWORD": "s3cr3t", "nl": "y"}
	o.Dir = "/usr"
	got := string(h.result(o).Output.Head)
	o.N = 2
	wire, err := o.Encode(guard.Link{Inline: true})
	if err != nil {
		t.Fatal(err)
	}
	argv := guard.Argv(guard.VerbStart)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = guard.Environ("root", h.home, "")
	cmd.Stdin = strings.NewReader(string(wire) + o.Go(time.Now()))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	kept, err := guard.Kept(h.dir(o))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("SOLOCRON_ATTEMPT=2", "SOLOCRON_ATTEMPT=1", "Z.2/", "Z.1/").Replace(string(kept.Head))
	if got != want || !strings.Contains(got, "PASSWORD=s3cr3t|") || strings.Contains(got, "t0ken") {
		t.Errorf("the keeper's:\n%s\nthe shell's:\n%s", got, want)
	}
}

func TestSecretsStayOutOfSight(t *testing.T) {
	h := newHost(t)
	o := h.order("while [ ! -e " + h.root + "/leave ]; do sleep 0.05; done")
	o.Secrets = map[string]string{"PASSWORD": "canary-" + t.Name()}
	k := h.start(o)
	k.run(o)
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if b, _ := os.ReadFile(f); bytes.Contains(b, []byte(o.Secrets["PASSWORD"])) {
			t.Errorf("the secret is in the arguments %q", b)
		}
	}
	os.WriteFile(h.root+"/leave", nil, 0o600)
	k.end()
	err := filepath.WalkDir(h.root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %s", path, info.Mode())
		}
		if b, _ := os.ReadFile(path); bytes.Contains(b, []byte(o.Secrets["PASSWORD"])) {
			t.Errorf("the secret is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWithoutGoNothingStarts(t *testing.T) {
	h := newHost(t)
	for n, c := range []struct{ name, answer string }{
		{"end of input", ""}, {"wrong token", "go other 1\n"}, {"half a line", "go t0ken"},
		{"another word", "stop\n"}, {"garbage", "\x00\xff\n"}, {"too much", strings.Repeat("x", 10000)},
	} {
		o := h.order("touch " + h.root + "/started")
		o.N = n + 1
		k := h.start(o)
		k.want("ready")
		if got := h.status(o); got.Phase != guard.PhaseReady {
			t.Errorf("%s: while it waits: %+v", c.name, got)
		}
		io.WriteString(k.File, c.answer)
		k.Close()
		eventually(t, "the attempt is over", func() bool { return h.status(o).Phase == guard.PhaseEnded })
		if got := h.status(o); got.Result.End != guard.Refused || got.Result.Reason != "no go was given to this attempt" {
			t.Errorf("%s: status %+v", c.name, got)
		}
	}
	if _, err := os.Stat(h.root + "/started"); err == nil {
		t.Error("a command was started")
	}
}

func TestTornOrderLeavesNoTrace(t *testing.T) {
	h := newHost(t)
	wire, _ := h.order("true").Encode(guard.Link{})
	f, err := h.keeper.Attend()
	if err != nil {
		t.Fatal(err)
	}
	f.Write(wire[:len(wire)-2])
	f.Close()
	h.result(h.order("true")) // the keeper takes it after the torn one
	if names, _ := filepath.Glob(h.root + "/runs/*"); len(names) != 1 {
		t.Errorf("run directories: %s", names)
	}
}

func TestSecondDeliveryStartsNothing(t *testing.T) {
	h := newHost(t)
	o := h.order("echo once >>" + h.root + "/witness; sleep 0.3")
	k := h.start(o)
	k.want("ready")
	early := h.refused(o, "delivered to this host before")
	k.give(o)
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
	if got := h.status(o); got.Result.End != guard.Exited {
		t.Errorf("a duplicate changed the result: %+v", got)
	}
}

func TestLock(t *testing.T) {
	h := newHost(t)
	first := h.order("setsid sleep 3 >/dev/null 2>&1 & while [ ! -e " + h.root + "/leave ]; do sleep 0.05; done")
	first.Exclusive = true
	k := h.start(first)
	k.run(first)
	second := h.order("true")
	second.N, second.Exclusive = 2, true
	s := h.start(second)
	s.want("ready")
	s.give(second)
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
	for n := range 20 { // it is free as soon as the end is told
		second.N = 4 + n
		if res := h.result(second); res.End != guard.Exited {
			t.Errorf("after the first: %+v", res)
		}
	}
}

func TestRefusals(t *testing.T) {
	h := newHost(t)
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
	o = h.order("echo ${BASH_VERSION%%.*}")
	o.Shell = "bash"
	if got := h.result(o); got.End != guard.Exited || got.Output.Bytes < 2 {
		t.Errorf("a refusal before ready used up the attempt: %+v", got)
	}
	h.root += "/runs/" + o.Attempt.Dir() + "/guard" // a file where the directory should be
	h.refused(h.order("true"), "not a directory")
}

func TestAnotherUser(t *testing.T) {
	needRoot(t)
	h := newHost(t)
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
}

// Two hundred runs leave nothing open and no process behind.
func TestNothingIsLeftOpen(t *testing.T) {
	h := newHost(t)
	o := h.order("echo out")
	h.result(o)
	pid := h.process(o, "guard")
	count := func(what string) int {
		names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/%s/*", pid, what))
		return len(names)
	}
	before := count("fd")
	for range 200 {
		o.N++
		if res := h.result(o); res.End != guard.Exited || res.Note != "" {
			t.Fatalf("%d: %+v", o.N, res)
		}
	}
	eventually(t, "descriptors are closed", func() bool { return count("fd") <= before })
	if n := count("task"); n > 40 {
		t.Errorf("%d threads", n)
	}
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range children {
		if b, _ := os.ReadFile(f); len(b) > 0 {
			t.Errorf("children left: %s", b)
		}
	}
}
