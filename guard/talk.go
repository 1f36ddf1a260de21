package guard

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// maxLine bounds a line from a host; the guard's own stay far below.
const maxLine = 8 << 10

// maxText bounds a reason or a note that is kept.
const maxText = 500

// Message is one thing that a guard says.
type Message struct {
	// Word is "ready", "started", "end" (with Result), "data" (with Output),
	// "tail" (with the end of the Output and the bytes that were kept), "output"
	// (with Output.Bytes), or one of probe's and status's with Text.
	Word   string
	Text   string
	Result Result
	Output Output
	Lost   bool // with "output": the log could not be kept whole
	// Duplicate marks an end that only says that the attempt was delivered to
	// the host before. It proves nothing about the command.
	Duplicate bool
}

// Reader reads what a guard says. What a host sends is not trusted: every line
// and frame is bounded, and text is made printable.
type Reader struct {
	from io.Reader
	r    *bufio.Reader
	size int // of r's buffer
}

// firstLine is how long a line may be before the reader takes a buffer for the
// longest: a conversation may be quiet for a long time, and there may be many.
const firstLine = 512

// NewReader reads from r.
func NewReader(r io.Reader) *Reader {
	return &Reader{from: r, r: bufio.NewReaderSize(r, firstLine), size: firstLine}
}

// Await returns when the guard has said something, or has nothing more to say: what
// it is, or why, is for Next. Many may wait for long, and Next takes more of the stack.
func (r *Reader) Await() { _, _ = r.r.Peek(1) }

// slice returns the next line with its end, of at most maxLine bytes. It is valid
// until the next read.
func (r *Reader) slice() ([]byte, error) {
	raw, err := r.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) || r.size == maxLine {
		return raw, err
	}
	r.size = maxLine
	r.r = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(raw)), r.from), maxLine)
	return r.r.ReadSlice('\n')
}

// Next returns the next message, or io.EOF at a clean end.
func (r *Reader) Next() (Message, error) {
	word, text, err := r.line()
	if err != nil {
		return Message{}, err
	}
	m := Message{Word: word, Text: text}
	switch word {
	case "end":
		m.Result, m.Duplicate, err = r.result(text)
	case "output":
		total, lost, _ := strings.Cut(text, " ")
		m.Output.Bytes, err = count(total)
		m.Lost = lost == "lost"
	case "data":
		m.Output, err = r.data(text)
	case "tail":
		if m.Output.Bytes, err = count(text); err == nil {
			m.Output.Tail, err = r.text(TailBytes)
		}
	}
	if err != nil {
		return Message{}, fmt.Errorf("guard's answer %q: %w", word, err)
	}
	return m, nil
}

// line returns the next line's first word and its rest, printable and bounded.
func (r *Reader) line() (word, text string, err error) {
	raw, err := r.slice()
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", "", fmt.Errorf("a line above %d bytes", maxLine)
	case errors.Is(err, io.EOF) && len(raw) > 0:
		return "", "", io.ErrUnexpectedEOF
	case err != nil:
		return "", "", err
	}
	word, text, _ = strings.Cut(strings.TrimSuffix(string(raw), "\n"), " ")
	return printable(word), printable(text), nil
}

func printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(c rune) rune {
		if !strconv.IsPrint(c) {
			return '\uFFFD'
		}
		return c
	}, s)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

// result reads the rest of a result that began with "end".
func (r *Reader) result(end string) (res Result, duplicate bool, err error) {
	res.End = End(end)
	switch res.End {
	case Exited, TimedOut, Cancelled, Gone, Refused:
	default:
		return res, false, fmt.Errorf("unknown end %q", end)
	}
	for range 16 {
		word, text, err := r.line()
		if err != nil {
			return res, false, noEOF(err)
		}
		switch word {
		case ".":
			return res, duplicate, nil
		case "code":
			res.Code, err = strconv.Atoi(text)
			if err == nil && (res.Code < 0 || res.Code > 255) {
				err = fmt.Errorf("exit code %d", res.Code)
			}
		case "from":
			res.StartedAt, err = milliseconds(text)
		case "to":
			res.EndedAt, err = milliseconds(text)
		case "busy":
			res.Busy = true
		case "duplicate":
			duplicate = true
		case "reason":
			res.Reason = text
		case "note":
			res.Note = text
		}
		if err != nil {
			return res, false, err
		}
	}
	return res, false, errors.New("a result without end")
}

// data reads the frame of the kept output.
func (r *Reader) data(text string) (Output, error) {
	first, last, ok := strings.Cut(text, " ")
	if !ok {
		return Output{}, errors.New("want two lengths")
	}
	head, err := count(first)
	if err != nil {
		return Output{}, err
	}
	tail, err := count(last)
	if err != nil {
		return Output{}, err
	}
	if head > HeadBytes+TailBytes || tail > HeadBytes+TailBytes-head {
		return Output{}, fmt.Errorf("%d and %d bytes of output, at most %d", head, tail, HeadBytes+TailBytes)
	}
	var o Output
	if o.Head, err = r.read(head); err != nil {
		return Output{}, err
	}
	o.Tail, err = r.read(tail)
	return o, err
}

func (r *Reader) read(n int64) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r.r, b)
	return b, noEOF(err)
}

// text reads lines of base64 up to a dot: at most limit bytes.
func (r *Reader) text(limit int) ([]byte, error) {
	var b []byte
	for {
		raw, err := r.slice()
		if err != nil {
			return nil, noEOF(err)
		}
		line := bytes.TrimSuffix(raw, []byte("\n"))
		if string(line) == "." {
			return b, nil
		}
		if b, err = base64.StdEncoding.AppendDecode(b, line); err != nil {
			return nil, err
		}
		if len(b) > limit {
			return nil, fmt.Errorf("above %d bytes of output", limit)
		}
	}
}

// Rest returns what follows, up to limit bytes.
func (r *Reader) Rest(limit int) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r.r, int64(limit)))
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func count(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && n < 0 {
		err = fmt.Errorf("a length of %d", n)
	}
	return n, err
}

// milliseconds reads a time since 1970; 0 is no time at all.
func milliseconds(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}, err
	}
	if n < 0 || n > 253402300799000 {
		return time.Time{}, fmt.Errorf("a time of %d ms", n)
	}
	return time.UnixMilli(n).UTC(), nil
}
