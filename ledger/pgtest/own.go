package pgtest

import "testing"

// Server is a PostgreSQL of one test, which may stop and start it.
type Server struct {
	t  testing.TB
	s  *server
	up bool
}

// Own starts a server that ends with the test.
func Own(t testing.TB) *Server {
	t.Helper()
	s, err := newServer()
	if err != nil {
		t.Fatal(err)
	}
	own := &Server{t, s, true}
	t.Cleanup(func() {
		if !own.up {
			own.Start()
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return own
}

// URL is that of a database that the server begins with.
func (o *Server) URL() string { return o.s.url("postgres") }

// Stop ends the server with its connections, and keeps its data.
func (o *Server) Stop() {
	o.t.Helper()
	if err := o.s.halt(); err != nil {
		o.t.Fatal(err)
	}
	o.up = false
}

// Start starts the server again, and waits until it answers.
func (o *Server) Start() {
	o.t.Helper()
	if err := o.s.start(); err != nil {
		o.t.Fatal(err)
	}
	o.up = true
}
