package awsloop

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Lambda runs functions: the executables that would be in their zip files, as
// processes of this machine.
type Lambda struct {
	server *Server
	mux    *http.ServeMux
	common FunctionOptions // of functions that are made by CreateFunction
	mu     sync.Mutex
	byName map[string]*Function
}

// NewLambda answers the server's requests for the service "lambda". Its
// functions end with the server.
func NewLambda(s *Server) *Lambda {
	l := &Lambda{server: s, byName: map[string]*Function{}}
	l.mux = l.routes()
	s.Handle("lambda", l)
	s.onClose(l.close)
	return l
}

var functionName = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`)

// Create adds a function, which starts no process before its first invocation.
func (l *Lambda) Create(o FunctionOptions) (*Function, error) {
	if !functionName.MatchString(o.Name) {
		return nil, fmt.Errorf("create function %q: the name is not 1 to 64 letters, digits, - and _", o.Name)
	}
	f := newFunction(l.server, o)
	if err := l.add(f); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// add has the function known.
func (l *Lambda) add(f *Function) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byName == nil || l.byName[f.name()] != nil {
		return fmt.Errorf("create function %s: it exists, or the server is closed", f.name())
	}
	l.byName[f.name()] = f
	return nil
}

// Find returns the function that a name or an ARN means, possibly with the
// qualifier $LATEST.
func (l *Lambda) Find(name string) (*Function, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for short, f := range l.byName {
		partial := l.server.options.Account + ":function:" + short
		switch strings.TrimSuffix(name, ":$LATEST") {
		case short, partial, f.arn:
			return f, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", errNoFunction, name)
}

func (s *Server) functionARN(name string) string {
	return "arn:aws:lambda:" + s.options.Region + ":" + s.options.Account + ":function:" + name
}

var errNoFunction = errors.New("function not found")

func (l *Lambda) close() {
	l.mu.Lock()
	functions := l.byName
	l.byName = nil
	l.mu.Unlock()
	for _, f := range functions {
		f.close()
	}
}

// guid makes up an identifier in the form of a UUID.
func (s *Server) guid() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, l := s.rand.Uint64(), s.rand.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", h>>32, h>>16&0xffff, h&0xfff, l>>48&0x3fff|0x8000, l&0xffffffffffff)
}

// part draws a part of d.
func (s *Server) part(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.rand.Float64() * float64(d))
}
