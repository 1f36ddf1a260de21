package guard

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a guard that nobody can talk to.
const (
	// MaxParameterBytes bounds the parameter that holds an order.
	MaxParameterBytes = 48 << 10
	// PageBytes is the most that one answer to VerbRead holds.
	PageBytes = 16 << 10

	maxExecution = 172800 * time.Second // what the agent takes; beyond it, it takes an hour
	spare        = 2 * time.Minute      // for all that a start does beside the command
	askWithin    = 10 * time.Minute
)

// Parameters are those of a [Document] that starts the order. The guard then
// asks by itself, with the order's claim, whether it may start. It is an error
// if the order holds secrets, which the service would show for 30 days, or more
// than a command may hold or last.
func (o Order) Parameters() (map[string][]string, error) {
	p, err := o.parameters()
	if err != nil {
		return nil, fmt.Errorf("order %s: %w", o.Attempt.Dir(), err)
	}
	return p, nil
}

func (o Order) parameters() (map[string][]string, error) {
	within := (o.Timeout + o.Grace + spare).Truncate(time.Second) + time.Second
	switch {
	case len(o.Secrets) > 0:
		return nil, errors.New("secrets can't travel in a command's parameters, which its history shows")
	case within > maxExecution:
		return nil, fmt.Errorf("timeout %s and grace %s: a command may last %s in all", o.Timeout, o.Grace, maxExecution-spare)
	case o.Claim == nil && !o.Unclaimed:
		return nil, errors.New("no claim to ask with, and not an unclaimed attempt")
	}
	text, err := o.encode(Link{}, o.alone)
	if err != nil {
		return nil, err
	}
	p := parametersOf(VerbStart, o.Attempt.Dir(), text, within)
	if size := len(p["order"][0]); size > MaxParameterBytes {
		return nil, fmt.Errorf("%d bytes with its environment, at most %d", size*3/4, MaxParameterBytes*3/4)
	}
	return p, o.Claim.check()
}

// alone sets what a guard needs that nobody gives its go.
func (o Order) alone(set func(name, value string)) {
	set("alone", "1")
	if !o.StartBy.IsZero() {
		set("startby", strconv.FormatInt(o.StartBy.Unix(), 10))
	}
	if o.Claim == nil {
		return
	}
	var headers strings.Builder
	for _, name := range slices.Sorted(maps.Keys(o.Claim.Headers)) {
		switch strings.ToLower(name) {
		case "host", "content-length": // follow from the URL and the body
		default:
			headers.WriteString(name + ": " + o.Claim.Headers[name] + "\n")
		}
	}
	set("url", o.Claim.URL)
	set("headers", headers.String())
	set("body", o.Claim.Body)
}

// check refuses what can't be written into the files that curl and wget read.
func (c *Claim) check() error {
	if c == nil {
		return nil
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || strings.ContainsAny(c.URL, "\"\\ \n") {
		return fmt.Errorf("claim: %q is no plain URL", c.URL)
	}
	for name, value := range c.Headers {
		if strings.ContainsAny(name+value, "\"\\\r\n\x00") || name == "" || strings.Contains(name, ":") {
			return fmt.Errorf("claim: header %q is not one plain line", name)
		}
		if strings.EqualFold(name, "host") && value != u.Host {
			return fmt.Errorf("claim: signed for host %q, but goes to %q", value, u.Host)
		}
	}
	return nil
}

// Ask is a further command, as the parameters of a [Document], that asks about
// an attempt or a host. Its verb and arguments are those of [CommandLine]. The
// answer is the command's standard output: read it with [ReadStatus], [ReadStop]
// and [ReadPage], and that of VerbProbe with a [Reader].
func Ask(verb string, args ...string) map[string][]string {
	var words []string
	for _, arg := range args {
		words = append(words, quote(arg))
	}
	about := ""
	if verb != VerbProbe && len(args) > 1 {
		about = args[1]
	}
	return parametersOf(verb, about, []byte(strings.Join(words, " ")), askWithin)
}

func parametersOf(verb, about string, text []byte, within time.Duration) map[string][]string {
	return map[string][]string{
		"verb":             {verb},
		"run":              {about},
		"order":            {base64.StdEncoding.EncodeToString(text)},
		"executionTimeout": {strconv.Itoa(int(within / time.Second))},
	}
}

// Trailer is what a one-way guard says of its attempt at the end.
type Trailer struct {
	Result Result
	// Duplicate marks a trailer that only says that the attempt was delivered to
	// the host before. It proves nothing about the command.
	Duplicate bool
}

// ReadTrailer puts the two outputs of a start together: the beginning of the
// command's output from stdout, however much of it there is, everything else
// from the trailer in stderr. Lines before the trailer don't matter. It is false
// if there is no whole trailer, which says nothing about the attempt.
func ReadTrailer(stdout, stderr string) (Trailer, bool) {
	for rest := stderr; rest != ""; {
		if strings.HasPrefix(rest, "end ") {
			if t, ok := readTrailer(rest); ok {
				t.Result.Output = t.Result.Output.from(stdout)
				return t, true
			}
		}
		_, rest, _ = strings.Cut(rest, "\n")
	}
	return Trailer{}, false
}

func readTrailer(text string) (t Trailer, ok bool) {
	var outcome Outcome
	talk := NewReader(strings.NewReader(text))
	for {
		m, err := talk.Next()
		if err != nil {
			return Trailer{}, false
		}
		outcome.Take(m)
		switch m.Word {
		case "end":
			t.Duplicate = m.Duplicate
		case "tail":
			t.Result = outcome.Result()
			return t, outcome.Ended()
		}
	}
}

// truncated is what the agent puts at the end of an output that it cut.
const truncated = "--output truncated--"

// from completes an output of which only the end is known with what there is of
// its beginning. The service keeps text: where it replaced bytes that are none,
// beginning and end can't be joined.
func (o Output) from(stdout string) Output {
	if !o.Cut {
		return o
	}
	head, cut := stdout, false
	if int64(len(stdout)) < o.Bytes || strings.HasSuffix(stdout, truncated) {
		head, cut = strings.CutSuffix(stdout, truncated)
	}
	missing := o.Bytes - int64(len(o.Tail))
	exact := !strings.ContainsRune(head, utf8.RuneError)
	switch {
	case o.Bytes <= HeadBytes+TailBytes && exact && int64(len(head)) >= missing:
		return Output{Head: []byte(head[:missing] + string(o.Tail)), Bytes: o.Bytes}
	case o.Bytes <= HeadBytes+TailBytes && !cut && int64(len(head)) >= o.Bytes:
		return Output{Head: []byte(head), Bytes: o.Bytes}
	}
	o.Head = []byte(head[:min(int64(len(head)), HeadBytes+TailBytes-int64(len(o.Tail)), missing)])
	return o
}

// ReadStop reads the answer to [VerbStop]: how far the attempt had come.
func ReadStop(r io.Reader) (Phase, error) {
	m, err := NewReader(r).Next()
	switch {
	case err != nil:
		return "", noEOF(err)
	case m.Word != "phase":
		return "", fmt.Errorf("guard: %s", m.Text)
	}
	return phase(m.Text)
}

// ReadPage reads the answer to [VerbRead] that came as text: empty if nothing
// was kept yet.
func ReadPage(answer string) ([]byte, error) {
	talk := NewReader(strings.NewReader(answer))
	m, err := talk.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	case m.Word != "page":
		return nil, fmt.Errorf("guard: %s", m.Text)
	}
	return talk.text(PageBytes)
}
