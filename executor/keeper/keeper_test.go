package keeper_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/executor/keeper"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
	"go.uber.org/goleak"
)

// raceLog is where keepers, which have no standard error, report data races.
var raceLog = filepath.Join(os.TempDir(), "solocron-keeper-race-"+strconv.Itoa(os.Getpid()))

func TestMain(m *testing.M) {
	keeper.Main()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		found, _ := filepath.Glob(raceLog + "*")
		for _, name := range found {
			report, _ := os.ReadFile(name)
			fmt.Printf("in a keeper: %s\n", report)
			os.Remove(name)
			code = 1
		}
		os.Exit(code)
	}))
}

// host is this machine with a keeper of its own.
type host struct {
	*guardtest.Host
	keeper *keeper.Keeper
}

func newHost(t *testing.T) host {
	t.Helper()
	h := host{Host: guardtest.NewHost(t, guardtest.Guard{})}
	k, err := keeper.Start(append(guard.Environ("root", h.Home, ""), "GORACE=atexit_sleep_ms=0 log_path="+raceLog))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	h.keeper, h.Attend = k, k.Attend
	return h
}

func TestContract(t *testing.T) {
	guardtest.Run(t, func(t *testing.T) *guardtest.Host { return newHost(t).Host })
}

// The shell's guard and the keeper give a command the same environment.
func TestSameEnvironment(t *testing.T) {
	h := newHost(t)
	o := h.Order("env -0 | sort -z | tr '\\0' '|'; pwd")
	o.Env = map[string]string{"GREETING": "it's\na 'b' \"c\" $HOME `id` \\ ", "dir": "/nowhere", "nl": "x", "IFS": ",", "PATH": "/bin:/usr/bin"}
	o.Secrets = map[string]string{"PASSWORD": "s3cr3t", "nl": "y"}
	o.Dir = "/usr"
	got := string(h.Result(o).Output.Head)
	o.N = 2
	wire, err := o.Encode(guard.Link{Inline: true})
	if err != nil {
		t.Fatal(err)
	}
	cmd := h.Command(guard.VerbStart)
	cmd.Stdin = strings.NewReader(string(wire) + o.Go(time.Now()))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	kept, err := guard.Kept(h.Dir(o))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("SOLOCRON_ATTEMPT=2", "SOLOCRON_ATTEMPT=1", "Z.2/", "Z.1/").Replace(string(kept.Head))
	if got != want || !strings.Contains(got, "PASSWORD=s3cr3t|") || strings.Contains(got, "t0ken") {
		t.Errorf("the keeper's:\n%s\nthe shell's:\n%s", got, want)
	}
}

// What a daemon was started with stays its own.
func TestCommandHasNoOtherDescriptors(t *testing.T) {
	h := newHost(t)
	res := h.Result(h.Order("exec ls /proc/self/fd"))
	if got := string(res.Output.Head); got != "0\n1\n2\n3\n" { // ls itself has the fourth
		t.Errorf("%+v: %q", res, got)
	}
}

// Two hundred runs leave nothing open and no process behind.
func TestNothingIsLeftOpen(t *testing.T) {
	h := newHost(t)
	o := h.Order("echo out")
	h.Result(o)
	pid := h.Process(o, "guard")
	count := func(what string) int {
		names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/%s/*", pid, what))
		return len(names)
	}
	before := count("fd")
	for range 200 {
		o.N++
		if res := h.Result(o); res.End != guard.Exited || res.Note != "" {
			t.Fatalf("%d: %+v", o.N, res)
		}
	}
	guardtest.Eventually(t, "descriptors are closed", func() bool { return count("fd") <= before })
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

func TestKeeperKilled(t *testing.T) {
	guardtest.Bystander(t)
	h := newHost(t)
	ready, plain, rough := h.Order("true"), h.Order("exec sleep 300"), h.Order(guardtest.Stubborn)
	plain.N, rough.N, rough.Grace = 2, 3, 200*time.Millisecond
	h.Start(ready, guard.Link{}).Want("ready")
	h.Start(plain, guard.Link{}).Run(plain)
	h.Start(rough, guard.Link{}).Run(rough)
	h.Wrote(rough)
	h.Kill(plain, "watcher")

	guardtest.Eventually(t, "a dead keeper takes no orders", func() bool {
		f, err := h.keeper.Attend()
		if err == nil {
			f.Close()
		}
		return err != nil
	})
	if got := h.Status(ready).Result; got.End != guard.Refused {
		t.Errorf("killed while ready: %+v", got)
	}
	if got := h.Status(plain); got.Phase != guard.PhaseRunning {
		t.Errorf("orphaned: %+v", got)
	}
	h.Kill(plain, "pid")
	guardtest.Eventually(t, "the killed command is gone", func() bool { return h.Status(plain).Phase == guard.PhaseEnded })
	if got := h.Status(plain).Result; got.End != guard.Gone || !strings.Contains(got.Reason, "guard was killed") {
		t.Errorf("gone: %+v", got)
	}
	if got := h.Ask(guard.VerbStop, rough.Attempt.Dir()); got != "phase ended\n" {
		t.Errorf("stop of an orphan: %q", got)
	}
	h.NothingLeft()
	if got := h.Status(rough).Result; got.End != guard.Cancelled {
		t.Errorf("stopped orphan: %+v", got)
	}
}

// When the daemon dies the keeper refuses what waits for go, keeps what runs to
// its true end, and leaves.
func TestDaemonDies(t *testing.T) {
	h := newHost(t)
	ready, running := h.Order("true"), h.Order("echo up; while [ ! -e "+h.Root+"/leave ]; do sleep 0.05; done; exit 4")
	running.N, running.Exclusive = 2, true
	r := h.Start(ready, guard.Link{})
	r.Want("ready")
	k := h.Start(running, guard.Link{})
	k.Run(running)
	h.Wrote(running)
	pid := h.Process(running, "guard")
	k.Close()
	r.Close()
	h.keeper.Close()
	guardtest.Eventually(t, "what waits is refused", func() bool { return h.Status(ready).Result.End == guard.Refused })
	if got := h.Status(running); got.Phase != guard.PhaseRunning {
		t.Errorf("%+v", got)
	}
	syscall.Kill(pid, syscall.SIGTERM) // as a system that shuts down sends
	syscall.Kill(pid, syscall.SIGHUP)
	os.WriteFile(h.Root+"/leave", nil, 0o600)
	guardtest.Eventually(t, "the run ends", func() bool { return h.Status(running).Phase == guard.PhaseEnded })
	if got := h.Status(running).Result; got.End != guard.Exited || got.Code != 4 || string(got.Output.Head) != "up\n" || got.Note != "" {
		t.Errorf("%+v", got)
	}
	guardtest.Eventually(t, "the keeper leaves", func() bool { return guardtest.Dead(pid) })
}

// A command that is started without a shell comes to what the shell makes of it.
func TestPlainCommandsAreAsWithTheShell(t *testing.T) {
	h := newHost(t)
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bare := file("bare", "echo $0 $# $1\nexit 7\n", 0o755) // no interpreter: the shell reads it itself
	o := h.Order("true")
	for _, text := range []string{
		"no-such-program", "exec no-such-program", "/no/such/program x", dir, file("data", "x", 0o644), "./bare a", "bare a",
		bare + " 'a b'", file("lost", "#!/no/such/interpreter\n", 0o755), file("ok", "#!/bin/sh\necho \"$0\" $#; exit 9\n", 0o755) + " a '' b",
		"ls /no/such/file", "env -i /bin/sh -c 'echo \"$0\"; echo err >&2; exit 3' name", "exec sh -c 'kill -9 $$'", "exec sh -c 'exit 200'",
		"cat /proc/self/cmdline", "readlink /proc/self/cwd", "stat -c %a_%F_%t,%T /dev/stdin -L", "sh -c 'umask; ulimit -n'",
	} {
		o.N++
		o.Command, o.Dir, o.Env = text, dir, map[string]string{"PATH": "/usr/bin:/bin:" + dir}
		got := h.Result(o)
		o.N++
		o.Command = text + " #" // takes a shell
		want := h.Result(o)
		if got.Code != want.Code || got.End != want.End || string(got.Output.Head) != string(want.Output.Head) {
			t.Errorf("%s\ngives  %s %d %q\nwant %s %d %q", text, got.End, got.Code, got.Output.Head, want.End, want.Code, want.Output.Head)
		}
	}
	// And it is without one that it runs.
	o.N++
	o.Command = "sh -c 'tr \"\\0\" \" \" </proc/$PPID/cmdline'"
	if got := string(h.Result(o).Output.Head); !strings.HasPrefix(got, "solocron-keeper") {
		t.Errorf("its parent is %q", got)
	}
}
