package dispatch

import (
	"context"
	"sync"
	"time"
)

// starts counts those that have come due, whose guards stand ready, and that have
// yet to get their go. What commands that have ended came to is recorded after
// them: it is safe with its host, and a start is late by every write before it.
type starts struct {
	mu    sync.Mutex
	ahead int
	clear chan struct{} // closed when none is ahead any more; nil while none is
}

// holdUp is how long a result waits at most.
const holdUp = time.Second

// first counts a start from when it says that it has come due until it returns.
func (s *starts) first(start func(due func()) error) error {
	counted := false
	defer func() {
		if counted {
			s.done()
		}
	}()
	return start(func() {
		counted = true
		s.begin()
	})
}

func (s *starts) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ahead++; s.ahead == 1 {
		s.clear = make(chan struct{})
	}
}

func (s *starts) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ahead--; s.ahead == 0 {
		close(s.clear)
		s.clear = nil
	}
}

// goFirst waits until no start is ahead, but not for long.
func (s *starts) goFirst(ctx context.Context) {
	s.mu.Lock()
	clear := s.clear
	s.mu.Unlock()
	if clear == nil {
		return
	}
	timer := time.NewTimer(holdUp)
	defer timer.Stop()
	select {
	case <-clear:
	case <-timer.C:
	case <-ctx.Done():
	}
}
