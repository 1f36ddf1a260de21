//go:build crashpoints

package crash

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// The variables that say where a process dies and where it notes what it passes.
const (
	// PointVar is the name of the point, followed by # and which time it is
	// passed by this process: "before keeper go#2".
	PointVar = "SOLOCRON_CRASH_POINT"
	// PassedVar is a file to which the name of every point that is passed is
	// appended, a line each; that of the last one again, after "died ".
	PassedVar = "SOLOCRON_CRASH_PASSED"
)

var (
	point, times, _ = strings.Cut(os.Getenv(PointVar), "#")
	nth, _          = strconv.ParseInt(times, 10, 64)
	passes          atomic.Int64
	passed          = open(os.Getenv(PassedVar))
)

func open(path string) *os.File {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	return f
}

// Before marks the moment before a durable write: of whom, and what.
func Before(who, what string) { pass("before " + who + " " + what) }

// After marks the moment after it.
func After(who, what string) { pass("after " + who + " " + what) }

func pass(name string) {
	name = strings.TrimSpace(name)
	note(name)
	if name == point && passes.Add(1) == max(nth, 1) {
		note("died " + name)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // not one instruction more of this goroutine
	}
}

func note(words string) {
	if passed != nil {
		_, _ = passed.WriteString(words + "\n")
	}
}

// Environ are the variables by which a process that has a clean environment is
// told to die: "NAME=value", none in an ordinary build.
func Environ() []string {
	return []string{PointVar + "=" + os.Getenv(PointVar), PassedVar + "=" + os.Getenv(PassedVar)}
}
