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
	mu          sync.Mutex
	begun, gone int
	waves       []wave // the first is the next to be over
}

// wave is over when as many starts have gone as had begun when it was joined.
type wave struct {
	begun int
	over  chan struct{}
}

// holdUp is how long a result waits at most.
const holdUp = 5 * time.Second

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
	s.begun++
}

func (s *starts) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone++
	for len(s.waves) > 0 && s.waves[0].begun <= s.gone {
		close(s.waves[0].over)
		s.waves = s.waves[1:]
	}
}

// goFirst waits until the starts that are ahead now have gone, but not for long.
// It does not wait for those that come due later.
func (s *starts) goFirst(ctx context.Context) {
	over := s.join()
	if over == nil {
		return
	}
	timer := time.NewTimer(holdUp)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// join is closed when what is ahead now is over; nil if nothing is.
func (s *starts) join() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun == s.gone {
		return nil
	}
	if n := len(s.waves); n > 0 && s.waves[n-1].begun == s.begun {
		return s.waves[n-1].over
	}
	over := make(chan struct{})
	s.waves = append(s.waves, wave{begun: s.begun, over: over})
	return over
}
