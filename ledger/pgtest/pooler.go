package pgtest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// poolerConfig gives every client another of few connections, per transaction.
const poolerConfig = `
[databases]
* = host=%s port=5432 user=` + user + `
[pgbouncer]
unix_socket_dir = %s
listen_addr =
listen_port = 6432
auth_type = any
pool_mode = transaction
max_client_conn = 500
default_pool_size = 6
`

// Pooled starts a pgbouncer in transaction mode (Debian package pgbouncer) in
// front of the server, which ends with the test, and returns the URL by way of
// it for a URL that [URL] made.
func Pooled(t testing.TB) func(direct string) string {
	t.Helper()
	socket := filepath.Dir(Socket(t))
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		bin = "/usr/sbin/pgbouncer" // not in every user's PATH
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatal("no pgbouncer: install the Debian package pgbouncer")
	}
	dir, err := os.MkdirTemp("", "solocron-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cred, err := credential(dir)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(config, fmt.Appendf(nil, poolerConfig, socket, dir), 0o644); err != nil {
		t.Fatal(err)
	}
	p := &server{dir: dir, port: "6432", ended: make(chan error, 1)}
	if err := p.launch(exec.Command(bin, "-q", config), cred); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
	return func(direct string) string {
		u, err := url.Parse(direct)
		if err != nil {
			t.Fatal(err)
		}
		return p.url(filepath.Base(u.Path))
	}
}
