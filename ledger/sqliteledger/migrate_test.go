package sqliteledger

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// connect opens the file as it is.
func connect(t *testing.T, path string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path, "journal_mode(WAL)"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// schema is what the file holds: its version and every table and index.
func schema(t *testing.T, conn *sql.Conn) (version int, objects []string) {
	t.Helper()
	version, err := schemaVersion(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.QueryContext(t.Context(), `SELECT name || ': ' || coalesce(sql, '') FROM sqlite_schema ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var object string
		if err := rows.Scan(&object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
	return version, objects
}

// wantPresent checks that the file opens, and has the schema of a new one.
func wantPresent(t *testing.T, path string) {
	t.Helper()
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(t.TempDir(), "fresh.db")
	if err := open(t, fresh).Close(); err != nil {
		t.Fatal(err)
	}
	_, want := schema(t, connect(t, fresh))
	version, got := schema(t, connect(t, path))
	if diff := cmp.Diff(want, got); diff != "" || version != len(migrations()) {
		t.Fatalf("version %d (-want +got):\n%s", version, diff)
	}
}

func TestMigrateFromEveryVersion(t *testing.T) {
	for v := range len(migrations()) + 1 {
		path := filepath.Join(t.TempDir(), "ledger.db")
		if err := migrate(t.Context(), connect(t, path), migrations()[:v]); err != nil {
			t.Fatal(err)
		}
		wantPresent(t, path)
	}
}

// A process killed within a migration leaves its files as they are; here they
// are copied after each statement.
func TestFault36MigrationKilled(t *testing.T) {
	for v, step := range migrations() {
		statements := split(step)
		for done := range len(statements) + 1 {
			path := filepath.Join(t.TempDir(), "ledger.db")
			conn := connect(t, path)
			if err := migrate(t.Context(), conn, migrations()[:v]); err != nil {
				t.Fatal(err)
			}
			for _, stmt := range append([]string{"PRAGMA cache_size = 1", "BEGIN IMMEDIATE"}, statements[:done]...) {
				if _, err := conn.ExecContext(t.Context(), stmt); err != nil {
					t.Fatalf("%s: %v", stmt, err)
				}
			}
			left := filepath.Join(t.TempDir(), "left.db")
			for _, suffix := range []string{"", "-wal"} {
				if b, err := os.ReadFile(path + suffix); err == nil {
					save(t, left+suffix, b)
				}
			}
			if version, _ := schema(t, connect(t, left)); version != v {
				t.Fatalf("version %d after %d statements, want %d", version, done, v)
			}
			wantPresent(t, left)
			if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

var comment = regexp.MustCompile(`--.*`)

func split(script string) (statements []string) {
	for s := range strings.SplitSeq(comment.ReplaceAllString(script, ""), ";") {
		if strings.TrimSpace(s) != "" {
			statements = append(statements, s)
		}
	}
	return statements
}

func TestFailedMigrationLeavesTheOldSchema(t *testing.T) {
	conn := connect(t, filepath.Join(t.TempDir(), "ledger.db"))
	steps := migrations()
	if err := migrate(t.Context(), conn, steps); err != nil {
		t.Fatal(err)
	}
	_, before := schema(t, conn)
	bad := append(steps, "CREATE TABLE more (a); CREATE TABLE oops")
	if err := migrate(context.Background(), conn, bad); err == nil {
		t.Fatal("a broken step was taken")
	}
	version, after := schema(t, conn)
	if diff := cmp.Diff(before, after); diff != "" || version != len(steps) {
		t.Fatalf("version %d (-want +got):\n%s", version, diff)
	}
	good := append(steps, "CREATE TABLE more (a)")
	for range 2 {
		if err := migrate(t.Context(), conn, good); err != nil {
			t.Fatal(err)
		}
	}
	if version, _ := schema(t, conn); version != len(good) {
		t.Fatalf("version %d, want %d", version, len(good))
	}
}
