package pgledger

import (
	"context"
	"embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/solocron/solocron/crash"
	"github.com/solocron/solocron/ledger"
)

//go:embed migrations/*.sql
var files embed.FS

// migrations are the steps from an empty database to the present schema. The
// n-th leads to version n. A released step never changes.
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

// migrationLock keeps schedulers that start at once from migrating at once; it
// ends with the transaction.
const migrationLock = 0x736f6c6f // "solo"

// migrate brings the schema up to date, each step in a transaction with the
// version that it leads to. A schema that is up to date is only read, so that
// a user without the right to change it will do.
func (l *Ledger) migrate(ctx context.Context, steps []string) error {
	for {
		version, err := l.version(ctx)
		if err != nil {
			return l.explain("read schema version", err)
		}
		if version > len(steps) {
			return l.explain("open", fmt.Errorf("%w: schema %d, this one knows %d; install the newer one",
				ledger.ErrNewer, version, len(steps)))
		}
		if version == len(steps) {
			return nil
		}
		crash.Before("postgres", "migration")
		if err := l.step(ctx, version, steps[version]); err != nil {
			return l.explain(fmt.Sprintf("migrate to schema %d", version+1), err)
		}
		crash.After("postgres", "migration")
	}
}

// version is 0 for a database without a ledger.
func (l *Ledger) version(ctx context.Context) (version int, err error) {
	var exists bool
	err = l.pool.QueryRow(ctx, `SELECT to_regclass('solocron.schema') IS NOT NULL`).Scan(&exists)
	if err != nil || !exists {
		return 0, err
	}
	err = l.pool.QueryRow(ctx, `SELECT version FROM solocron.schema`).Scan(&version)
	return version, err
}

// step leads from one version to the next, unless another scheduler was first.
func (l *Ledger) step(ctx context.Context, from int, script string) error {
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, migrationLock); err != nil {
			return err
		}
		// One script, so that it goes to the server in one piece.
		_, err := tx.Conn().PgConn().Exec(ctx, `
			CREATE SCHEMA IF NOT EXISTS solocron;
			CREATE TABLE IF NOT EXISTS solocron.schema (version BIGINT NOT NULL);
			INSERT INTO solocron.schema SELECT 0 WHERE NOT EXISTS (SELECT FROM solocron.schema)`).ReadAll()
		if err != nil {
			return err
		}
		moved, err := tx.Exec(ctx, `UPDATE solocron.schema SET version = $1 WHERE version = $2`, from+1, from)
		if err != nil || moved.RowsAffected() == 0 {
			return err
		}
		_, err = tx.Conn().PgConn().Exec(ctx, script).ReadAll()
		return err
	})
}
