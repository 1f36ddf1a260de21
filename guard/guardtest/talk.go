package guardtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

// Talk is a conversation with a guard: it reads messages, and what is written
// the guard hears. Close hangs up.
type Talk struct {
	*guard.Reader
	io.WriteCloser
	Cmd *exec.Cmd // the guard's process; nil on a socket

	t      *testing.T
	stderr string // file that holds the guard's
}

// Begin starts a guard, or attends one, that has no order yet.
func (h *Host) Begin() *Talk {
	h.t.Helper()
	if h.Attend != nil {
		f, err := h.Attend()
		if err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { f.Close() })
		return &Talk{Reader: guard.NewReader(f), WriteCloser: f, t: h.t}
	}
	in, stdin, _ := os.Pipe()
	stdout, out, _ := os.Pipe()
	k := &Talk{Reader: guard.NewReader(stdout), WriteCloser: stdin, Cmd: h.Command(guard.VerbStart), t: h.t}
	stderr, err := os.CreateTemp(h.t.TempDir(), "stderr")
	if err != nil {
		h.t.Fatal(err)
	}
	defer stderr.Close()
	k.stderr = stderr.Name()
	k.Cmd.Stdin, k.Cmd.Stdout, k.Cmd.Stderr = in, out, stderr
	if err := k.Cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	in.Close()
	out.Close()
	h.t.Cleanup(func() {
		stdin.Close()
		stdout.Close()
		k.Cmd.Wait()
	})
	return k
}

// Start brings an order to a guard.
func (h *Host) Start(o guard.Order, link guard.Link) *Talk {
	h.t.Helper()
	wire, err := o.Encode(link)
	if err != nil {
		h.t.Fatal(err)
	}
	k := h.Begin()
	if _, err := k.Write(wire); err != nil {
		h.t.Fatal(err)
	}
	return k
}

// complaint is what the guard wrote to its standard error so far.
func (k *Talk) complaint() []byte {
	b, _ := os.ReadFile(k.stderr)
	return b
}

// Want reads the next message and wants it to be word.
func (k *Talk) Want(word string) guard.Message {
	k.t.Helper()
	m, err := k.Next()
	if err != nil || m.Word != word {
		k.t.Fatalf("guard said %+v (%v), want %q; stderr: %s", m, err, word, k.complaint())
	}
	return m
}

// Give gives go.
func (k *Talk) Give(o guard.Order) { io.WriteString(k, o.Go(time.Now())) }

// Run gives go to a guard that stands ready and waits until the command runs.
func (k *Talk) Run(o guard.Order) {
	k.t.Helper()
	k.Want("ready")
	k.Give(o)
	k.Want("started")
}

// End reads until the guard leaves and returns what it said of the run.
func (k *Talk) End() guard.Result {
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
		k.t.Fatalf("the guard left without an end; stderr: %s", k.complaint())
	}
	return outcome.Result()
}

// Running starts an order whose output is wanted and waits until it runs.
func (h *Host) Running(o guard.Order) *Talk {
	h.t.Helper()
	k := h.Start(o, guard.Link{Inline: h.Attend == nil})
	k.Run(o)
	return k
}

// Whole is how a running order ends, with its output.
func (h *Host) Whole(o guard.Order, k *Talk) guard.Result {
	h.t.Helper()
	res := k.End()
	if h.Attend == nil {
		return res
	}
	kept, err := guard.Kept(h.Dir(o))
	if err != nil {
		h.t.Fatal(err)
	}
	kept.Bytes = max(kept.Bytes, res.Output.Bytes)
	res.Output = kept
	return res
}

// Result runs one order from order to end.
func (h *Host) Result(o guard.Order) guard.Result {
	h.t.Helper()
	return h.Whole(o, h.Running(o))
}

// Refused runs one order and wants a refusal that holds the words, in any case.
func (h *Host) Refused(o guard.Order, words string) guard.Message {
	h.t.Helper()
	m := h.Start(o, guard.Link{}).Want("end")
	if m.Result.End != guard.Refused || !strings.Contains(strings.ToLower(m.Result.Reason), strings.ToLower(words)) {
		h.t.Fatalf("result %+v, want a refusal with %q", m.Result, words)
	}
	return m
}

// brief is a result without its output, for messages.
func brief(r guard.Result) string {
	r.Output.Head, r.Output.Tail = nil, nil
	return fmt.Sprintf("%+v", r)
}
