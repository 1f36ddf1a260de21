package guard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Errand is an order as a guard reads it: defaults are settled, and the
// environment is one list. A guard that is no shell reads the same text.
type Errand struct {
	Root  string // of the run directories; empty for the host's default
	Name  string // of the run directory
	Token string
	Lock  string // name of the lock to hold; empty for none

	Command string
	Shell   string
	User    string   // empty for the guard's own
	Dir     string   // empty for the user's home
	Env     []string // NAME=VALUE, a later one outdoes an earlier one

	Timeout, Grace       time.Duration
	HeadBytes, TailBytes int64 // how much of the output to keep
}

// ReadErrand reads what [Order.Encode] wrote for a [Link] without bounds and
// leaves the reader at what follows. It is an error if the order is torn.
func ReadErrand(r *bufio.Reader) (Errand, error) {
	e := Errand{Shell: "/bin/sh"}
	for size := 0; ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return Errand{}, fmt.Errorf("read an order: %w", noEOF(err))
		}
		if line == ".\n" {
			err := e.whole()
			return e, err
		}
		if size += len(line); size > MaxOrderBytes {
			return Errand{}, fmt.Errorf("read an order: above %d bytes", MaxOrderBytes)
		}
		name, quoted, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		value, rest, err := unquote(quoted)
		if err == nil && rest != "" {
			err = errors.New("text after the closing quote")
		}
		if err == nil {
			err = e.set(name, value)
		}
		if err != nil {
			return Errand{}, fmt.Errorf("read an order: %.20q: %w", name, err)
		}
	}
}

func (e *Errand) whole() error {
	if e.Name == "" || e.Token == "" || e.Command == "" || strings.Contains(e.Name+e.Lock, "/") {
		return errors.New("read an order: it lacks its name, token or command")
	}
	return nil
}

func (e *Errand) set(name, value string) (err error) {
	words := map[string]*string{
		"o_root": &e.Root, "o_name": &e.Name, "o_token": &e.Token, "o_lock": &e.Lock,
		"o_command": &e.Command, "o_shell": &e.Shell, "o_user": &e.User, "o_cwd": &e.Dir,
	}
	if word, ok := words[name]; ok {
		*word = value
		return nil
	}
	switch name {
	case "o_env":
		e.Env, err = exported(value)
	case "o_timeout":
		var seconds float64
		seconds, err = strconv.ParseFloat(value, 64)
		e.Timeout = time.Duration(seconds * float64(time.Second))
	case "o_grace":
		var hundredths int64
		hundredths, err = count(value)
		e.Grace = time.Duration(hundredths) * 10 * time.Millisecond
	case "o_head":
		e.HeadBytes, err = count(value)
	case "o_tail":
		e.TailBytes, err = count(value)
	case "o_wait":
		if value != "0" {
			err = errors.New("this guard waits for the end of its input")
		}
	default:
		err = errors.New("unknown")
	}
	return err
}

// exported reads the shell text that exports wrote.
func exported(text string) (env []string, err error) {
	for text != "" {
		line, ok := strings.CutPrefix(text, "export ")
		name, quoted, found := strings.Cut(line, "=")
		if !ok || !found {
			return nil, errors.New("want export NAME=VALUE")
		}
		value, rest, err := unquote(quoted)
		if err != nil {
			return nil, err
		}
		if text, ok = strings.CutPrefix(rest, "\n"); !ok {
			return nil, errors.New("an export without its line end")
		}
		env = append(env, name+"="+value)
	}
	return env, nil
}

// unquote reads one word as quote wrote it, with line ends as Encode puts them.
func unquote(s string) (word, rest string, err error) {
	var b strings.Builder
	for {
		switch {
		case strings.HasPrefix(s, "'"):
			inside, after, closed := strings.Cut(s[1:], "'")
			if !closed {
				return "", "", io.ErrUnexpectedEOF
			}
			b.WriteString(inside)
			s = after
		case strings.HasPrefix(s, `\'`):
			b.WriteByte('\'')
			s = s[2:]
		case strings.HasPrefix(s, `"$nl"`):
			b.WriteByte('\n')
			s = s[5:]
		default:
			return b.String(), s, nil
		}
	}
}
