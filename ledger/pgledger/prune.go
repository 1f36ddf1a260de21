package pgledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/solocron/solocron/ledger/sqlrow"
)

// pruneRuns is how many runs go in one transaction.
const pruneRuns = 200

// pruneNonces forgets writes that nobody can be asking about any more; see
// keptFor. The latest stay, whatever the server's clock was set to since.
const pruneNonces = `DELETE FROM solocron.writes WHERE at < now() - interval '1 hour'
	AND at < (SELECT min(at) FROM (SELECT at FROM solocron.writes ORDER BY at DESC LIMIT 1000) AS latest)`

// Prune implements [ledger.Ledger]. It passes over runs that a writer has
// locked.
func (l *Ledger) Prune(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		n, err := l.pruneSome(ctx, before)
		if err != nil {
			return total, l.explain("prune", err)
		}
		total += n
		if n < pruneRuns {
			break
		}
	}
	err := l.batch(ctx, "prune", func(b *pgx.Batch) {
		b.Queue(sqlrow.PruneStrays, before.UnixMilli())
		b.Queue(sqlrow.PruneOwners, before.UnixMilli())
		b.Queue(pruneNonces)
	})
	return total, err
}

// pruneSome locks some runs that may go, then removes them.
func (l *Ledger) pruneSome(ctx context.Context, before time.Time) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err = retry(func() error {
		conn, err := l.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release() // closes a connection that is still in its transaction
		var ids []string
		b := l.begin()
		b.Queue(sqlrow.Prunable, before.UnixMilli(), pruneRuns).Query(func(rows pgx.Rows) (err error) {
			ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
		if err := conn.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		b = &pgx.Batch{}
		for _, id := range ids {
			for _, stmt := range sqlrow.PruneRun {
				b.Queue(stmt, id)
			}
		}
		b.Queue("COMMIT")
		n = len(ids)
		return conn.SendBatch(ctx, b).Close()
	})
	return n, err
}
