package pgledger

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/solocron/solocron/ledger/pgtest"
)

// proxy stands between the ledger and the server, on loopback. What happens to
// the next armed commit is up to at; everything else passes.
type proxy struct {
	listener net.Listener
	socket   string
	wg       sync.WaitGroup
	mu       sync.Mutex
	at       func(commit []byte, client, server net.Conn) // called once
	open     map[net.Conn]bool
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, socket: pgtest.Socket(t), open: map[net.Conn]bool{}}
	p.wg.Go(p.serve)
	t.Cleanup(func() {
		listener.Close()
		p.cutAll()
		p.wg.Wait()
	})
	return p
}

// arm lets f deal with the next commit.
func (p *proxy) arm(f func(commit []byte, client, server net.Conn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = f
}

func (p *proxy) armed() func([]byte, net.Conn, net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.at
	p.at = nil
	return f
}

func (p *proxy) isArmed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at != nil
}

func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
	}
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("unix", p.socket)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.open[client], p.open[server] = true, true
		p.mu.Unlock()
		p.wg.Go(func() { p.forward(client, server) })
		p.wg.Go(func() {
			_, _ = io.Copy(client, server) // ends with either connection
			client.Close()
		})
	}
}

// forward passes what the client says until it commits a write while armed.
func (p *proxy) forward(client, server net.Conn) {
	defer server.Close()
	b := make([]byte, 1<<20)
	for {
		n, err := client.Read(b)
		if errors.Is(err, io.EOF) || err != nil {
			return
		}
		write := bytes.Contains(b[:n], []byte("solocron.writes (nonce)")) && bytes.Contains(b[:n], []byte("COMMIT"))
		if write && p.isArmed() {
			p.armed()(bytes.Clone(b[:n]), client, server)
			return
		}
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
	}
}
