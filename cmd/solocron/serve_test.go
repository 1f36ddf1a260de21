package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/ledger/memledger"
	"github.com/solocron/solocron/web"
)

// pipes is a listener in memory, so that its connections live in fake time.
type pipes struct {
	dialled chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newPipes() *pipes { return &pipes{dialled: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialled:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: "pipe"} }

// say writes a request and then nothing more, and returns all that is answered
// until the server closes the connection, and after how long it did.
func (p *pipes) say(text string) (answer string, after time.Duration) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	begun := time.Now()
	p.dialled <- theirs
	go func() { _, _ = io.WriteString(ours, text) }()
	b, _ := io.ReadAll(ours)
	return string(b), time.Since(begun)
}

// answering is a server that has an API and nothing behind it.
func answering() *server {
	log := slog.New(slog.DiscardHandler)
	return &server{log: log, api: &web.Server{Log: log, Dispatcher: dispatch.New(dispatch.Options{Ledger: memledger.New(), Log: log, Stepwise: true})}}
}

// A client that is slow, silent or endless costs a connection for two minutes at
// most.
func TestFault109SlowClients(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := answering()
		ctx, cancel := context.WithCancel(t.Context())
		l := newPipes()
		var serving sync.WaitGroup
		serving.Go(func() { s.answer(ctx, l) })
		for name, c := range map[string]struct {
			text, want string
			within     time.Duration
		}{
			"nothing":           {"", "", 11 * time.Second},
			"half a header":     {"GET /v1/status HTTP/1.1\r\nHost: solo", "", 11 * time.Second},
			"half a body":       {"POST /v1/jobs/a/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"by\"", "400 Bad Request", 2*time.Minute + time.Second},
			"no next request":   {"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", 3 * time.Minute},
			"an endless header": {"GET /v1/status HTTP/1.1\r\nX: " + strings.Repeat("x", 1<<20), "431 Request Header", time.Second},
		} {
			answer, after := l.say(c.text)
			if !strings.Contains(answer, c.want) || (c.want == "") != (answer == "") || after > c.within {
				t.Errorf("%s: after %v, %q", name, after, answer)
			}
		}
		cancel()
		serving.Wait()
	})
}

// A request under way when the scheduler ends has a second to be answered in, and
// the API has ended when answer has.
func TestAnswerEndsWithItsRequests(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := answering()
		ctx, cancel := context.WithCancel(t.Context())
		l := newPipes()
		var all sync.WaitGroup
		all.Go(func() { l.say("POST /v1/jobs/a/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{") })
		done := make(chan time.Time, 1)
		all.Go(func() { s.answer(ctx, l); done <- time.Now() })
		synctest.Wait()
		begun := time.Now()
		cancel()
		if after := (<-done).Sub(begun); after != time.Second {
			t.Errorf("answer ended %v after its context, want the second of grace", after)
		}
		all.Wait()
	})
}
