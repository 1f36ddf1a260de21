package awsloop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// bootstrap builds the function of the tests, once.
var bootstrap = sync.OnceValues(func() (string, error) {
	built.Store(true)
	dir, err := os.MkdirTemp("", "bootstrap")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bootstrap")
	out, err := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", path, "./testdata/function").CombinedOutput()
	if err != nil {
		return "", errors.New(err.Error() + "\n" + string(out))
	}
	return path, nil
})

// RemoveBootstrap removes what bootstrap built; for TestMain.
func RemoveBootstrap() {
	if built.Load() {
		if path, err := bootstrap(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
}

var built atomic.Bool

// newLoop returns a server that listens, with Lambda on it.
func newLoop(t *testing.T) (*Server, *Lambda) {
	t.Helper()
	s := New(Options{Seed: 1, Dir: t.TempDir()})
	t.Cleanup(func() { s.Close() })
	if _, err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s, NewLambda(s)
}

func newTestFunction(t *testing.T, l *Lambda, o FunctionOptions) *Function {
	t.Helper()
	path, err := bootstrap()
	if err != nil {
		t.Fatal(err)
	}
	if o.Name == "" {
		o.Name = "fn"
	}
	o.Bootstrap = path
	f, err := l.Create(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// answered is what the function of the tests returns.
type answered struct {
	Echo, RequestID, ARN    string
	ErrorType, ErrorMessage string
	Deadline                time.Time
	PID, Child              int
	Env                     []string
}

func call(t *testing.T, f *Function, payload string) (answered, string) {
	t.Helper()
	response, functionError, err := f.Invoke(t.Context(), []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	var a answered
	if err := json.Unmarshal(response, &a); err != nil {
		t.Fatalf("%s: %v", response, err)
	}
	return a, functionError
}

// until waits for a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
		pause(t.Context(), 5*time.Millisecond)
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestInvoke(t *testing.T) {
	t.Parallel()
	s, l := newLoop(t)
	f := newTestFunction(t, l, FunctionOptions{Env: []string{"JOBS=nightly"}})
	before := time.Now()
	first, _ := call(t, f, `{"echo":"hello"}`)
	if first.Echo != "hello" || first.RequestID == "" || first.ARN != "arn:aws:lambda:us-east-1:123456789012:function:fn" {
		t.Errorf("answer %+v", first)
	}
	if left := first.Deadline.Sub(before); left < 59*time.Second || left > 90*time.Second {
		t.Errorf("deadline in %s", left)
	}
	id, _ := s.Key()
	for _, want := range []string{"JOBS=nightly", "AWS_LAMBDA_FUNCTION_NAME=fn", "AWS_REGION=us-east-1", "AWS_ENDPOINT_URL=" + s.URL(), "AWS_ACCESS_KEY_ID=" + id} {
		if !slices.Contains(first.Env, want) {
			t.Errorf("environment lacks %s: %q", want, first.Env)
		}
	}
	if home := "HOME=" + os.Getenv("HOME"); slices.Contains(first.Env, home) {
		t.Error("the environment of the test is handed on")
	}
	// The process is used again once it asked for more, also after an error.
	until(t, "idle", func() bool { return idle(f) == 1 })
	second, functionError := call(t, f, `{"error":"no luck"}`)
	if functionError != "Unhandled" || second.ErrorMessage != "no luck" || second.ErrorType != "errorString" {
		t.Errorf("%q, %+v", functionError, second)
	}
	until(t, "idle", func() bool { return idle(f) == 1 })
	third, _ := call(t, f, ``)
	if third.PID != first.PID || third.RequestID == first.RequestID || len(f.Inits()) != 1 || f.Inits()[0] <= 0 {
		t.Errorf("processes %d, %d; starts %v", first.PID, third.PID, f.Inits())
	}
}

func idle(f *Function) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.idle)
}

func TestInvokeFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, payload string
		options       FunctionOptions
		kind, message string
	}{
		{"panic", `{"panic":true}`, FunctionOptions{}, "string", "as told"},
		{"exit", `{"exit":3}`, FunctionOptions{}, "Runtime.ExitError", "Runtime exited with error: exit status 3"},
		{"exit zero", `{"exit":0}`, FunctionOptions{}, "Runtime.ExitError", "without providing a reason"},
		{"timeout", `{"sleep":3600000000000}`, FunctionOptions{Timeout: 200 * time.Millisecond}, "Sandbox.Timedout", "Task timed out after 0.20 seconds"},
		{"no start", `{}`, FunctionOptions{Env: []string{"INIT=exit"}}, "Runtime.ExitError", "exit status 7"},
		{"endless start", `{}`, FunctionOptions{Env: []string{"INIT=hang"}, InitTimeout: 50 * time.Millisecond, Timeout: 100 * time.Millisecond}, "Sandbox.Timedout", "Task timed out after 0.10 seconds"},
		{"bad event", `{"echo":1}`, FunctionOptions{}, "UnmarshalTypeError", "cannot unmarshal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, l := newLoop(t)
			f := newTestFunction(t, l, tt.options)
			a, functionError := call(t, f, tt.payload)
			if functionError != "Unhandled" || a.ErrorType != tt.kind || !strings.Contains(a.ErrorMessage, tt.message) {
				t.Errorf("%q %q %q", functionError, a.ErrorType, a.ErrorMessage)
			}
		})
	}
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	_, l := newLoop(t)
	f := newTestFunction(t, l, FunctionOptions{Concurrency: 2})
	path := filepath.Join(t.TempDir(), "begun")
	payload, err := json.Marshal(map[string]any{"path": path, "append": "x", "sleep": time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			if _, _, err := f.Invoke(ctx, payload); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	until(t, "both begun", func() bool { return strings.Count(read(path), "x") == 2 })
	if _, _, err := f.Invoke(t.Context(), nil); !errors.Is(err, ErrThrottled) {
		t.Errorf("third: %v", err)
	}
	cancel()
	calls.Wait()
	if len(f.Inits()) != 2 {
		t.Errorf("%d starts", len(f.Inits()))
	}
	if first, second := f.KillOne(), f.KillOne(); !first || !second {
		t.Error("an invocation goes on when its caller is gone")
	}
	until(t, "room", func() bool {
		_, _, err := f.Invoke(t.Context(), nil)
		return err == nil
	})
	until(t, "idle", func() bool { return idle(f) == 1 })
	if f.KillOne() {
		t.Error("nothing is running")
	}
}

func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// TestCloseLeavesNothing looks after the processes, their children, and one
// that is frozen.
func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	s, l := newLoop(t)
	f := newTestFunction(t, l, FunctionOptions{})
	a, _ := call(t, f, `{"child":true}`)
	until(t, "frozen", func() bool { return idle(f) == 1 && strings.Contains(read(procStatus(a.PID)), "State:\tT") })
	if !alive(a.Child) {
		t.Fatal("the child is gone already")
	}
	done := make(chan string, 1)
	go func() {
		_, functionError, err := f.Invoke(context.Background(), []byte(`{"sleep":3600000000000}`))
		done <- functionError + errorText(err)
	}()
	until(t, "busy", func() bool { return idle(f) == 0 })
	s.Close()
	if got := <-done; got == "" {
		t.Error("the invocation that was running succeeded")
	}
	until(t, "no process", func() bool { return !alive(a.PID) && !alive(a.Child) })
	if _, _, err := f.Invoke(context.Background(), nil); err == nil {
		t.Error("invoked after Close")
	}
}

func procStatus(pid int) string { return fmt.Sprintf("/proc/%d/status", pid) }

func errorText(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestRecycle(t *testing.T) {
	t.Parallel()
	_, l := newLoop(t)
	f := newTestFunction(t, l, FunctionOptions{})
	first, _ := call(t, f, `{}`)
	until(t, "idle", func() bool { return idle(f) == 1 })
	f.Recycle()
	second, _ := call(t, f, `{}`)
	if first.PID == second.PID || len(f.Inits()) != 2 {
		t.Errorf("processes %d, %d", first.PID, second.PID)
	}
}

func TestCrashKnob(t *testing.T) {
	t.Parallel()
	s, l := newLoop(t)
	f := newTestFunction(t, l, FunctionOptions{})
	s.SetKnobs(Knobs{Crash: Knob{P: 1, For: time.Millisecond}})
	a, functionError := call(t, f, `{"sleep":3600000000000}`)
	if functionError == "" || !strings.Contains(a.ErrorMessage, "signal: killed") {
		t.Errorf("%q %+v", functionError, a)
	}
	s.SetKnobs(Knobs{})
	if _, functionError = call(t, f, `{}`); functionError != "" {
		t.Errorf("after the knob: %s", functionError)
	}
}
