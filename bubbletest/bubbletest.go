// Package bubbletest runs tests in bubbles of fake time.
package bubbletest

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// Test is [synctest.Test], which the race detector, up to Go 1.26.8 at least, does
// not stand on more than one processor: once in thousands of bubbles the process ends
// in SIGSEGV or "ThreadSanitizer: CHECK failed", after a function timer has fired, as
// those of [time.AfterFunc] and [context.WithTimeout] are. With the race detector the
// process has one processor while it has bubbles.
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if raced {
		defer one.hold()()
	}
	synctest.Test(t, f)
}

// one keeps the process on one processor while anybody holds it.
var one single

type single struct {
	mu      sync.Mutex
	holders int
	before  int // how many processors it was
}

func (s *single) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holders++; s.holders == 1 {
		s.before = runtime.GOMAXPROCS(1)
	}
	return s.release
}

func (s *single) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holders--; s.holders == 0 {
		runtime.GOMAXPROCS(s.before)
	}
}
