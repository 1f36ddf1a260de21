package web

import (
	"fmt"
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
