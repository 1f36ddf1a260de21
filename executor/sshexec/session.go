package sshexec

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// session is a guard behind a connection. The library's reads and writes end
// only with the connection; these end with Close too.
type session struct {
	conn   *conn
	ssh    *ssh.Session
	stdin  io.Writer
	stdout *io.PipeReader
	wrong  complaint
	once   sync.Once
	closed chan struct{}
}

// open runs the line in a new session. A connection that doesn't answer in time
// is closed, since others wait on it too; a caller that gives up leaves it be.
func (c *conn) open(ctx context.Context, line string) (*session, error) {
	done := make(chan opening, 1)
	within := c.remote.transport.opts.SessionWithin
	late := time.AfterFunc(within, func() { c.client.Close() })
	c.remote.transport.spawn(func() {
		o := c.begun(line)
		late.Stop()
		done <- o
	})
	select {
	case o := <-done:
		return o.s, o.err
	case <-ctx.Done():
		c.remote.transport.spawn(func() {
			if o := <-done; o.err == nil {
				o.s.hangUp()
			}
		})
		return nil, fmt.Errorf("%w", context.Cause(ctx))
	}
}

// opening is a session, or why there is none.
type opening struct {
	s   *session
	err error
}

// begun is begin, except that it returns soon after the connection has ended. The
// library forgets whoever asks for a session in that very moment, and lets them wait
// for good (golang/go#26643).
func (c *conn) begun(line string) opening {
	done := make(chan opening, 1)
	go func() {
		s, err := c.begin(line)
		done <- opening{s, err}
	}()
	select {
	case o := <-done:
		return o
	case <-c.ended:
	}
	soon := time.NewTimer(c.remote.transport.opts.AnswerWithin)
	defer soon.Stop()
	select {
	case o := <-done:
		return o
	case <-soon.C:
		return opening{err: fmt.Errorf("session: %w", net.ErrClosed)}
	}
}

func (c *conn) begin(line string) (*session, error) {
	raw, err := c.client.NewSession()
	if err != nil {
		return nil, err
	}
	s := &session{conn: c, ssh: raw, closed: make(chan struct{})}
	raw.Stderr = &s.wrong
	var stdout io.Reader
	if s.stdin, err = raw.StdinPipe(); err == nil {
		stdout, err = raw.StdoutPipe()
	}
	if err == nil {
		err = raw.Start(line)
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	heard, said := io.Pipe()
	s.stdout = heard
	go c.remote.transport.spawn(func() {
		_, err := io.Copy(said, stdout)
		said.CloseWithError(err)
	})
	c.remote.mu.Lock()
	c.served++
	c.remote.mu.Unlock()
	return s, nil
}

func (s *session) Read(b []byte) (int, error) { return s.stdout.Read(b) }

func (s *session) Write(b []byte) (int, error) {
	type written struct {
		n   int
		err error
	}
	done := make(chan written, 1)
	b = bytes.Clone(b)
	s.conn.remote.transport.spawn(func() {
		n, err := s.stdin.Write(b)
		done <- written{n, err}
	})
	select {
	case w := <-done:
		return w.n, w.err
	case <-s.closed:
		return 0, io.ErrClosedPipe
	}
}

// Close leaves the guard and gives the session's place back.
func (s *session) Close() error {
	s.once.Do(func() {
		s.hangUp()
		r := s.conn.remote
		r.mu.Lock()
		s.conn.release()
		r.mu.Unlock()
	})
	return nil
}

// hangUp doesn't wait for the host, which may not listen any more.
func (s *session) hangUp() {
	close(s.closed)
	s.stdout.Close()
	s.conn.remote.transport.spawn(func() { s.ssh.Close() })
}

// Answers asks for a sign of life from the other end of the connection.
func (s *session) Answers() error { return s.conn.answers() }

func (s *session) Complaint() string { return s.wrong.String() }

// complaint keeps the beginning of what is written to it.
type complaint struct {
	mu    sync.Mutex
	words []byte
}

func (c *complaint) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.words = append(c.words, b[:min(len(b), 300-len(c.words))]...)
	return len(b), nil
}

func (c *complaint) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ToValidUTF8(string(bytes.TrimSpace(c.words)), "\uFFFD")
}
