package sshexec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/executor/guarded"
	"golang.org/x/crypto/ssh"
)

// remote is one host with the connections to it.
type remote struct {
	transport *transport
	target    target

	mu      sync.Mutex
	closed  bool
	conns   []*conn
	dialing *dialing // nil if nobody dials
}

// dialing is one attempt to connect that many may wait for. err is set before
// done is closed.
type dialing struct {
	done chan struct{}
	err  error
}

// session runs the command line in a session of a connection that has room, or
// of a new one. A kept connection that turns out to be dead is replaced.
func (r *remote) session(ctx context.Context, line string) (guarded.Session, error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c, wait, err := r.take()
		if err != nil {
			return nil, err
		}
		if c == nil {
			select {
			case <-wait.done:
				if wait.err != nil {
					return nil, wait.err
				}
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			continue
		}
		s, err := c.open(ctx, line)
		if err == nil {
			return s, nil
		}
		if !r.giveBack(c, err, ctx.Err() != nil) {
			return nil, fmt.Errorf("session on %s: %w", r.target.address, err)
		}
	}
}

// take returns a connection with a place that is now the caller's, or else
// somebody's dialing to wait for.
func (r *remote) take() (*conn, *dialing, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, net.ErrClosed
	}
	for _, c := range r.conns {
		if c.sessions < c.most {
			c.sessions++
			return c, nil, nil
		}
	}
	if r.dialing == nil {
		r.dialing = &dialing{done: make(chan struct{})}
		go r.transport.spawn(r.dial)
	}
	return nil, r.dialing, nil
}

// dial connects on behalf of all who wait.
func (r *remote) dial() {
	client, err := r.connect()
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.dialing
	r.dialing = nil
	defer close(d.done)
	switch {
	case err != nil:
		d.err = fmt.Errorf("%w: ssh://%s@%s: %w", executor.ErrUnreachable, r.target.user, r.target.address, err)
	case r.closed:
		client.Close()
		d.err = net.ErrClosed
	default:
		c := &conn{remote: r, client: client, ended: make(chan struct{}), most: r.transport.opts.Sessions, idle: time.Now()}
		r.conns = append(r.conns, c)
		r.transport.wg.Go(c.keepAlive) // dial itself is waited for
	}
}

// giveBack returns a place whose session could not be opened, and reports
// whether another try is worthwhile. If the caller's time was over, that says
// nothing of the connection.
func (r *remote) giveBack(c *conn, err error, over bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.release()
	var refused *ssh.OpenChannelError
	switch {
	case over:
		return false
	case errors.As(err, &refused):
		c.most = c.sessions // what MaxSessions allows
		return c.sessions > 0
	}
	fresh := c.served == 0
	c.client.Close()
	r.conns = slices.DeleteFunc(r.conns, func(other *conn) bool { return other == c })
	return !fresh
}

func (r *remote) drop(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = slices.DeleteFunc(r.conns, func(other *conn) bool { return other == c })
}

func (r *remote) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, c := range r.conns {
		c.client.Close()
	}
}

// sessions is how many there are.
func (r *remote) sessions() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		n += c.sessions
	}
	return n
}

// conn is one connection. Its counters are guarded by the remote's mutex.
type conn struct {
	remote   *remote
	client   *ssh.Client
	ended    chan struct{} // closed when the connection has ended
	sessions int           // open now
	most     int           // how many may be
	served   int           // opened so far
	idle     time.Time     // since when there is none

	asking   sync.Mutex // one asks on behalf of those who wait
	answered time.Time  // when the host last answered one of them
}

// answerCounts is how long one answer counts for all who ask.
const answerCounts = 100 * time.Millisecond

// answers asks the host for a sign of life. A connection that gives none in time is
// closed.
func (c *conn) answers() error {
	c.asking.Lock()
	defer c.asking.Unlock()
	if time.Since(c.answered) < answerCounts {
		return nil
	}
	err := c.signOfLife(c.remote.transport.opts.AnswerWithin)
	if err != nil {
		return fmt.Errorf("%s has fallen silent: %w", c.remote.target.address, err)
	}
	c.answered = time.Now()
	return nil
}

// signOfLife asks the host for an answer of any kind, and closes the connection if
// there is none in time.
func (c *conn) signOfLife(within time.Duration) error {
	silence := time.AfterFunc(within, func() { c.client.Close() })
	defer silence.Stop()
	_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
	return err
}

// release gives a place back; the remote's mutex is held.
func (c *conn) release() {
	if c.sessions--; c.sessions == 0 {
		c.idle = time.Now()
	}
}

// keepAlive ends the connection when it is dead or idle for long, and returns
// when it has ended.
func (c *conn) keepAlive() {
	opts := c.remote.transport.opts
	c.remote.transport.wg.Go(func() {
		_ = c.client.Wait() // why it ended is for those whose session it took
		c.remote.drop(c)
		close(c.ended)
	})
	tick := time.NewTicker(opts.KeepAlive)
	defer tick.Stop()
	for {
		select {
		case <-c.ended:
			return
		case <-tick.C:
		}
		if c.retire(opts.IdleAfter) {
			return
		}
		if c.signOfLife(3*opts.KeepAlive) != nil {
			c.client.Close()
		}
	}
}

// retire closes the connection if it has been idle for so long.
func (c *conn) retire(after time.Duration) bool {
	c.remote.mu.Lock()
	defer c.remote.mu.Unlock()
	if c.sessions > 0 || time.Since(c.idle) < after {
		return false
	}
	c.most = 0
	c.client.Close()
	return true
}
