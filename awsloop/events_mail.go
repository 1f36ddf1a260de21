package awsloop

import (
	"context"
	"sync"
	"time"
)

// mail carries messages to their receivers under the knobs for their kind.
type mail struct {
	server *Server
	knobs  func(Knobs) DeliveryKnobs
	mu     sync.Mutex
	held   func() // a message that waits for the next to overtake it
}

// send delivers a message: at once, later, after the next one, twice, or never.
// deliver doesn't wait for anything; what it does twice is its own affair.
func (m *mail) send(deliver func()) {
	k := m.knobs(m.server.Knobs())
	if m.server.roll(k.Drop) {
		return
	}
	if m.server.roll(k.Duplicate) {
		m.later(k.Duplicate.For, deliver)
	}
	switch {
	case m.server.roll(k.Reorder):
		m.hold(k.Reorder.For, deliver)
	case m.server.roll(k.Delay):
		m.later(k.Delay.For, deliver)
	default:
		deliver()
		m.swap(nil)()
	}
}

// hold keeps the message until the next is through, but no longer than d. One
// that was held before it goes now.
func (m *mail) hold(d time.Duration, deliver func()) {
	once := sync.OnceFunc(deliver)
	m.swap(once)()
	m.later(d, once)
}

// swap holds the next message and returns what delivers the last one.
func (m *mail) swap(next func()) (last func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, m.held = m.held, next
	if last == nil {
		return func() {}
	}
	return last
}

func (m *mail) later(d time.Duration, deliver func()) {
	m.server.spawn(func(ctx context.Context) {
		if pause(ctx, d) {
			deliver()
		}
	})
}
