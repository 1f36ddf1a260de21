package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/solocron/solocron/job"
)

// Socket is where the scheduler of a jobs file listens, and where its clients
// look for it: beside the SQLite ledger, or beside the jobs file if the ledger
// is a server.
func Socket(f *job.File) string {
	if strings.Contains(f.Ledger, "://") {
		return f.Path + ".sock"
	}
	path := f.Ledger
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			path = filepath.Join(home, rest)
		}
	}
	return path + ".sock"
}

// maxSocket is how many bytes the path of a unix socket may have.
var maxSocket = len(syscall.RawSockaddrUnix{}.Path) - 1

// CheckSocket refuses a path that no unix socket can have, with a [*Problem].
func CheckSocket(path string) error {
	if len(path) <= maxSocket {
		return nil
	}
	return &Problem{
		Message: fmt.Sprintf("socket %s: its path has %d bytes, a unix socket's at most %d", path, len(path), maxSocket),
		Hint:    "name a shorter one with --socket, the same for solocron serve and for its clients",
	}
}

// socket carries requests to the scheduler that listens at a path.
type socket struct {
	path string
	http *http.Transport
}

func newSocket(path string) *socket {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &socket{path, &http.Transport{DialContext: dial}}
}

// RoundTrip says what is wrong with the socket, as far as its error tells.
func (s *socket) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := s.http.RoundTrip(r)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		err = &Problem{
			Message: "no scheduler is listening at " + s.path,
			Hint:    "start one with solocron serve, or name its socket with --socket",
		}
	case errors.Is(err, fs.ErrPermission):
		err = &Problem{
			Message: "no permission to talk to the scheduler at " + s.path,
			Hint:    "run this as the user that runs solocron serve",
		}
	}
	return res, err
}
