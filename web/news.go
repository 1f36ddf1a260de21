package web

import (
	"sync"

	"github.com/solocron/solocron/run"
)

// news wakes those who wait for a run's next change.
type news struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]struct{}
}

func (n *news) join(id string) (changed <-chan struct{}, leave func()) {
	c := make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting == nil {
		n.waiting = map[string]map[chan struct{}]struct{}{}
	}
	if n.waiting[id] == nil {
		n.waiting[id] = map[chan struct{}]struct{}{}
	}
	n.waiting[id][c] = struct{}{}
	return c, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.waiting[id], c)
		if len(n.waiting[id]) == 0 {
			delete(n.waiting, id)
		}
	}
}

func (n *news) tell(r run.Run) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.waiting[r.ID] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
