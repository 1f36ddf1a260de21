package sqliteledger

import (
	"context"
	"database/sql"
	"embed"
	"fmt"

	"github.com/solocron/solocron/crash"
	"github.com/solocron/solocron/ledger"
)

//go:embed migrations/*.sql
var files embed.FS

// applicationID marks a SQLite file as a ledger; the first migration sets it.
const applicationID = 0x736f6c6f // "solo"

// migrations are the steps from an empty file to the present schema. The n-th
// leads to version n. A released step never changes.
func migrations() []string {
	entries, err := files.ReadDir("migrations")
	if err != nil {
		panic(err) // embedded
	}
	steps := make([]string, len(entries))
	for i, e := range entries {
		b, err := files.ReadFile("migrations/" + e.Name())
		if err != nil {
			panic(err) // embedded
		}
		steps[i] = string(b)
	}
	return steps
}

// migrate brings the schema up to date, each step in a transaction with the
// version that it leads to: a process killed in between leaves the old schema
// or the new one.
func migrate(ctx context.Context, conn *sql.Conn, steps []string) error {
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return err
	}
	if version > len(steps) {
		return fmt.Errorf("%w: schema %d, this one knows %d; install the newer one", ledger.ErrNewer, version, len(steps))
	}
	for v := version; v < len(steps); v++ {
		crash.Before("sqlite", "migration")
		if err := apply(ctx, conn, v+1, steps[v]); err != nil {
			return fmt.Errorf("schema %d: %w", v+1, err)
		}
		crash.After("sqlite", "migration")
	}
	return nil
}

func apply(ctx context.Context, conn *sql.Conn, version int, step string) error {
	script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s;\nPRAGMA user_version = %d;\nCOMMIT", step, version)
	if _, err := conn.ExecContext(ctx, script); err != nil {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // refused if BEGIN failed
		return err
	}
	return nil
}

// schemaVersion is 0 for a new file. It refuses the file of another program.
func schemaVersion(ctx context.Context, conn *sql.Conn) (int, error) {
	var id, version, tables int
	row := conn.QueryRowContext(ctx, `SELECT
		(SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema)`)
	if err := row.Scan(&id, &version, &tables); err != nil {
		return 0, err
	}
	if id != applicationID && (id != 0 || version != 0 || tables != 0) {
		return 0, fmt.Errorf("%w: a SQLite database, but of another program", ledger.ErrCorrupt)
	}
	return version, nil
}
