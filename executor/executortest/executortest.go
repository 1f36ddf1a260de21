// Package executortest is the executor port's contract, executable. Every
// executor passes [Run].
package executortest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// Env is a host on this machine and how to reach it.
type Env struct {
	// Host has a RunDir of its own, made by [Dir].
	Host fleet.Host
	// Open returns a fresh executor, as after a restart of the daemon. The suite
	// closes it.
	Open func(t *testing.T) executor.Executor
	// OneWay says that nobody can talk to a guard while it starts: see
	// [executor.Executor]. Orders are claimed then, and Wait takes back what stays
	// unclaimed for long; the suite waits for that.
	OneWay bool
	// Cut makes the host unreachable and breaks what is connected; Restore ends
	// that. Both nil for a host that can't be cut off.
	Cut, Restore func()
}

// bench is one test's host, executor and witness.
type bench struct {
	Env
	t       *testing.T
	x       executor.Executor
	witness string
	granted int
}

// Run runs the suite; every case gets an Env of its own.
func Run(t *testing.T, open func(t *testing.T) Env) {
	for _, c := range []struct {
		name string
		test func(b *bench)
	}{
		{"an exit code and output arrive", exits},
		{"a failed grant starts nothing", grantFails},
		{"a start is held until its grant", held},
		{"a second delivery starts nothing", twice},
		{"a refusal is a proof", refusals},
		{"the job's lock is held", busy},
		{"fault 72: two schedulers race to one host", race},
		{"a huge output keeps both ends", huge},
		{"output is read in pages", pages},
		{"a timeout ends the command", timeout},
		{"stop is safe in every phase", stops},
		{"fault 71: another executor finds the run again", reattach},
		{"a result is told again", again},
		{"a context ends every call", contexts},
		{"an attempt that never came is absent", absent},
		{"probe tells fit from unfit", probe},
		{"fault 71: a host out of reach is waited for", cut},
		{"fault 64: what never reached the host is proven", unreachable},
		{"fault 64: what waits for its host is taken back", takenBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := open(t)
			b := &bench{Env: env, t: t, witness: filepath.Join(t.TempDir(), "witness")}
			b.x = b.open()
			c.test(b)
		})
	}
}

func (b *bench) open() executor.Executor {
	b.t.Helper()
	x := b.Open(b.t)
	b.t.Cleanup(func() {
		if err := x.Close(); err != nil {
			b.t.Errorf("close: %v", err)
		}
	})
	return x
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	b.t.Cleanup(cancel)
	return ctx
}

// order is for attempt n of a run whose command first tells the witness.
func (b *bench) order(n int, command string) guard.Order {
	return guard.Order{
		Attempt: guard.Attempt{Run: "job@20261122T023000Z", N: n, Kept: b.Host.RunDir},
		Token:   fmt.Sprintf("token%d", n), Job: "job", Due: time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC),
		Host: b.Host.ID, Fence: int64(n), Command: "echo $SOLOCRON_ATTEMPT >>" + b.witness + "\n" + command,
		Env: map[string]string{"LEAVE": b.witness + ".leave"}, Timeout: time.Minute, Grace: 5 * time.Second,
	}
}

// untilLeave is a command that runs until [bench.leave].
const untilLeave = `echo up; while [ ! -e "$LEAVE" ]; do sleep 0.05; done; echo bye; exit 4`

func (b *bench) leave() {
	if err := os.WriteFile(b.witness+".leave", nil, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// saw are the attempts that really ran.
func (b *bench) saw() string {
	words, _ := os.ReadFile(b.witness)
	return strings.Join(strings.Fields(string(words)), " ")
}

func (b *bench) grant(context.Context) error {
	b.granted++
	return nil
}

func (b *bench) start(o guard.Order) {
	b.t.Helper()
	if err := b.x.Start(b.ctx(), b.Host, o, b.grant); err != nil {
		b.t.Fatalf("start attempt %d: %v", o.N, err)
	}
}

func (b *bench) wait(o guard.Order) guard.Result {
	b.t.Helper()
	res, err := b.x.Wait(b.ctx(), b.Host, o.Attempt)
	if err != nil {
		b.t.Fatalf("wait for attempt %d: %v", o.N, err)
	}
	return res
}

// refused wants the order to be refused, at its start or, one way, at its end.
func (b *bench) refused(o guard.Order) guard.Result {
	b.t.Helper()
	err := b.x.Start(b.ctx(), b.Host, o, b.grant)
	if proof := executor.Proven(err); proof != nil {
		return guard.Result{End: guard.Refused, Reason: proof.Reason(), Busy: proof.Busy}
	}
	if err != nil || !b.OneWay {
		b.t.Fatalf("start attempt %d: %v, want a proof that nothing started", o.N, err)
	}
	res := b.wait(o)
	if res.End != guard.Refused {
		b.t.Fatalf("attempt %d: %+v, want a refusal", o.N, res)
	}
	return res
}

func (b *bench) status(o guard.Order) guard.Status {
	b.t.Helper()
	status, err := b.x.Status(b.ctx(), b.Host, o.Attempt)
	if err != nil {
		b.t.Fatalf("status of attempt %d: %v", o.N, err)
	}
	return status
}

// up waits until the command has written.
func (b *bench) up(o guard.Order) {
	b.t.Helper()
	b.eventually("the command writes", func() bool {
		page, err := b.x.Output(b.ctx(), b.Host, o.Attempt, 0, 10)
		return err == nil && len(page) > 0
	})
}

func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for tick := time.Tick(10 * time.Millisecond); !ok(); <-tick {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// proven wants an error that proves that nothing started.
func (b *bench) proven(err error) *executor.NotStarted {
	b.t.Helper()
	n := executor.Proven(err)
	if n == nil {
		b.t.Fatalf("error %v, want a proof that nothing started", err)
	}
	if b.saw() != "" {
		b.t.Fatalf("%v, yet the command ran", err)
	}
	return n
}

var errGrant = errors.New("the ledger says no")
