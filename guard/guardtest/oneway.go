package guardtest

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

// RunOneway shows that the shell's guard keeps the contract where nobody can
// talk to it while it starts. open returns a fresh host.
func RunOneway(t *testing.T, open func(t *testing.T) *Host) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, a *Agent)
	}{
		{"ends", onewayEnds},
		{"fault 102: forged words in the output", onewayForgedWords},
		{"fault 95: hostile bytes", hostileBytes},
		{"agent without environment", bareAgent},
		{"refusal is for good", refusalIsForGood},
		{"fault 55: second delivery starts nothing", onewaySecondDelivery},
		{"redelivery after the end tells the end", redelivery},
		{"front killed", frontKilled},
		{"guard killed", onewayGuardKilled},
		{"output", onewayOutput},
		{"fault 75: detached output", onewayDetachedOutput},
		{"stop", onewayStop},
		{"probe", onewayProbe},
		{"fault 74: old attempts are removed", onewayPrunes},
		{"fault 56: a disk that goes with a restart", onewayTmpfs},
		{"base64", coders},
		{"long reason", longReason},
		{"claim with curl", func(t *testing.T, a *Agent) { claims(t, a, "curl") }},
		{"claim with wget", func(t *testing.T, a *Agent) { claims(t, a, "wget") }},
		{"claim with python3", func(t *testing.T, a *Agent) { claims(t, a, "python3") }},
		{"claim with nothing", claimWithNothing},
		{"fault 57: late", late},
		{"claim stays out of sight", claimStaysOutOfSight},
		{"stopped while it asks", stoppedWhileItAsks},
		{"fault 68: paused around its claim", pausedAroundItsClaim},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, &Agent{Host: open(t)}) })
	}
}

func onewayEnds(t *testing.T, a *Agent) {
	for n, c := range []struct {
		command string
		end     guard.End
		code    int // that the trailer tells
		exit    int // that the agent sees
	}{
		{"true", guard.Exited, 0, 0},
		{"exit 3", guard.Exited, 3, 3},
		{"exit 75", guard.Exited, 75, 75},
		{"exit 255", guard.Exited, 255, 255},
		{"kill -TERM $$", guard.Exited, 143, 143},
		{"kill -KILL $$", guard.Exited, 137, 1},
		{"exit 137", guard.Exited, 137, 1},
		{"exit 168", guard.Exited, 168, 1},
		{"exit 169", guard.Exited, 169, 1},
		{"exit 194", guard.Exited, 194, 1},
		{"trap 'exit 0' TERM; sleep 300 & wait", guard.TimedOut, 0, 124},
		{"exec sleep 300", guard.TimedOut, 143, 124},
	} {
		o := a.Unclaimed("echo out; echo err >&2; " + c.command)
		o.N = n + 1
		if c.end == guard.TimedOut {
			o.Timeout = 200 * time.Millisecond
		}
		before := time.Now().Add(-time.Second)
		d := a.Begin(o)
		res := d.Trailer().Result
		if code, stdout, _ := d.Wait(); code != c.exit || stdout != "out\nerr\n" {
			t.Errorf("%s: the agent sees %d, %q", c.command, code, stdout)
		}
		if res.End != c.end || res.Code != c.code || string(res.Output.Head) != "out\nerr\n" || res.Output.Cut || res.Note != "" {
			t.Errorf("%s: %+v", c.command, res)
		}
		if res.StartedAt.Before(before) || res.EndedAt.Before(res.StartedAt) || res.EndedAt.After(time.Now().Add(time.Second)) {
			t.Errorf("%s: from %s to %s", c.command, res.StartedAt, res.EndedAt)
		}
		if again := a.Status(o); again.Phase != guard.PhaseEnded || brief(again.Result) != brief(res) || string(again.Result.Output.Head) != "out\nerr\n" {
			t.Errorf("%s: status says %+v", c.command, again)
		}
	}
}

func hostileBytes(t *testing.T, a *Agent) {
	for n, value := range []string{
		"it's", `"double"`, "{{ ssm:password }}", "{{ order }}", "$(touch " + a.Root + "/pwned)", "`id`", "a\nb\n.\n\nend exited\n", "\\", "\xff\xfe\x80", "'\"$nl\"'", "%s%n", "o_root='/'", "-n",
	} {
		o := a.Unclaimed("printf %s \"$VALUE\" '" + strings.ReplaceAll(value, "'", `'\''`) + "'")
		o.N, o.Env = n+1, map[string]string{"VALUE": value}
		res := a.Result(o)
		if res.End != guard.Exited || res.Code != 0 || string(res.Output.Head) != value+value {
			t.Errorf("%q: %+v, output %q", value, res, res.Output.Head)
		}
	}
	if _, err := os.Stat(a.Root + "/pwned"); err == nil {
		t.Error("a value was run")
	}
}

// The agent has no HOME and no LOGNAME; what it has is not for the command.
func bareAgent(t *testing.T, a *Agent) {
	a.Env = []string{guard.RunDirVariable + "=" + a.Root, "https_proxy=http://proxy", "SECRET=of the agent"}
	o := a.Unclaimed("echo $HOME $USER $LOGNAME; env")
	o.Kept = ""
	res := a.Result(o)
	out := string(res.Output.Head)
	if !strings.HasPrefix(out, "/root root root\n") {
		t.Errorf("%+v, output %q", res, out)
	}
	for _, word := range []string{"GUARD", guard.RunDirVariable, "proxy", "SECRET", "LC_ALL", "AWS_SSM"} {
		if strings.Contains(out, word) {
			t.Errorf("%s in the command's environment: %q", word, out)
		}
	}
	if _, err := os.Stat(a.Dir(o) + "/result"); err != nil {
		t.Errorf("%s moved nothing: %v", guard.RunDirVariable, err)
	}
	_, answer, _ := a.Deliver(guard.Ask(guard.VerbStatus, "", o.Attempt.Dir())).Wait()
	if s, err := guard.ReadStatus(strings.NewReader(answer)); err != nil || s.Result.End != guard.Exited {
		t.Errorf("status: %+v, %v", s, err)
	}
}

// A refusal proves that the command never starts, also when the order comes
// again and the reason is gone.
func refusalIsForGood(t *testing.T, a *Agent) {
	o := a.Unclaimed("touch " + a.Root + "/started")
	o.Dir = a.Home + "/later"
	for n := range 2 {
		d := a.Begin(o)
		got := d.Trailer()
		if got.Duplicate || got.Result.End != guard.Refused || !strings.Contains(got.Result.Reason, "no directory "+o.Dir) {
			t.Errorf("delivery %d: %+v", n, got)
		}
		if code, stdout, _ := d.Wait(); code != 75 || stdout != "" {
			t.Errorf("delivery %d: %d, %q", n, code, stdout)
		}
		os.Mkdir(o.Dir, 0o700)
	}
	if got := a.Status(o); got.Result.End != guard.Refused {
		t.Errorf("status: %+v", got)
	}
	if _, err := os.Stat(a.Root + "/started"); err == nil {
		t.Error("a refused attempt was started")
	}
	a.Root += "/runs/" + o.Attempt.Dir() + "/guard" // a file where the directory should be
	o = a.Unclaimed("true")
	if res := a.Result(o); res.End != guard.Refused || !strings.Contains(res.Reason, "ot a directory") {
		t.Errorf("without a root: %+v", res)
	}
}

func onewaySecondDelivery(t *testing.T, a *Agent) {
	hold := make(chan struct{})
	ledger := NewClaims(t, Held(hold))
	o := ledger.Order(a.Order("echo once >>" + a.Root + "/witness; while [ ! -e " + a.Root + "/leave ]; do sleep 0.05; done"))
	first := a.Begin(o)
	Eventually(t, "the guard asks the ledger", func() bool { return ledger.Asked() == 1 })
	for _, when := range []string{"before the go", "during the run"} {
		d := a.Begin(o)
		got := d.Trailer()
		if code, _, _ := d.Wait(); !got.Duplicate || got.Result.End != guard.Refused || code != 75 {
			t.Errorf("%s: %+v, exit code %d", when, got, code)
		}
		if when == "before the go" {
			close(hold)
			Eventually(t, "the command runs", func() bool { return a.Status(o).Phase == guard.PhaseRunning })
			a.Up(o)
		}
	}
	os.WriteFile(a.Root+"/leave", nil, 0o600)
	if got := first.Trailer(); got.Duplicate || got.Result.End != guard.Exited {
		t.Errorf("%+v", got)
	}
	if b, _ := os.ReadFile(a.Root + "/witness"); string(b) != "once\n" || ledger.Asked() != 1 {
		t.Errorf("the witness saw %q, the ledger %d questions", b, ledger.Asked())
	}
}

func redelivery(t *testing.T, a *Agent) {
	o := a.Unclaimed("echo once; exit 7")
	first := a.Begin(o).Trailer()
	second := a.Begin(o)
	again := second.Trailer()
	if code, stdout, _ := second.Wait(); code != 7 || stdout != "once\n" {
		t.Errorf("the agent sees %d, %q", code, stdout)
	}
	if again.Duplicate || brief(again.Result) != brief(first.Result) || string(again.Result.Output.Head) != "once\n" {
		t.Errorf("%+v\nafter %+v", again, first)
	}
}

// The agent's SIGKILL ends the front alone.
func frontKilled(t *testing.T, a *Agent) {
	o := a.Unclaimed("echo up; while [ ! -e " + a.Root + "/leave ]; do sleep 0.05; done; echo down; exit 5")
	d := a.Begin(o)
	a.Up(o)
	a.Wrote(o)
	d.Kill()
	if code, _, stderr := d.Wait(); code != -1 {
		t.Errorf("the front left with %d, %q", code, stderr)
	} else if _, ok := guard.ReadTrailer("", stderr); ok {
		t.Errorf("a trailer before the end: %q", stderr)
	}
	if got := a.Status(o); got.Phase != guard.PhaseRunning {
		t.Errorf("%+v", got)
	}
	os.WriteFile(a.Root+"/leave", nil, 0o600)
	Eventually(t, "the run is over", func() bool { return a.Status(o).Phase == guard.PhaseEnded })
	if got := a.Status(o).Result; got.End != guard.Exited || got.Code != 5 || string(got.Output.Head) != "up\ndown\n" {
		t.Errorf("%+v", got)
	}

	o = a.Unclaimed(Stubborn)
	o.N, o.Timeout, o.Grace = 2, 500*time.Millisecond, 200*time.Millisecond
	d = a.Begin(o)
	a.Wrote(o)
	d.Kill()
	Eventually(t, "the timeout holds without the front", func() bool { return a.Status(o).Phase == guard.PhaseEnded })
	if got := a.Status(o).Result; got.End != guard.TimedOut || got.Code != 137 {
		t.Errorf("%+v", got)
	}
	a.NothingLeft()
}

// A guard that dies leaves its front to say what can be known.
func onewayGuardKilled(t *testing.T, a *Agent) {
	hold := make(chan struct{})
	defer close(hold)
	ledger := NewClaims(t, Held(hold))
	o := ledger.Order(a.Order("touch " + a.Root + "/started"))
	d := a.Begin(o)
	Eventually(t, "the guard asks the ledger", func() bool { return ledger.Asked() == 1 })
	a.Kill(o, "guard")
	if got := a.Status(o); got.Result.End != guard.Refused || !strings.Contains(got.Result.Reason, "before it was given its go") {
		t.Errorf("killed before its go: %+v", got)
	}
	d.Kill()
	if _, err := os.Stat(a.Root + "/started"); err == nil {
		t.Error("the command was started")
	}

	o = a.Unclaimed("exec sleep 300")
	o.N = 2
	d = a.Begin(o)
	a.Up(o)
	a.Kill(o, "guard", "supervisor", "watcher", "pid")
	got := d.Trailer()
	if code, _, _ := d.Wait(); got.Result.End != guard.Gone || code != 1 {
		t.Errorf("%+v, exit code %d", got, code)
	}
}

func onewayStop(t *testing.T, a *Agent) {
	o := a.Unclaimed("exec sleep 300")
	a.Asked(guard.VerbProbe, "7", "0")
	stop := func(words ...string) guard.Phase {
		answer := a.Asked(guard.VerbStop, append([]string{o.Attempt.Dir()}, words...)...)
		phase, err := guard.ReadStop(strings.NewReader(answer))
		if err != nil {
			t.Errorf("%v in %q", err, answer)
		}
		return phase
	}
	if got := stop(); got != guard.PhaseAbsent {
		t.Errorf("absent: %q", got)
	}
	d := a.Begin(o)
	a.Up(o)
	if got := stop(); got != guard.PhaseRunning {
		t.Errorf("running: %q", got)
	}
	got := d.Trailer().Result
	if code, _, _ := d.Wait(); got.End != guard.Cancelled || got.Code != 143 || code != 143 {
		t.Errorf("%+v, exit code %d", got, code)
	}
	if got := stop(); got != guard.PhaseEnded {
		t.Errorf("ended: %q", got)
	}
	o.N, o.Command, o.Grace = 2, Stubborn, time.Hour
	d = a.Begin(o)
	a.Wrote(o)
	stop("kill")
	if got := d.Trailer().Result; got.End != guard.Cancelled || got.Code != 137 {
		t.Errorf("kill: %+v", got)
	}
	a.NothingLeft()
}

func onewayProbe(t *testing.T, a *Agent) {
	out := a.Asked(guard.VerbProbe, "7", "1000000")
	for _, want := range []string{"time ", "\nfree ", "\nfit\n"} {
		if !strings.Contains(out, want) || strings.Contains(out, "lacks") {
			t.Errorf("no %q in %q", want, out)
		}
	}
	a.Path = Tools(t)
	if out := a.Asked(guard.VerbProbe, "7", "0"); !strings.Contains(out, "\nlacks curl, wget or python3\n") {
		t.Errorf("without them: %q", out)
	}
}

// Nobody probes these hosts: what is old goes when something new has ended.
func onewayPrunes(t *testing.T, a *Agent) {
	old, young, running := a.Unclaimed("true"), a.Unclaimed("true"), a.Unclaimed("exec sleep 300")
	young.N, running.N = 2, 3
	a.Result(old)
	a.Result(young)
	d := a.Begin(running)
	a.Up(running)
	past := time.Now().AddDate(0, 0, -9)
	for _, o := range []guard.Order{old, running} {
		os.Chtimes(a.Dir(o)+"/result", past, past)
		os.Chtimes(a.Dir(o), past, past)
	}
	o := a.Unclaimed("true")
	o.N = 4
	a.Result(o)
	for o, want := range map[*guard.Order]guard.Phase{&old: guard.PhaseAbsent, &young: guard.PhaseEnded, &running: guard.PhaseRunning} {
		if got := a.Status(*o).Phase; got != want {
			t.Errorf("attempt %d: %s, want %s", o.N, got, want)
		}
	}
	a.Asked(guard.VerbStop, running.Attempt.Dir(), "kill")
	d.Wait()
}

// A run directory that a restart takes away keeps no second delivery from
// starting: the ledger knows the claim as this very guard's own.
func onewayTmpfs(t *testing.T, a *Agent) {
	a.Tmpfs("size=8m")
	if got := a.Result(a.Unclaimed("true")); got.End != guard.Refused || !strings.Contains(got.Reason, "tmpfs") {
		t.Errorf("%+v", got)
	}
}
