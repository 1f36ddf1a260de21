package guard

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/solocron/solocron/run"
)

// Limits of an order. The kernel takes no single argument or variable above
// 128 KiB.
const (
	MaxCommandBytes  = 120 << 10
	MaxVariableBytes = 120 << 10
	MaxOrderBytes    = 1 << 20

	DefaultOutputBytes = 16 << 20
	MinOutputBytes     = 128 << 10
)

// Link says what the guard should know of the connection that the order
// arrives over.
type Link struct {
	// GoWithin is how long the guard waits for its go; zero to wait for the end
	// of input, which a pipe on the same machine gives for certain.
	GoWithin time.Duration
	// Inline asks for the kept output at the end of the conversation.
	Inline bool
}

// Encode returns the order as the guard reads it from its standard input: lines
// of shell assignments and a closing dot. It refuses what no host could start.
func (o Order) Encode(link Link) ([]byte, error) {
	text, err := o.encode(link, func(func(name, value string)) {})
	if err != nil {
		return nil, fmt.Errorf("order %s: %w", o.Attempt.Dir(), err)
	}
	return text, nil
}

// encode is Encode with more of the guard's settings than those of every order.
func (o Order) encode(link Link, more func(set func(name, value string))) ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	kept := o.OutputBytes
	if kept == 0 {
		kept = DefaultOutputBytes
	}
	kept = max(kept, MinOutputBytes)
	tail := min(max(kept/4, TailBytes), 1<<20)

	var b bytes.Buffer
	set := func(name, value string) {
		if value != "" {
			b.WriteString("o_" + name + "=" + strings.ReplaceAll(quote(value), "\n", `'"$nl"'`) + "\n")
		}
	}
	set("root", o.Kept)
	set("name", o.Attempt.Dir())
	set("token", o.Token)
	set("shell", o.Shell)
	set("command", o.Command)
	set("user", o.User)
	set("cwd", o.Dir)
	set("env", o.exports())
	set("timeout", strconv.FormatFloat(o.Timeout.Seconds(), 'f', 3, 64))
	set("grace", strconv.FormatInt(int64(o.Grace/(10*time.Millisecond)), 10))
	set("wait", strconv.FormatFloat(link.GoWithin.Seconds(), 'f', -1, 64))
	set("head", strconv.FormatInt(kept-tail, 10))
	set("tail", strconv.FormatInt(tail, 10))
	if o.Exclusive {
		set("lock", o.Job)
	}
	if link.Inline {
		set("inline", "1")
	}
	more(set)
	b.WriteString(".\n")
	if b.Len() > MaxOrderBytes {
		return nil, fmt.Errorf("%d bytes with its environment, at most %d", b.Len(), MaxOrderBytes)
	}
	return b.Bytes(), nil
}

// Go is the line that lets the guard start the command. now is the scheduler's
// clock, from which the guard reckons the times of its result.
func (o Order) Go(now time.Time) string {
	return fmt.Sprintf("go %s %d\n", o.Token, now.UnixMilli())
}

func (o Order) check() error {
	job, _, err := run.ParseID(o.Run)
	switch {
	case err != nil:
		return err
	case o.Job != job:
		return fmt.Errorf("job %q is not the run's", o.Job)
	case o.N < 1:
		return fmt.Errorf("attempt number %d", o.N)
	case o.Token == "" || strings.Trim(o.Token, tokenAlphabet) != "":
		return errors.New("token: want letters and digits")
	case o.Command == "":
		return errors.New("empty command")
	case len(o.Command) > MaxCommandBytes:
		return fmt.Errorf("command of %d bytes, at most %d", len(o.Command), MaxCommandBytes)
	case o.Timeout < time.Millisecond:
		return fmt.Errorf("timeout %s", o.Timeout)
	case o.Grace < 0:
		return fmt.Errorf("grace %s", o.Grace)
	case strings.HasPrefix(o.User, "-") || strings.ContainsAny(o.User, ": /\n"):
		return fmt.Errorf("user %q is not a user name", o.User)
	}
	for name, value := range map[string]string{"command": o.Command, "shell": o.Shell, "user": o.User, "dir": o.Dir, "run-dir": o.Kept, "host": o.Host} {
		if strings.ContainsRune(value, 0) {
			return fmt.Errorf("%s holds a NUL byte", name)
		}
	}
	for _, vars := range []map[string]string{o.Env, o.Secrets} {
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			if err := CheckVariable(name, vars[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

const tokenAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// readonly are the names that bash keeps to itself even as /bin/sh; assigning
// them would end the guard.
var readonly = []string{"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"}

// CheckVariable says why a variable can't be given to a command; nil if it can.
// The error never holds the value.
func CheckVariable(name, value string) error {
	switch {
	case name == "" || strings.Trim(name, variableAlphabet) != "" || name[0] >= '0' && name[0] <= '9':
		return fmt.Errorf("variable %q: want letters, digits and _, not starting with a digit", name)
	case strings.HasPrefix(name, "SOLOCRON_"):
		return fmt.Errorf("variable %s: names with SOLOCRON_ are set by the guard", name)
	case slices.Contains(readonly, name):
		return fmt.Errorf("variable %s: belongs to the shell", name)
	case strings.ContainsRune(value, 0):
		return fmt.Errorf("variable %s: its value holds a NUL byte", name)
	case len(name)+len(value) > MaxVariableBytes:
		return fmt.Errorf("variable %s: its value has %d bytes, at most %d", name, len(value), MaxVariableBytes-len(name))
	}
	return nil
}

const variableAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// exports is the shell text that sets the command's environment. What the guard
// itself says of the run comes last.
func (o Order) exports() string {
	var b strings.Builder
	export := func(name, value string) {
		b.WriteString("export " + name + "=" + quote(value) + "\n")
	}
	for _, vars := range []map[string]string{o.Env, o.Secrets} {
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			export(name, vars[name])
		}
	}
	export("SOLOCRON_RUN_ID", o.Run)
	export("SOLOCRON_JOB", o.Job)
	export("SOLOCRON_DUE", o.Due.UTC().Format(time.RFC3339))
	export("SOLOCRON_ATTEMPT", strconv.Itoa(o.N))
	export("SOLOCRON_HOST", o.Host)
	export("SOLOCRON_FENCE", strconv.FormatInt(o.Fence, 10))
	return b.String()
}
