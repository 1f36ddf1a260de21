package pgledger

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/pgtest"
	"github.com/solocron/solocron/run"
)

// through is the database's URL by way of the proxy.
func through(t *testing.T, p *proxy, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return "postgres://" + config.User + "@" + p.listener.Addr().String() + "/" + config.Database + "?sslmode=disable"
}

// Wherever a connection is cut around a commit, the write's outcome is what
// became of it: the run was created once, and this write says so.
func TestFault25CutAtCommit(t *testing.T) {
	for name, cut := range map[string]func(t *testing.T, url string) func(commit []byte, client, server net.Conn){
		"before the server has it": func(*testing.T, string) func([]byte, net.Conn, net.Conn) {
			return func(_ []byte, client, server net.Conn) {
				client.Close()
				server.Close()
			}
		},
		"after the server did it": func(t *testing.T, url string) func([]byte, net.Conn, net.Conn) {
			return func(commit []byte, client, server net.Conn) {
				client.Close() // first, so that no answer gets through
				if _, err := server.Write(commit); err != nil {
					t.Error(err)
				}
				await(t, url, `SELECT count(*) = 1 FROM solocron.writes`)
			}
		},
		"while it is still on its way": func(t *testing.T, url string) func([]byte, net.Conn, net.Conn) {
			return func(commit []byte, client, server net.Conn) {
				client.Close()
				await(t, url, `SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)
				if _, err := server.Write(commit); err != nil {
					t.Error(err)
				}
				await(t, url, `SELECT count(*) = 1 FROM solocron.writes`)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.URL(t)
			p := newProxy(t)
			l := open(t, through(t, p, url))
			p.arm(cut(t, url))
			change := ledger.Change{Run: occurrence(1), Slot: ledger.Slot{Op: ledger.SlotTake}}
			change.Run.Attempts = []run.Attempt{{N: 1, Host: "h", State: run.AttemptStarting}}
			out, err := l.Write(t.Context(), change)
			if err != nil || out[0].Err != nil {
				t.Fatalf("%v %v", err, out)
			}
			if p.isArmed() {
				t.Fatal("no commit was seen")
			}
			stored, err := l.Run(t.Context(), change.Run.ID)
			if err != nil || stored.Version != 1 || stored.Attempts[0].Fence != 1 || out[0].Run.Attempts[0].Fence != 1 {
				t.Fatalf("stored %+v, answered %+v, %v", stored, out[0].Run, err)
			}
		})
	}
}

// await returns when the query says true, asked past the proxy.
func await(t *testing.T, url, query string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(ctx)
	for {
		var is bool
		if err := conn.QueryRow(ctx, query).Scan(&is); err != nil {
			t.Errorf("%s: %v", query, err)
			return
		}
		if is {
			return
		}
		if _, err := conn.Exec(ctx, `SELECT pg_sleep(0.01)`); err != nil {
			t.Errorf("%s: %v", query, err)
			return
		}
	}
}

func TestNobodyToAsk(t *testing.T) {
	url := pgtest.URL(t)
	p := newProxy(t)
	l := open(t, through(t, p, url))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	p.listener.Close()
	p.cutAll()
	_, err := l.Write(ctx, ledger.Change{Run: occurrence(1)})
	if err == nil || !strings.Contains(err.Error(), p.listener.Addr().String()) {
		t.Fatalf("got %v, want an error that names the server", err)
	}
}

// A connection that died while idle is replaced without a word.
func TestIdleConnectionsCut(t *testing.T) {
	p := newProxy(t)
	l := open(t, through(t, p, pgtest.URL(t)))
	for n := range 5 {
		p.cutAll()
		out, err := l.Write(t.Context(), ledger.Change{Run: occurrence(n)})
		if err != nil || out[0].Err != nil {
			t.Fatalf("write %d: %v %v", n, err, out)
		}
	}
}

// A daemon that stopped in mid-transaction does not block the others for long:
// the server's limits end it.
func TestLimits(t *testing.T) {
	l := open(t, pgtest.URL(t))
	conn, err := l.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	b := l.begin()
	got := map[string]string{}
	for _, setting := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		b.Queue("SELECT current_setting($1)", setting).QueryRow(func(row pgx.Row) error {
			var v string
			err := row.Scan(&v)
			got[setting] = v
			return err
		})
	}
	b.Queue("ROLLBACK")
	if err := conn.SendBatch(t.Context(), b).Close(); err != nil {
		t.Fatal(err)
	}
	for setting, v := range got {
		if v == "0" {
			t.Errorf("%s is off", setting)
		}
	}
	var after string
	if err := conn.QueryRow(t.Context(), "SELECT current_setting('lock_timeout')").Scan(&after); err != nil || after != "0" {
		t.Fatalf("lock_timeout is %s after the transaction: %v", after, err)
	}
}

// While somebody holds the tables, calls end by their own limits instead of
// piling up, and go on afterwards.
func TestFault30LockedTables(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	l := open(t, url)
	l.Reader.Timeout = time.Second
	holder, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background())
	if _, err := holder.Exec(t.Context(), `BEGIN; LOCK TABLE solocron.jobs, solocron.runs IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Runs(t.Context(), ledger.Query{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	if _, err := l.Write(t.Context(), ledger.Change{Run: occurrence(1)}); err == nil || !strings.Contains(err.Error(), "lock timeout") {
		t.Errorf("write: %v", err)
	}
	await(t, url, `SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`) // nobody waits on
	if _, err := holder.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	out, err := l.Write(t.Context(), ledger.Change{Run: occurrence(1)})
	if err != nil || out[0].Err != nil {
		t.Errorf("afterwards: %v %v", err, out)
	}
}

// A server that has lost one of the last writes that it had acknowledged takes
// none any more. What it never had is not asked for.
func TestLostWrite(t *testing.T) {
	url := pgtest.URL(t)
	conn := dial(t, url)
	defer conn.Close(t.Context())
	forget := func(n int) {
		t.Helper()
		const stmt = `DELETE FROM solocron.writes WHERE nonce IN (SELECT nonce FROM solocron.writes ORDER BY at DESC LIMIT $1)`
		if _, err := conn.Exec(t.Context(), stmt, n); err != nil {
			t.Fatal(err)
		}
	}
	for name, last := range map[string]func(*Ledger) error{
		"write": func(l *Ledger) error { _, err := l.Write(t.Context(), ledger.Change{Run: occurrence(1)}); return err },
		"beat":  func(l *Ledger) error { _, err := l.Beat(t.Context(), "o", time.Now(), time.Minute); return err },
	} {
		t.Run(name, func(t *testing.T) {
			l, other := open(t, url), open(t, url)
			if err := last(l); err != nil {
				t.Fatal(err)
			}
			forget(1)
			before, err := other.Mark(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, written := l.Write(t.Context(), ledger.Change{Run: occurrence(2)})
			_, beaten := l.Beat(t.Context(), "o", time.Now(), time.Minute)
			paused := l.Pause(t.Context(), "job", ledger.Pause{})
			for what, err := range map[string]error{"write": written, "beat": beaten, "pause": paused} {
				if !errors.Is(err, ledger.ErrWentBack) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if after, err := other.Mark(t.Context()); err != nil || after != before {
				t.Errorf("the mark went from %v to %v, %v", before, after, err)
			}
			if _, err := other.Run(t.Context(), occurrence(2).ID); !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("the write is there: %v", err)
			}
			if err := errors.Join(l.Halt(t.Context(), "lost a write"), l.Leave(t.Context(), "o")); err != nil {
				t.Errorf("halt and leave: %v", err)
			}
			if m, err := other.Beat(t.Context(), "other", time.Now(), time.Minute); err != nil || m.Halted != "lost a write" {
				t.Errorf("the others hear %q, %v", m.Halted, err)
			}
		})
	}
}

// The server's clock is set forward by a day: what was written just before looks
// old, and is still asked for.
func TestPruneAfterClockJump(t *testing.T) {
	url := pgtest.URL(t)
	l := open(t, url)
	if _, err := l.Beat(t.Context(), "o", time.Now(), time.Minute); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, url)
	defer conn.Close(t.Context())
	const jump = `UPDATE solocron.writes SET at = at - interval '1 day';
		INSERT INTO solocron.writes (nonce, at) SELECT n::text, now() - interval '2 days' - n * interval '1 second' FROM generate_series(1, 2000) AS n`
	if _, err := conn.PgConn().Exec(t.Context(), jump).ReadAll(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Prune(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM solocron.writes`).Scan(&left); err != nil || left != 1000 {
		t.Errorf("%d left, %v", left, err)
	}
	if _, err := l.Beat(t.Context(), "o", time.Now(), time.Minute); err != nil {
		t.Error(err)
	}
}
