package keeper_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/executor/keeper"
	"github.com/solocron/solocron/guard"
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

// host is this machine with a run directory and a keeper of its own.
type host struct {
	t      *testing.T
	root   string
	home   string
	keeper *keeper.Keeper
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, root: filepath.Join(t.TempDir(), "root"), home: t.TempDir()}
	k, err := keeper.Start(append(guard.Environ("root", h.home, ""), "GORACE=atexit_sleep_ms=0 log_path="+raceLog))
	if err != nil {
		t.Fatal(err)
	}
	h.keeper = k
	t.Cleanup(func() { k.Close() })
	return h
}

// order is a small order that the test may change.
func (h *host) order(command string) guard.Order {
	return guard.Order{
		Attempt: guard.Attempt{Run: "job@20261122T023000Z", N: 1, Kept: h.root},
		Token:   "t0ken", Job: "job", Due: time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC),
		Host: "host-1", Fence: 7, Command: command,
		Timeout: time.Minute, Grace: 10 * time.Second,
	}
}

func (h *host) dir(o guard.Order) string { return guard.RunDir(h.root, o.Attempt) }

// talk is a conversation with the keeper.
type talk struct {
	*guard.Reader
	*os.File
	t *testing.T
}

// start brings an order to the keeper.
func (h *host) start(o guard.Order) *talk {
	h.t.Helper()
	wire, err := o.Encode(guard.Link{})
	if err != nil {
		h.t.Fatal(err)
	}
	f, err := h.keeper.Attend()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { f.Close() })
	if _, err := f.Write(wire); err != nil {
		h.t.Fatal(err)
	}
	return &talk{guard.NewReader(f), f, h.t}
}

// want reads the next message and wants it to be word.
func (k *talk) want(word string) guard.Message {
	k.t.Helper()
	m, err := k.Next()
	if err != nil || m.Word != word {
		k.t.Fatalf("the keeper said %+v (%v), want %q", m, err, word)
	}
	return m
}

func (k *talk) give(o guard.Order) { io.WriteString(k.File, o.Go(time.Now())) }

// run gives go to a keeper that stands ready and waits until the command runs.
func (k *talk) run(o guard.Order) {
	k.t.Helper()
	k.want("ready")
	k.give(o)
	k.want("started")
}

// end reads until the keeper leaves the conversation.
func (k *talk) end() guard.Result {
	k.t.Helper()
	var outcome guard.Outcome
	for {
		m, err := k.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			k.t.Fatal(err)
		}
		outcome.Take(m)
	}
	if !outcome.Ended() {
		k.t.Fatal("the keeper left without an end")
	}
	return outcome.Result()
}

// result runs one order from order to end, and reads its output where it is kept.
func (h *host) result(o guard.Order) guard.Result {
	h.t.Helper()
	k := h.start(o)
	k.run(o)
	res := k.end()
	kept, err := guard.Kept(h.dir(o))
	if err != nil {
		h.t.Fatal(err)
	}
	kept.Bytes = max(kept.Bytes, res.Output.Bytes)
	res.Output = kept
	return res
}

// refused runs one order and wants a refusal that holds the words.
func (h *host) refused(o guard.Order, words string) guard.Message {
	h.t.Helper()
	m := h.start(o).want("end")
	if m.Result.End != guard.Refused || !strings.Contains(m.Result.Reason, words) {
		h.t.Fatalf("result %+v, want a refusal with %q", m.Result, words)
	}
	return m
}

// ask runs one of the shell's verbs to its end.
func (h *host) ask(verb string, args ...string) string {
	h.t.Helper()
	argv := guard.Argv(verb, append([]string{h.root}, args...)...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = guard.Environ("root", h.home, "")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, _ := cmd.Output()
	if stderr.Len() > 0 {
		h.t.Errorf("%s: stderr: %s", verb, &stderr)
	}
	return string(out)
}

func (h *host) status(o guard.Order) guard.Status {
	h.t.Helper()
	answer := h.ask(guard.VerbStatus, o.Attempt.Dir())
	status, err := guard.ReadStatus(strings.NewReader(answer))
	if err != nil {
		h.t.Fatalf("status: %v in %q", err, answer)
	}
	return status
}

// up waits until the command has written.
func (h *host) up(o guard.Order) {
	h.t.Helper()
	eventually(h.t, "the command writes", func() bool { b, _ := os.ReadFile(h.dir(o) + "/out"); return len(b) > 0 })
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.Tick(5 * time.Millisecond); !ok(); <-tick {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// process reads who signed a file of the run directory.
func (h *host) process(o guard.Order, file string) int {
	h.t.Helper()
	var words []string
	eventually(h.t, file+" is signed", func() bool {
		b, _ := os.ReadFile(filepath.Join(h.dir(o), file))
		words = strings.Fields(string(b))
		return len(words) >= 3
	})
	pid, err := strconv.Atoi(words[1])
	if err != nil {
		h.t.Fatal(err)
	}
	return pid
}

// dead reports whether a process is gone, or a zombie.
func dead(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(b, []byte(") Z "))
}

// marked are the live processes whose environment holds the run directories.
func (h *host) marked() []string {
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		if b, _ := os.ReadFile(f); bytes.Contains(b, []byte("SOLOCRON_MARK="+h.root)) {
			found = append(found, f)
		}
	}
	return found
}

func (h *host) nothingLeft() {
	h.t.Helper()
	eventually(h.t, "no process of the attempt is left", func() bool { return len(h.marked()) == 0 })
}

// needRoot fails the test unless it runs as root.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test must run as root: it mounts a file system or changes the user")
	}
}
