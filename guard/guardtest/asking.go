package guardtest

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

// Held waits until the channel is closed before it answers as it should.
func Held(until <-chan struct{}) Fault {
	return func(w http.ResponseWriter, answer func(http.ResponseWriter)) {
		<-until
		answer(w)
	}
}

// tools are what the guard needs beside something that sends a claim.
var tools = []string{
	"base64", "cat", "cut", "date", "dd", "df", "env", "find", "flock", "getent", "grep", "head", "id", "mkdir", "rm",
	"sed", "setsid", "sh", "sleep", "stat", "sync", "tail", "tee", "touch", "tr", "wc",
}

// Tools returns a search path with what the guard needs and the programs that
// are named: busybox's with a plus before the name, with a minus not at all.
func Tools(t *testing.T, programs ...string) string {
	t.Helper()
	target := map[string]string{}
	for _, name := range append(slices.Clone(tools), programs...) {
		switch name[0] {
		case '+':
			target[name[1:]] = "busybox"
		case '-':
			delete(target, name[1:])
		default:
			target[name] = name
		}
	}
	dir := t.TempDir()
	for name, program := range target {
		path := Need(t, program, program)
		if program == "python3" { // what is found first may be a wrapper that needs more than a path
			said, err := exec.Command(path, "-c", "import sys; print(sys.executable, end='')").Output()
			if err != nil {
				t.Fatal(err)
			}
			path = string(said)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// claims asks a ledger with one of the programs that can.
func claims(t *testing.T, a *Agent, tool string) {
	a.Path = Tools(t, tool)
	const (
		dynamo  = `{"__type":"com.amazon.coral.service#`
		expired = dynamo + `InvalidSignatureException","message":"Signature expired: 20261122T023000Z is now earlier than 20261122T023500Z (20261122T024000Z - 5 min.)"}`
	)
	cases := []struct {
		name   string
		by     string // who passed before
		faults []Fault
		want   string // of the refusal; empty if the command starts
		asked  int
	}{
		{"nobody was before", "", nil, "", 1},
		{"the reply was lost", "", []Fault{ReplyLost}, "", 2},
		{"not heard", "", []Fault{NotHeard, NotHeard}, "", 3},
		{"internal error", "", []Fault{Answers(500, dynamo+`InternalServerError","message":""}`)}, "", 2},
		{"unavailable", "", []Fault{Answers(503, "<html>")}, "", 2},
		{"throttled", "", []Fault{Answers(400, dynamo+`ThrottlingException","message":"Rate exceeded"}`)}, "", 2},
		{"in a transaction", "", []Fault{Answers(400, dynamo+`TransactionConflictException","message":""}`)}, "", 2},
		{"taken back", "scheduler", nil, "taken back by the scheduler before this host claimed it", 1},
		{"taken back while it asked", "scheduler", []Fault{NotHeard}, "taken back by the scheduler", 2},
		{"another guard", "guard t0ken2", nil, "taken back by the scheduler", 1},
		{"a guard with its end", "guard xt0ken", nil, "taken back by the scheduler", 1},
		{"expired", "", []Fault{Answers(400, expired)}, "expired by the clock of the ledger", 1},
		{"expired by a URL's rules", "", []Fault{Answers(403, dynamo+`AccessDeniedException","message":"Request has expired"}`)}, "expired", 1},
		{"no table", "", []Fault{Answers(400, dynamo+`ResourceNotFoundException","message":"Requested resource not found"}`)}, "ResourceNotFoundException", 1},
		{"no right", "", []Fault{Answers(400, dynamo+`AccessDeniedException","message":"User is not authorized"}`)}, "not authorized", 1},
		{"a page instead", "", []Fault{Answers(200, "<html>Please log in</html>")}, "did not take the claim", 1},
	}
	ledgers, deliveries := make([]*Claims, len(cases)), make([]*Delivery, len(cases))
	o := a.Order("echo started")
	for n, c := range cases {
		ledgers[n] = NewClaims(t, c.faults...)
		if c.by != "" {
			ledgers[n].Take(c.by)
		}
		o.N = n + 1
		deliveries[n] = a.Begin(ledgers[n].Order(o))
	}
	for n, c := range cases {
		o.N = n + 1
		ledger, res := ledgers[n], deliveries[n].Trailer().Result
		started := string(res.Output.Head) == "started\n"
		if c.want == "" && (res.End != guard.Exited || !started) ||
			c.want != "" && (res.End != guard.Refused || started || !strings.Contains(res.Reason, c.want)) || ledger.Asked() != c.asked {
			t.Errorf("%s: asked %d times: %+v, output %q", c.name, ledger.Asked(), res, res.Output.Head)
		}
		if c.want == "" && !ledger.Take("guard t0ken") {
			t.Errorf("%s: it started without asking", c.name)
		}
		for _, f := range []string{"body", "wgetrc", "why"} {
			if _, err := os.Stat(filepath.Join(a.Dir(o), f)); err == nil {
				t.Errorf("%s: the file %s is left", c.name, f)
			}
		}
	}
}

func claimWithNothing(t *testing.T, a *Agent) {
	ledger := NewClaims(t)
	for n, path := range []string{Tools(t), Tools(t, "+wget")} {
		a.Path = path
		o := ledger.Order(a.Order("touch " + a.Root + "/started"))
		o.N = n + 1
		if res := a.Result(o); res.End != guard.Refused || !strings.Contains(res.Reason, "needs curl, wget (GNU) or python3") {
			t.Errorf("%+v", res)
		}
		if a.Status(o).Result.End != guard.Refused {
			t.Error("the refusal was not kept")
		}
	}
	if _, err := os.Stat(a.Root + "/started"); err == nil || ledger.Asked() != 0 {
		t.Errorf("started, or asked %d times", ledger.Asked())
	}
}

// OutOfReach delivers orders whose ledger can't be reached, which the guard tries
// for 20 seconds, and returns how to see what came of it.
func (a *Agent) OutOfReach() (check func()) {
	deliveries := map[string]*Delivery{}
	for n, tool := range []string{"curl", "wget", "python3"} {
		ledger := NewClaims(a.t)
		ledger.server.Close()
		a.Path = Tools(a.t, tool)
		o := ledger.Order(a.Order("true"))
		o.N = n + 1
		deliveries[tool] = a.Begin(o)
	}
	return func() {
		for tool, d := range deliveries {
			res := d.Trailer().Result
			if res.End != guard.Refused || !strings.Contains(res.Reason, "cannot reach the ledger at 127.0.0.1:") || !strings.Contains(res.Reason, ": "+tool+": ") ||
				!strings.Contains(res.Reason, "refused") && !strings.Contains(res.Reason, "connect to") {
				a.t.Errorf("%s: %+v", tool, res)
			}
		}
	}
}

// An order that comes too late by the host's clock doesn't even ask.
func late(t *testing.T, a *Agent) {
	ledger := NewClaims(t)
	for n, o := range []guard.Order{ledger.Order(a.Order("true")), a.Unclaimed("true")} {
		o.N = n + 1
		o.StartBy = time.Now().Add(-2 * time.Second)
		if res := a.Result(o); res.End != guard.Refused || !strings.Contains(res.Reason, "came too late by the clock of this host") {
			t.Errorf("%+v", res)
		}
		o.N += 10
		o.StartBy = time.Now().Add(time.Hour)
		if res := a.Result(o); res.End != guard.Exited {
			t.Errorf("in time: %+v", res)
		}
	}
	if ledger.Asked() != 1 {
		t.Errorf("the ledger was asked %d times", ledger.Asked())
	}
}

func claimStaysOutOfSight(t *testing.T, a *Agent) {
	for n, tool := range []string{"curl", "wget", "python3"} {
		a.Path = Tools(t, tool)
		hold := make(chan struct{})
		ledger := NewClaims(t, Held(hold))
		o := ledger.Order(a.Order("true"))
		o.N, o.Env = n+1, map[string]string{"KEY": "of-the-env-" + tool}
		d := a.Begin(o)
		asks(t, ledger, d)
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range files {
			b, _ := os.ReadFile(f)
			for _, word := range []string{"Signature=0f", "guard t0ken", "of-the-env-" + tool} {
				if bytes.Contains(b, []byte(word)) {
					t.Errorf("%s: %q is in the arguments %.300q", tool, word, b)
				}
			}
		}
		files, _ = filepath.Glob(a.Dir(o) + "/*")
		for _, f := range files {
			if info, err := os.Stat(f); err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %s is open to others", tool, f)
			}
		}
		close(hold)
		if res := d.Trailer().Result; res.End != guard.Exited {
			t.Errorf("%s: %+v", tool, res)
		}
	}
}

// asks waits until the guard has asked the ledger.
func asks(t *testing.T, ledger *Claims, d *Delivery) {
	t.Helper()
	Eventually(t, "the guard asks the ledger", func() bool { return ledger.Asked() > 0 || d.said() != "" })
	if ledger.Asked() == 0 {
		t.Fatalf("the guard ended without having asked: %s", d.said())
	}
}

// A stop that finds the guard asking ends it; a yes that comes then is in vain.
func stoppedWhileItAsks(t *testing.T, a *Agent) {
	hold := make(chan struct{})
	ledger := NewClaims(t, Held(hold))
	o := ledger.Order(a.Order("touch " + a.Root + "/started"))
	d := a.Begin(o)
	asks(t, ledger, d)
	if got := a.Asked(guard.VerbStop, o.Attempt.Dir()); got != "phase ended\n" {
		t.Errorf("stop: %q", got)
	}
	close(hold)
	if res := d.Trailer().Result; res.End != guard.Refused || !strings.Contains(res.Reason, "stopped before its go") {
		t.Errorf("%+v", res)
	}
	if _, err := os.Stat(a.Root + "/started"); err == nil {
		t.Error("a stopped attempt was started")
	}
}

func coders(t *testing.T, a *Agent) {
	long := strings.Repeat("x", 30<<10)
	for n, tool := range []string{"openssl", "python3", "+base64"} {
		programs := []string{tool}
		if tool[0] != '+' {
			programs = append(programs, "-base64")
		}
		a.Path = Tools(t, programs...)
		o := a.Unclaimed("echo ${#LONG}; head -c 6000 /dev/zero")
		o.N, o.Env = n+1, map[string]string{"LONG": long}
		res := a.Result(o)
		if res.End != guard.Exited || res.Output.Bytes != 6006 || !strings.HasPrefix(string(res.Output.Head), "30720\n") {
			t.Errorf("%s: %+v, %d", tool, brief(res), res.Output.Bytes)
		}
	}
	a.Path = Tools(t, "-base64")
	o := a.Unclaimed("true")
	o.N = 9
	if res := a.Result(o); res.End != guard.Refused || !strings.Contains(res.Reason, "no base64") {
		t.Errorf("%+v", res)
	}
	if out := a.Asked(guard.VerbProbe, "7", "0"); !strings.Contains(out, "unfit no base64") {
		t.Errorf("probe: %q", out)
	}
	if _, err := guard.ReadStatus(strings.NewReader(a.Asked(guard.VerbStatus, o.Attempt.Dir()))); err == nil || !strings.Contains(err.Error(), "no base64") {
		t.Errorf("status: %v", err)
	}
}

// Whatever the guard has to say, the service keeps the trailer whole.
func longReason(t *testing.T, a *Agent) {
	o := a.Unclaimed("true")
	o.Dir = "/" + strings.Repeat("long/", 3000)
	told, kept := a.Result(o), a.Status(o).Result
	for _, res := range []guard.Result{told, kept} {
		if res.End != guard.Refused || !strings.HasPrefix(res.Reason, "no directory /long") {
			t.Errorf("%+v", res)
		}
	}
	o = a.Unclaimed("head -c 100000 /dev/urandom")
	o.N = 2
	if res := a.Result(o); res.End != guard.Exited || len(res.Output.Tail) != 5000 {
		t.Errorf("%s", brief(res))
	}
}
