package keeper

import (
	"net"
	"sync"
)

// wire is a connection whose writes are gathered while one is under way: a yamux
// session writes every word by itself, and its header before it. What was written is
// on its way, not delivered; why it could not be shows at the next Write. It is for
// the keeper's words alone: a go that the daemon has said must be heard even if the
// daemon is killed in the next moment.
type wire struct {
	net.Conn

	mu      sync.Mutex
	changed sync.Cond // held got less, or there is an err
	held    []byte
	passing bool  // somebody writes what is held
	err     error // nothing more is taken
	under   sync.WaitGroup
}

// wireful is what a wire holds, beside what is under way, before a Write waits.
const wireful = 64 << 10

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn}
	w.changed.L = &w.mu
	return w
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.held) >= wireful && w.err == nil {
		w.changed.Wait()
	}
	if w.err != nil {
		return 0, w.err
	}
	w.held = append(w.held, b...)
	if !w.passing {
		w.passing = true
		w.under.Go(w.pass)
	}
	return len(b), nil
}

// pass writes until nothing is held.
func (w *wire) pass() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var words []byte
	for len(w.held) > 0 {
		words, w.held = w.held, words[:0]
		w.changed.Broadcast()
		w.mu.Unlock()
		_, err := w.Conn.Write(words)
		w.mu.Lock()
		if err != nil {
			w.fail(err)
			break
		}
	}
	w.passing = false
}

// fail takes nothing more; the caller holds mu.
func (w *wire) fail(err error) {
	if w.err == nil {
		w.err = err
	}
	w.changed.Broadcast()
}

// Close breaks off what is under way: a keeper closes its wire when the daemon has gone.
func (w *wire) Close() error {
	w.mu.Lock()
	w.fail(net.ErrClosed)
	w.mu.Unlock()
	err := w.Conn.Close()
	w.under.Wait()
	return err
}
