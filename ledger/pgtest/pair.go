package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pair is a primary and a standby that follows it asynchronously, by streaming
// replication, behind one address. Both end with the test.
type Pair struct {
	t                testing.TB
	address          string // folder with the socket that clients know
	primary, standby *server
}

// NewPair starts the two servers.
func NewPair(t testing.TB) *Pair {
	t.Helper()
	address, err := os.MkdirTemp("", "solocron-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(address) })
	p := &Pair{t: t, address: address}
	if p.primary, err = newServer(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(p.primary) })
	if p.standby, err = follower(p.primary); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(p.standby) })
	p.point(p.primary)
	return p
}

// follower makes a standby from a base backup, and waits until it answers.
func follower(primary *server) (*server, error) {
	dir, err := os.MkdirTemp("", "solocron-pg-")
	if err != nil {
		return nil, err
	}
	s := &server{bin: primary.bin, dir: dir, port: "5432", ended: make(chan error, 1)}
	cred, err := credential(dir)
	if err == nil {
		copying := exec.Command(filepath.Join(s.bin, "pg_basebackup"), "--pgdata="+s.data(), "--host="+primary.dir,
			"--port="+primary.port, "--username="+user, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
		copying.Dir, copying.SysProcAttr = dir, &syscall.SysProcAttr{Credential: cred}
		var out []byte
		if out, err = copying.CombinedOutput(); err != nil {
			err = fmt.Errorf("pg_basebackup: %w\n%s", err, out)
		}
	}
	if err == nil {
		err = s.start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a standby for the tests: %w", err), os.RemoveAll(dir))
	}
	return s, nil
}

// URL is the database's, at the pair's address.
func (p *Pair) URL() string {
	q := url.Values{"host": {p.address}, "port": {"5432"}, "user": {user}, "sslmode": {"disable"}}
	return "postgres:///postgres?" + q.Encode()
}

// Lag returns when the standby has what the primary has, and hears of nothing
// more.
func (p *Pair) Lag() {
	p.t.Helper()
	var at string
	p.ask(p.primary, `SELECT pg_current_wal_lsn()::text`, &at)
	p.await(p.standby, `SELECT pg_last_wal_replay_lsn() >= '`+at+`'`)
	for _, stmt := range []string{`ALTER SYSTEM SET primary_conninfo = ''`, `SELECT pg_reload_conf()`} {
		if err := p.standby.exec(stmt); err != nil {
			p.t.Fatal(err)
		}
	}
	p.await(p.standby, `SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)`)
}

// Failover kills the primary, promotes the standby and gives it the address.
func (p *Pair) Failover() {
	p.t.Helper()
	p.end(p.primary)
	if err := p.standby.exec(`SELECT pg_promote()`); err != nil {
		p.t.Fatal(err)
	}
	p.point(p.standby)
}

func (p *Pair) point(s *server) {
	p.t.Helper()
	link := filepath.Join(p.address, ".s.PGSQL.5432")
	temp := link + ".new"
	if err := errors.Join(os.Symlink(filepath.Join(s.dir, ".s.PGSQL."+s.port), temp), os.Rename(temp, link)); err != nil {
		p.t.Fatal(err)
	}
}

// end kills a server at once, as a power failure would, unless it has ended.
func (p *Pair) end(s *server) {
	if _, err := os.Stat(s.dir); err != nil {
		return
	}
	_ = s.process.Signal(syscall.SIGQUIT)
	<-s.ended
	if err := os.RemoveAll(s.dir); err != nil {
		p.t.Error(err)
	}
}

func (p *Pair) ask(s *server, query string, to any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err == nil {
		err = errors.Join(conn.QueryRow(ctx, query).Scan(to), conn.Close(ctx))
	}
	if err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
}

// await waits until the query says true.
func (p *Pair) await(s *server, query string) {
	p.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for is := false; ; {
		if p.ask(s, query, &is); is {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("a minute in vain: %s", query)
		}
	}
}
