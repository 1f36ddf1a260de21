// Package pgtest gives tests a real PostgreSQL: one server per test binary,
// started at first use on a Unix socket in a temporary directory, and a fresh
// database per test. Debian's package is postgresql; a test that finds no
// server program fails.
//
// A package that uses it ends its tests through [Main].
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	start   = sync.OnceValues(newServer)
	started atomic.Bool
	counter atomic.Int64
)

// Main runs the tests, stops the server if one was started, and exits.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for those who have more to do before they exit with its result.
func Run(m *testing.M) int {
	code := m.Run()
	if started.Load() {
		if s, err := start(); err == nil {
			if err := s.stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = max(code, 1)
			}
		}
	}
	return code
}

// URL returns a postgres:// URL of a new, empty database that its user owns.
// The database goes when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	started.Store(true)
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", counter.Add(1))
	if err := s.exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.url(name)
}

// Socket returns the path of the server's Unix socket, for proxies in front.
func Socket(t testing.TB) string {
	t.Helper()
	started.Store(true)
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(s.dir, ".s.PGSQL."+s.port)
}

func (s *server) url(database string) string {
	q := url.Values{"host": {s.dir}, "port": {s.port}, "user": {user}, "sslmode": {"disable"}}
	return "postgres:///" + database + "?" + q.Encode()
}

// exec runs a statement outside of the tests' databases.
func (s *server) exec(stmt string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return fmt.Errorf("test server: %w", err)
	}
	_, err = conn.Exec(ctx, stmt)
	return errors.Join(err, conn.Close(ctx))
}
