package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

// hostile is what a terminal would obey, text that is none, and a line that is
// long.
var hostile = "\x1b]0;title\a\x1b[2J\x00\xff\r\u202e" + strings.Repeat("日本", 1<<18) + "\tend\r\n"

// Output on its way to a terminal holds nothing that the terminal would obey;
// on its way to a file it is what the command wrote.
func TestFault79OutputOnATerminal(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	socket := filepath.Join(t.TempDir(), "s")
	const id = "a@20261122T000000Z"
	output := &guard.Output{Head: []byte(hostile), Bytes: int64(len(hostile))}
	view := web.RunView{
		Run:     web.Run{ID: id, Job: "a", State: run.Succeeded, Version: 2, Attempts: []web.Attempt{{N: 1, State: run.AttemptSucceeded, Host: "h"}}},
		Details: []web.Detail{{Attempt: 1, Output: output}},
	}
	stop := listenAt(t, socket, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/output") {
			from := min(len(hostile), atoi(r.URL.Query().Get("offset")))
			io.WriteString(w, hostile[from:min(len(hostile), from+100_000)]) // which tears characters
			return
		}
		if strings.HasSuffix(r.URL.Path, "/runs") {
			_ = json.NewEncoder(w).Encode([]web.Run{view.Run})
			return
		}
		_ = json.NewEncoder(w).Encode(view)
	}))
	defer stop()
	for _, args := range [][]string{{"logs", id}, {"logs", "--follow", id}, {"show", id}} {
		ask := func(out io.Writer) {
			t.Helper()
			cmd := newRootCommand()
			cmd.SetArgs(append(args, "--socket", socket))
			cmd.SetOut(out)
			if err := cmd.ExecuteContext(t.Context()); err != nil {
				t.Errorf("%s: %v", args, err)
			}
		}
		seen := onATerminal(t, func(tty *os.File) { ask(tty) })
		if !utf8.ValidString(seen) || !strings.Contains(seen, "日本日本") || !strings.Contains(seen, "\tend\n") {
			t.Errorf("%s: the terminal got %d bytes: %.200q", args, len(seen), seen)
		}
		for text := seen; text != ""; {
			r, size := utf8.DecodeRuneInString(text)
			if r != '\n' && r != '\t' && r != utf8.RuneError && harmless(r) != r {
				t.Fatalf("%s: the terminal got %U: %.200q", args, r, seen)
			}
			text = text[size:]
		}
		if args[0] == "show" {
			continue
		}
		var file strings.Builder
		if ask(&file); file.String() != hostile {
			t.Errorf("%s: the file got %d bytes, want %d", args, file.Len(), len(hostile))
		}
	}
}

// onATerminal returns what f wrote to a terminal, with lines that end as
// everywhere else.
func onATerminal(t *testing.T, f func(tty *os.File)) string {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetUint32(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(&seen, screen) }) // it ends with an error when the terminal is closed
	f(tty)
	tty.Close()
	reading.Wait()
	return strings.ReplaceAll(seen.String(), "\r\n", "\n")
}
