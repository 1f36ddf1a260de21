package localexec_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/executor/executortest"
	"github.com/solocron/solocron/executor/localexec"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	localexec.KeeperMain()
	goleak.VerifyTestMain(m)
}

func open(*testing.T) executor.Executor { return localexec.New(localexec.Options{}) }

func host(t *testing.T) fleet.Host {
	return fleet.Host{ID: "here", Address: "local", RunDir: guardtest.Dir(t)}
}

func TestSuite(t *testing.T) {
	executortest.Run(t, func(t *testing.T) executortest.Env {
		return executortest.Env{Host: host(t), Open: open}
	})
}

func order(h fleet.Host, n int, command string) guard.Order {
	return guard.Order{
		Attempt: guard.Attempt{Run: "job@20261122T023000Z", N: n, Kept: h.RunDir},
		Token:   "t", Job: "job", Host: h.ID, Command: command, Timeout: time.Minute, Grace: time.Second,
	}
}

func granted(context.Context) error { return nil }

// Many starts at once all happen, once each, without a process left behind.
func TestManyAtOnce(t *testing.T) {
	h := host(t)
	x := localexec.New(localexec.Options{Starting: 3})
	var wg sync.WaitGroup
	for n := 1; n <= 40; n++ {
		wg.Go(func() {
			o := order(h, n, "echo $SOLOCRON_ATTEMPT; echo x >>"+h.RunDir+"/witness")
			if err := x.Start(t.Context(), h, o, granted); err != nil {
				t.Error(err)
				return
			}
			res, err := x.Wait(t.Context(), h, o.Attempt)
			if err != nil || res.End != guard.Exited || string(res.Output.Head) != fmt.Sprintln(n) {
				t.Errorf("%d: %+v, %v", n, res, err)
			}
		})
	}
	wg.Wait()
	if err := x.Close(); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(h.RunDir + "/witness"); err != nil || len(b) != 80 {
		t.Errorf("the witness saw %d runs: %v", len(b)/2, err)
	}
}

// The daemon's environment is not the command's.
func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary")
	h := host(t)
	x := open(t)
	defer x.Close()
	o := order(h, 1, "env; cat /proc/$PPID/environ | tr '\\0' '\\n'")
	if err := x.Start(t.Context(), h, o, granted); err != nil {
		t.Fatal(err)
	}
	res, err := x.Wait(t.Context(), h, o.Attempt)
	if err != nil || strings.Contains(string(res.Output.Head), "canary") || !strings.Contains(string(res.Output.Head), "SOLOCRON_HOST=here\n") {
		t.Errorf("%v: %s", err, res.Output.Head)
	}
}

// A keeper that was killed is replaced; what it kept is gone when it is over.
func TestAnotherKeeperTakesOver(t *testing.T) {
	h := host(t)
	x := open(t)
	defer x.Close()
	var keepers []int
	for n := 1; n <= 3; n++ {
		o := order(h, n, "exec sleep 300")
		if err := x.Start(t.Context(), h, o, granted); err != nil {
			t.Fatal(err)
		}
		dir := guard.RunDir(h.RunDir, o.Attempt)
		var signed []byte
		for tick := time.Tick(5 * time.Millisecond); bytes.Count(signed, []byte("\n")) < 2; <-tick { // the command's process is the second
			signed, _ = os.ReadFile(dir + "/guard")
		}
		words := strings.Fields(string(signed))
		if len(words) < 4 {
			t.Fatalf("%q", signed)
		}
		pid, err := strconv.Atoi(words[1])
		if err != nil || slices.Contains(keepers, pid) {
			t.Fatalf("attempt %d is kept by %d, after %d (%v)", n, pid, keepers, err)
		}
		if args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); string(args) != "solocron-keeper\x00" {
			t.Errorf("attempt %d is kept by %q", n, args)
		}
		keepers = append(keepers, pid)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for tick := time.Tick(5 * time.Millisecond); ; <-tick {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
				break
			}
		}
		if err := x.Stop(t.Context(), h, o.Attempt, true); err != nil {
			t.Fatal(err)
		}
		if res, err := x.Wait(t.Context(), h, o.Attempt); err != nil || res.End != guard.Cancelled {
			t.Errorf("attempt %d: %+v, %v", n, res, err)
		}
	}
}

func TestGuardsAreReaped(t *testing.T) {
	h := host(t)
	x := open(t)
	o := order(h, 1, "true")
	if err := x.Start(t.Context(), h, o, granted); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Wait(t.Context(), h, o.Attempt); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	childless(t)
}

// childless waits until no child of this process is left.
func childless(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for tick := time.Tick(5 * time.Millisecond); ; <-tick {
		var children []byte
		tasks, _ := filepath.Glob("/proc/self/task/*/children")
		for _, task := range tasks {
			pids, _ := os.ReadFile(task)
			children = append(children, pids...)
		}
		if len(children) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("children left: %s", children)
		}
	}
}

// A start that is held takes no other's place, and is told when its guard dies.
func TestHeldStart(t *testing.T) {
	h := host(t)
	x := localexec.New(localexec.Options{Starting: 1})
	defer x.Close()
	held := executortest.Hold(t, x, h, order(h, 1, "true"))
	o := order(h, 2, "echo out")
	if err := x.Start(t.Context(), h, o, granted); err != nil {
		t.Fatal(err)
	}
	if res, err := x.Wait(t.Context(), h, o.Attempt); err != nil || res.End != guard.Exited {
		t.Fatalf("%+v, %v", res, err)
	}
	signed, err := os.ReadFile(filepath.Join(guard.RunDir(h.RunDir, o.Attempt), "guard"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.Fields(string(signed))[1])
	if err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	if err := <-held.Ended; executor.Proven(err) == nil {
		t.Errorf("a start whose guard was killed before its go: %v", err)
	}
}
