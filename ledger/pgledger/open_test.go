package pgledger

import (
	"errors"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/pgtest"
)

func TestNoPasswordInErrors(t *testing.T) {
	const password = "s3cr/et%"
	const encoded = "s3cr%2Fet%25"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	listener.Close()
	for name, url := range map[string]string{
		"nobody listens":  "postgres://me:" + encoded + "@" + closed + "/cron",
		"unknown host":    "postgres://me:" + encoded + "@host.invalid/cron",
		"bad port":        "postgres://me:" + encoded + "@host:port/cron",
		"bad escape":      "postgres://me:" + password + "@host/cron",
		"bad sslmode":     "postgres://me:" + encoded + "@host/cron?sslmode=wrong",
		"password below":  "postgres://host/cron?sslmode=wrong&password=" + encoded,
		"as another key":  "postgres://me:" + encoded + "@host/cron?port=" + encoded,
		"bad pool":        "postgres://me:" + encoded + "@host/cron?pool_max_conns=none",
		"password by key": "host=h password=" + password + " port=x",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), url)
			if err == nil {
				t.Fatal("opened")
			}
			for _, secret := range []string{password, encoded, "s3cr"} {
				if strings.Contains(err.Error(), secret) {
					t.Fatalf("the error shows the password: %v", err)
				}
			}
		})
	}
}

func TestErrorsNameTheDatabase(t *testing.T) {
	url := strings.Replace(pgtest.URL(t), "test_", "absent_", 1)
	_, err := Open(t.Context(), url)
	if err == nil || !strings.Contains(err.Error(), "absent_") || !strings.Contains(err.Error(), "solocron@") {
		t.Fatalf("got %v", err)
	}
}

func TestOpenedByManyAtOnce(t *testing.T) {
	url := pgtest.URL(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			l, err := Open(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func dial(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// An older program refuses the schema of a newer one.
func TestFault37NewerSchema(t *testing.T) {
	url := pgtest.URL(t)
	l := open(t, url)
	if _, err := l.pool.Exec(t.Context(), `UPDATE solocron.schema SET version = 99`); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), url); !errors.Is(err, ledger.ErrNewer) || !strings.Contains(err.Error(), "schema 99") {
		t.Fatalf("got %v", err)
	}
}

// migrated brings a database up to the last of the steps.
func migrated(t *testing.T, url string, steps []string) {
	t.Helper()
	l, err := connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.migrate(t.Context(), steps); err != nil {
		t.Fatal(err)
	}
}

var comment = regexp.MustCompile(`--.*`)

// A process killed within a migration leaves the old schema, and the next one
// finishes the work.
func TestFault36MigrationKilled(t *testing.T) {
	for v, script := range migrations() {
		statements := strings.Split(strings.TrimSpace(comment.ReplaceAllString(script, "")), ";")
		for done := range statements {
			url := pgtest.URL(t)
			conn := dial(t, url)
			begin := "BEGIN; CREATE SCHEMA IF NOT EXISTS solocron; " + strings.Join(statements[:done], ";")
			migrated(t, url, migrations()[:v])
			if _, err := conn.PgConn().Exec(t.Context(), begin).ReadAll(); err != nil {
				t.Fatal(err)
			}
			conn.PgConn().Conn().Close() // as a kill does
			l := open(t, url)
			if version, err := l.version(t.Context()); err != nil || version != len(migrations()) {
				t.Fatalf("version %d after %d statements: %v", version, done, err)
			}
			if _, err := l.Write(t.Context(), ledger.Change{Run: occurrence(1)}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestFailedMigrationLeavesTheOldSchema(t *testing.T) {
	l := open(t, pgtest.URL(t))
	steps := migrations()
	bad := append(steps, "CREATE TABLE solocron.more (a INT); CREATE TABLE oops")
	if err := l.migrate(t.Context(), bad); err == nil {
		t.Fatal("a broken step was taken")
	}
	if version, err := l.version(t.Context()); err != nil || version != len(steps) {
		t.Fatalf("version %d: %v", version, err)
	}
	good := append(steps, "CREATE TABLE solocron.more (a INT)")
	for range 2 {
		if err := l.migrate(t.Context(), good); err != nil {
			t.Fatal(err)
		}
	}
}

// A user who may not change the schema can use one that is up to date.
func TestPlainUser(t *testing.T) {
	url := pgtest.URL(t)
	open(t, url)
	conn := dial(t, url)
	defer conn.Close(t.Context())
	role := "plain_" + conn.Config().Database
	if _, err := conn.PgConn().Exec(t.Context(), `CREATE ROLE `+role+` LOGIN; GRANT USAGE ON SCHEMA solocron TO `+role+`;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA solocron TO `+role).ReadAll(); err != nil {
		t.Fatal(err)
	}
	l := open(t, strings.Replace(url, "user=solocron", "user="+role, 1))
	out, err := l.Write(t.Context(), ledger.Change{Run: occurrence(1)})
	if err != nil || out[0].Err != nil {
		t.Fatalf("%v %v", err, out)
	}

	other := strings.Replace(pgtest.URL(t), "user=solocron", "user="+role, 1)
	if _, err := Open(t.Context(), other); err == nil || !strings.Contains(err.Error(), "GRANT CREATE") {
		t.Fatalf("got %v", err)
	}
}
