package guard_test

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
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

// need fails the test, naming the Debian package, if a program is missing.
func need(t *testing.T, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("this test needs %s: install Debian package %s", program, debian)
	}
	return path
}

// needRoot fails the test unless it runs as root, as some faults need mounts
// and other users.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test must run as root: it mounts a file system or changes the user")
	}
}

// shells runs the test under every shell that the guard must work with.
func shells(t *testing.T, test func(t *testing.T, h *host)) {
	for _, s := range []struct{ name, program, debian string }{
		{"dash", "dash", "dash"}, {"bash", "bash", "bash"}, {"busybox", "busybox", "busybox"},
	} {
		t.Run(s.name, func(t *testing.T) {
			path := need(t, s.program, s.debian)
			need(t, "flock", "util-linux")
			t.Parallel()
			argv := []string{path}
			if s.name == "busybox" {
				argv = append(argv, "sh")
			}
			test(t, &host{t: t, shell: argv, root: filepath.Join(t.TempDir(), "root")})
		})
	}
}

// host is this machine as one shell sees it, with a run directory of its own.
type host struct {
	t     *testing.T
	shell []string
	root  string
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

func (h *host) command(verb string, args ...string) *exec.Cmd {
	argv := append(append([]string{}, h.shell...), guard.Argv(verb, args...)[1:]...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = guard.Environ("root", h.t.TempDir(), "")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// talk is a conversation with a started guard.
type talk struct {
	*guard.Reader
	t      *testing.T
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr bytes.Buffer
}

// start brings an order to a guard.
func (h *host) start(o guard.Order, link guard.Link) *talk {
	h.t.Helper()
	wire, err := o.Encode(link)
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := h.command(guard.VerbStart)
	k := &talk{t: h.t, cmd: cmd}
	in, stdin, _ := os.Pipe()
	stdout, out, _ := os.Pipe()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &k.stderr
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	in.Close()
	out.Close()
	k.stdin, k.stdout, k.Reader = stdin, stdout, guard.NewReader(stdout)
	h.t.Cleanup(func() {
		stdin.Close()
		stdout.Close()
		cmd.Wait()
	})
	if _, err := stdin.Write(wire); err != nil {
		h.t.Fatal(err)
	}
	return k
}

// want reads the next message and wants it to be word.
func (k *talk) want(word string) guard.Message {
	k.t.Helper()
	m, err := k.Next()
	if err != nil || m.Word != word {
		k.t.Fatalf("guard said %+v (%v), want %q; stderr: %s", m, err, word, &k.stderr)
	}
	return m
}

// run gives go to a guard that stands ready and waits until the command runs.
func (k *talk) run(o guard.Order) {
	k.t.Helper()
	k.want("ready")
	io.WriteString(k.stdin, o.Go(time.Now()))
	k.want("started")
}

// end reads until the guard leaves and returns what it said of the run.
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
		k.t.Fatalf("the guard left without an end; stderr: %s", &k.stderr)
	}
	return outcome.Result()
}

// brief is a result without its output, for messages.
func brief(r guard.Result) string {
	r.Output.Head, r.Output.Tail = nil, nil
	return fmt.Sprintf("%+v", r)
}

// result runs one order from order to end.
func (h *host) result(o guard.Order) guard.Result {
	h.t.Helper()
	k := h.start(o, guard.Link{Inline: true})
	k.run(o)
	return k.end()
}

// refused runs one order and wants a refusal that holds the words.
func (h *host) refused(o guard.Order, words string) guard.Message {
	h.t.Helper()
	m := h.start(o, guard.Link{}).want("end")
	if m.Result.End != guard.Refused || !strings.Contains(m.Result.Reason, words) {
		h.t.Fatalf("result %+v, want a refusal with %q", m.Result, words)
	}
	return m
}

// ask runs another verb to its end.
func (h *host) ask(verb string, args ...string) string {
	h.t.Helper()
	var stderr bytes.Buffer
	cmd := h.command(verb, append([]string{h.root}, args...)...)
	cmd.Stderr = &stderr
	out, _ := cmd.Output()
	if stderr.Len() > 0 {
		h.t.Logf("%s: stderr: %s", verb, &stderr)
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

// up waits until the command runs.
func (h *host) up(o guard.Order) {
	h.t.Helper()
	eventually(h.t, "the command runs", func() bool { return len(holding("SOLOCRON_MARK="+h.dir(o))) > 0 })
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
	var fields []string
	eventually(h.t, file+" is signed", func() bool {
		words, _ := os.ReadFile(filepath.Join(h.dir(o), file))
		fields = strings.Fields(string(words))
		return len(fields) >= 3
	})
	pid, err := strconv.Atoi(fields[1])
	if err != nil {
		h.t.Fatal(err)
	}
	return pid
}

// holding are the live processes whose environment or arguments hold a text.
func holding(text string) []string {
	var found []string
	for _, kind := range []string{"environ", "cmdline"} {
		files, _ := filepath.Glob("/proc/[0-9]*/" + kind)
		for _, f := range files {
			b, _ := os.ReadFile(f)
			if bytes.Contains(b, []byte(text)) {
				stat, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "stat"))
				found = append(found, fmt.Sprintf("%s %s", f, stat))
			}
		}
	}
	return found
}
