package notifier

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Sizes of what people are sent.
const (
	SubjectBytes = 99      // of a subject, SNS's limit
	TailBytes    = 4 << 10 // of the output's tail in a text
	reasonBytes  = 300
	nameBytes    = 200
)

// Subject is one line that says what happened: at most [SubjectBytes] bytes of
// printable ASCII, whatever the message holds.
func Subject(m Message) string {
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, "solocron: "+headline(m))
	if len(line) > SubjectBytes {
		line = line[:SubjectBytes-3] + "..."
	}
	return line
}

// Text is the whole message in plain text for people, lines ended by "\n".
// Job, host, reason and output come from elsewhere: control characters and
// whatever else a terminal or a page wouldn't print as itself are written as
// escapes, and what is too long is cut.
func Text(m Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", plain(headline(m), reasonBytes))
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-9s %s\n", name, value)
		}
	}
	row("job", plain(m.Job, nameBytes))
	row("run", plain(m.Run, nameBytes))
	row("due", instant(m.Due))
	row("host", plain(m.Host, nameBytes))
	row("state", plain(strings.TrimSuffix(m.State+", "+m.Reason, ", "), reasonBytes))
	row("exit code", exitCode(m))
	row("started", instant(m.StartedAt))
	row("ended", instant(m.EndedAt))
	if m.Duration > 0 {
		row("took", took(m.Duration))
	}
	if m.Attempts > 0 {
		row("attempts", strconv.Itoa(m.Attempts))
	}
	row("message", plain(m.Key, nameBytes))
	if tail := Tail(m.Tail, TailBytes); tail != "" {
		fmt.Fprintf(&b, "\nlast of the output:\n\n%s\n", indented(tail))
	}
	if m.More != "" {
		fmt.Fprintf(&b, "\nmore: %s\n", plain(m.More, reasonBytes))
	}
	return b.String()
}

// Tail is the end of an output in at most size bytes, without trailing line
// breaks, and from the start of a line if it must be cut. Control characters
// other than tab and line break, and bytes that are not UTF-8, are written as
// escapes.
func Tail(output string, size int) string {
	cut := len(output) > size
	if cut { // escapes only lengthen: what is left out here is never needed
		output = strings.TrimLeftFunc(output[len(output)-size:], func(r rune) bool { return r == utf8.RuneError })
	}
	output = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(output)
	text := strings.TrimRight(escape(output, "\n\t"), "\n\t ")
	if len(text) > size {
		cut, text = true, text[len(text)-size:]
	}
	if !cut {
		return text
	}
	if _, lines, ok := strings.Cut(text, "\n"); ok {
		return lines
	}
	return strings.ToValidUTF8(text, "")
}

// headline says in a few words what became of the run.
func headline(m Message) string {
	on := m.Job
	if m.Host != "" {
		on += " on " + m.Host
	}
	switch m.Event {
	case Failed:
		if m.ExitCode != nil {
			return on + " failed with exit code " + exitCode(m)
		}
		return on + " failed" + because(m)
	case TimedOut:
		return on + " timed out" + because(m)
	case Lost:
		return on + " is lost, how it ended is not known" + because(m)
	case Skipped:
		return m.Job + " was skipped" + because(m)
	case Overlapped:
		return m.Job + " was skipped, an earlier run was in its way"
	case Cancelled:
		return on + " was cancelled" + because(m)
	case Succeeded:
		return on + " succeeded"
	case Recovered:
		return on + " succeeded again"
	case Halted:
		return "scheduling is halted" + because(m)
	}
	return strings.TrimSpace(on + " " + string(m.Event) + because(m))
}

func because(m Message) string {
	if m.Reason == "" {
		return ""
	}
	return ": " + m.Reason
}

func exitCode(m Message) string {
	if m.ExitCode == nil {
		return ""
	}
	return strconv.Itoa(*m.ExitCode)
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// took rounds to what a person would say.
func took(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// plain is s on one line, cut to about size bytes.
func plain(s string, size int) string {
	if len(s) > size {
		s = strings.ToValidUTF8(s[:size], "") + "…"
	}
	return escape(s, "")
}

func indented(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }

// escape writes every rune that is neither printable nor in keep as Go would
// inside quotes: \x1b, \u202e.
func escape(s, keep string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}
