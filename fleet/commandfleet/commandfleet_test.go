package commandfleet

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/fleet/fleettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// prints returns a command that prints the text.
func prints(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "answer")
	write(t, path, text)
	return "cat " + path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFleet(t *testing.T) {
	fleettest.Run(t, fleettest.Subject{
		Of: func(t *testing.T, hosts []fleet.Host) fleet.Fleet {
			if hosts == nil {
				hosts = []fleet.Host{}
			}
			answer, err := json.Marshal(hosts)
			if err != nil {
				t.Fatal(err)
			}
			return New(prints(t, string(answer)), time.Minute)
		},
		Broken: func(*testing.T) (fleet.Fleet, error) { return New("exit 3", time.Minute), nil },
	})
}

func TestAnswersThatAreRefused(t *testing.T) {
	const a = `{"id": "a", "address": "local"}`
	for name, c := range map[string]struct{ answer, want string }{
		"nothing":        {"  \n", "want a JSON array of hosts, got nothing"},
		"an object":      {a, `want a JSON array of hosts, got "{\"id\"`},
		"null":           {"null", "want a JSON array of hosts"},
		"words":          {"Unable to locate credentials", `got "Unable to locate credentials"`},
		"unknown key":    {`[` + a + `, {"id": "b", "adress": "local"}]`, `host 2 of the array: json: unknown field "adress"`},
		"wrong type":     {`[{"id": 7}]`, "host 1 of the array"},
		"no id":          {`[` + a + `, {"address": "local"}]`, "host 2 of the list: has no id"},
		"null host":      {`[null]`, "host 1 of the list: has no id"},
		"twice":          {`[` + a + `,` + a + `]`, `host "a": listed twice`},
		"bad address":    {`[{"id": "a", "address": "ssh://"}]`, `host "a": address "ssh://"`},
		"bad time":       {`[{"id": "a", "address": "local", "launched_at": "yesterday"}]`, "host 1 of the array"},
		"cut off":        {`[` + a + `, {"id":`, "host 2 of the array: the output ends in mid-array"},
		"no end":         {`[` + a, "after host 1 of the array: the output ends in mid-array"},
		"two values":     {`[` + a + `] []`, "more than one JSON value"},
		"relative path":  {`[{"id": "a", "address": "local", "run_dir": "runs"}]`, `host "a": run_dir "runs": want an absolute path`},
		"trailing words": {`[` + a + `] done.`, "more than one JSON value"},
	} {
		t.Run(name, func(t *testing.T) {
			hosts, err := New(prints(t, c.answer), time.Minute).Hosts(t.Context())
			if !errors.Is(err, fleet.ErrInventory) || !strings.Contains(err.Error(), c.want) || hosts != nil {
				t.Errorf("Hosts = %v, %v\nwant an ErrInventory with: %s", hosts, err, c.want)
			}
		})
	}
}

func TestCommandThatFails(t *testing.T) {
	for name, c := range map[string]struct{ command, want string }{
		"exit code and last words": {`echo '[]'; printf 'no\n\033[31mrights\n' >&2; exit 3`, "exit status 3: no ?[31mrights"},
		"not there":                {"/nonexistent/inventory", "exit status 127"},
		"too much":                 {"yes", "printed more than 8 MiB"},
		"long last words":          {`yes | head -c 100000 >&2; exit 1`, "exit status 1: y y"},
		"holds its output open":    {`setsid sleep 60 & echo $! >"$PIDFILE"; echo '[]'`, "keeps its output open"},
	} {
		t.Run(name, func(t *testing.T) {
			pidfile := filepath.Join(t.TempDir(), "pid")
			t.Setenv("PIDFILE", pidfile)
			_, err := New(c.command, time.Minute).Hosts(t.Context())
			if !errors.Is(err, fleet.ErrInventory) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v\nwant an ErrInventory with: %s", err, c.want)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if text, err := os.ReadFile(pidfile); err == nil {
				pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		})
	}
}

func TestCancelKillsTheWholeGroup(t *testing.T) {
	pidfile := filepath.Join(t.TempDir(), "pid")
	stopped := errors.New("the daemon stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() {
		_, err := New(`sleep 600 & echo $! >`+pidfile+`; wait`, time.Minute).Hosts(ctx)
		done <- err
	}()
	var pid int
	eventually(t, "the command to start", func() bool {
		text, _ := os.ReadFile(pidfile)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return pid > 0
	})
	cancel(stopped)
	if err := <-done; !errors.Is(err, stopped) || !errors.Is(err, fleet.ErrInventory) {
		t.Errorf("error = %v, want ErrInventory and the cause", err)
	}
	eventually(t, "the command's child to die", func() bool { return !alive(pid) })
}

// alive reports whether the process runs; one that only waits to be reaped
// does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// counting returns a fleet whose command counts its runs in a file, and fails
// while a file named broken is there.
func counting(t *testing.T, every time.Duration) (f *Fleet, runs func() int, broken string) {
	dir := t.TempDir()
	count := filepath.Join(dir, "count")
	broken = filepath.Join(dir, "broken")
	f = New(`printf x >>`+count+`; test -e `+broken+` && exit 1; echo '[{"id":"a","address":"local"}]'`, every)
	return f, func() int { text, _ := os.ReadFile(count); return len(text) }, broken
}

func TestAnswerServesForEvery(t *testing.T) {
	f, runs, _ := counting(t, time.Hour)
	for range 5 {
		if _, err := f.Hosts(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if runs() != 1 {
		t.Errorf("the command ran %d times, want once", runs())
	}
	f.next = time.Now() // the hour has passed
	if _, err := f.Hosts(t.Context()); err != nil || runs() != 2 {
		t.Errorf("after an hour: %d runs, %v; want a second", runs(), err)
	}
}

func TestOutageIsBridged(t *testing.T) {
	f, runs, broken := counting(t, time.Hour)
	want, err := f.Hosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, broken, "")
	f.next = time.Now()
	for range 3 {
		if got, err := f.Hosts(t.Context()); err != nil || len(got) != len(want) {
			t.Errorf("Hosts = %v, %v; want the last good answer", got, err)
		}
	}
	if runs() != 2 {
		t.Errorf("the failing command ran %d times, want once, then a pause", runs()-1)
	}
	f.asked = time.Now().Add(-Patience*time.Hour - time.Second)
	if got, err := f.Hosts(t.Context()); !errors.Is(err, fleet.ErrInventory) {
		t.Errorf("Hosts = %v, %v; want ErrInventory, the last answer being too old", got, err)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	f.next = time.Now()
	if _, err := f.Hosts(t.Context()); err != nil {
		t.Errorf("after the outage: %v", err)
	}
}

func TestCancelledRunIsNoFailure(t *testing.T) {
	f := New(`sleep 600`, time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := f.Hosts(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want the deadline", err)
	}
	if f.err != nil || !f.next.IsZero() {
		t.Errorf("kept err %v, next %v; want neither", f.err, f.next)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`[{"id":"a","address":"ssh://u@h:22","tags":{"k":"v"},"launched_at":"2026-01-02T03:04:05Z"}]`))
	f.Add([]byte(`[] []`))
	f.Add([]byte(`[{"id":"a"},`))
	f.Fuzz(func(t *testing.T, printed []byte) {
		hosts, err := decode(printed)
		if (hosts == nil) != (err != nil) {
			t.Fatalf("decode = %v, %v", hosts, err)
		}
		if err != nil {
			return
		}
		again, err := json.Marshal(hosts)
		if err != nil {
			t.Fatalf("encode: %v", err) // such as a year that JSON can't hold
		}
		if back, err := decode(again); err != nil || len(back) != len(hosts) {
			t.Fatalf("decode again = %v, %v", back, err)
		}
	})
}
