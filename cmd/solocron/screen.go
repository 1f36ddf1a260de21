package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/solocron/solocron/run"
)

// screen is what is known of the place that text for people goes to.
type screen struct {
	width int // 0 if lines may be of any length
	color bool
}

// screen looks at where the command's standard output goes.
func (g *globals) screen(cmd *cobra.Command) screen {
	s := screen{color: g.color(cmd.OutOrStdout())}
	if f := terminal(cmd.OutOrStdout()); f != nil {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			s.width = width
		}
	}
	return s
}

// color reports whether text for people may be colored there.
func (g *globals) color(w io.Writer) bool {
	return terminal(w) != nil && !g.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// terminal is w if it is one, else nil.
func terminal(w io.Writer) *os.File {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// shown is where a command's output goes: to a terminal without what that would
// obey, to anything else byte for byte.
func shown(w io.Writer) io.Writer {
	if terminal(w) == nil {
		return w
	}
	return &plain{to: w}
}

// plain makes a block of what is written to it, in pieces.
type plain struct {
	to   io.Writer
	torn []byte // the beginning of what the next piece completes
}

func (p *plain) Write(b []byte) (int, error) {
	text := append(p.torn, b...)
	whole := len(text) - torn(text)
	p.torn = bytes.Clone(text[whole:])
	if _, err := io.WriteString(p.to, block(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// torn is how many bytes at the end may be the beginning of a character or of a
// line's end.
func torn(text []byte) int {
	if bytes.HasSuffix(text, []byte("\r")) {
		return 1
	}
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (s screen) paint(i ink, text string) string {
	if !s.color || i == noInk {
		return text
	}
	return "\x1b[" + string(i) + "m" + text + "\x1b[0m"
}

// colored is text in the color of a run's state.
func colored(on bool, s run.State, text string) string {
	return screen{color: on}.paint(stateInk[s], text)
}

// print writes v as JSON, or what view makes of it for people.
func (g *globals) print(cmd *cobra.Command, v any, view func(screen) string) error {
	var b strings.Builder
	if g.output == formatJSON {
		enc := json.NewEncoder(&b)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return err
		}
	} else {
		b.WriteString(view(g.screen(cmd)))
	}
	_, err := io.WriteString(cmd.OutOrStdout(), b.String())
	return err
}
