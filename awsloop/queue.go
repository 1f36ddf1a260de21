package awsloop

import (
	"context"
	"sync"
)

// queue hands events on in order, in one goroutine that lives while there are
// some.
type queue struct {
	mu      sync.Mutex
	waiting [][]byte
	running bool
}

// emit tells an event to all who asked for them.
func (s *Server) emit(event []byte) {
	q := &s.events
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, event)
	if !q.running {
		q.running = s.spawn(s.handOn)
	}
}

func (s *Server) handOn(context.Context) {
	for {
		event, ok := s.events.next()
		if !ok {
			return
		}
		s.mu.Lock()
		seen := s.seen
		s.mu.Unlock()
		for _, f := range seen {
			f(event)
		}
	}
}

// next takes the oldest event; without one the goroutine is over.
func (q *queue) next() (event []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.running = false
		return nil, false
	}
	event, q.waiting = q.waiting[0], q.waiting[1:]
	return event, true
}
