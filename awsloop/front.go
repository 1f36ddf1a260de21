package awsloop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"
)

// bodyLimit is above all that the services take: a function's zip may have 50 MB.
const bodyLimit = 64 << 20

// Start listens on a free port of the loopback until Close and returns the URL.
func (s *Server) Start() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen for the stand-in: %w", err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	if !s.spawn(func(context.Context) { server.Serve(l) }) { //nolint:errcheck // it always ends with ErrServerClosed
		return "", errors.Join(http.ErrServerClosed, l.Close())
	}
	s.onClose(func() {
		if err := server.Close(); err != nil {
			s.log.Error("close the stand-in's listener", "err", err)
		}
	})
	base := "http://" + l.Addr().String()
	s.SetURL(base)
	return base, nil
}

// ServeHTTP verifies, counts and answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away, or sent too much
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	protocol := protocolOf(r)
	service, err := s.verify(r, body)
	if err != nil {
		s.log.Info("refused", "request", r.Method+" "+r.URL.Path, "err", err)
		var f fault
		errors.As(err, &f)
		protocol.refuse(w, f)
		return
	}
	c := s.request(service, protocol, r, body)
	if s.isService(r) {
		s.perform(w, r, c)
		return
	}
	s.count(service, c.operation)
	s.faulty(w, r, c)
}

func (s *Server) request(service string, p protocol, r *http.Request, body []byte) request {
	handler := s.route(service)
	if p == rpcCBOR {
		handler = translated(handler)
	}
	operation := operationOf(handler, service, r, body)
	return request{service, operation, service + "." + operation, p, handler, subjectOf(service, r, body)}
}

// faulty performs a verified request under the knobs.
func (s *Server) faulty(w http.ResponseWriter, r *http.Request, c request) {
	knobs := s.Knobs()
	if k := of(knobs.Delay, c.service, c.operation); s.roll(k) && !pause(r.Context(), k.For) {
		panic(http.ErrAbortHandler)
	}
	if s.roll(of(knobs.Throttle, c.service, c.operation)) {
		c.protocol.refuse(w, fault{throttled, "Rate exceeded"})
		return
	}
	if s.awkward(w, r, c) {
		return
	}
	if s.roll(of(knobs.Lost, c.service, c.operation)) {
		s.perform(httptest.NewRecorder(), r, c)
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	}
	s.perform(w, r, c)
}

func (s *Server) perform(w http.ResponseWriter, r *http.Request, c request) {
	answer := &watched{w, http.StatusOK}
	c.handler.ServeHTTP(answer, r)
	if answer.status < http.StatusBadRequest {
		s.note(c)
	}
}

// watched keeps the status of an answer.
type watched struct {
	http.ResponseWriter
	status int
}

func (a *watched) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// route is who answers for the service.
func (s *Server) route(service string) http.Handler {
	if h, ok := s.routes.Load(service); ok {
		return h.(http.Handler) //nolint:forcetypeassert // Handle stores nothing else
	}
	if s.moto != nil {
		return s.moto
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocolOf(r).refuse(w, fault{unavailable, "nobody answers for service " + service})
	})
}

func (s *Server) count(service, operation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[service+"."+operation]++
}

// pause waits for d and says whether ctx lasted as long.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errCut is what a client sees whose answer was lost.
var errCut = errors.New("connection closed before the answer came")

// RoundTripper answers requests by calling the server, without a network and in
// the caller's goroutine.
func (s *Server) RoundTripper() http.RoundTripper { return direct{s} }

type direct struct{ *Server }

func (d direct) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer in.Body.Close()
	if in.Host == "" {
		in.Host = in.URL.Host
	}
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler:
			if answer, err = nil, context.Cause(r.Context()); err == nil {
				err = errCut
			}
		default:
			panic(cause)
		}
	}()
	w := httptest.NewRecorder()
	d.ServeHTTP(w, in)
	answer = w.Result()
	answer.Request = r
	answer.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat)) // clients learn their skew from it
	return answer, nil
}
