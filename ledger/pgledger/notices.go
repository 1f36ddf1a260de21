package pgledger

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
)

// TakeNotices implements [ledger.Ledger]. It passes over notices that another
// taker is about to have.
func (l *Ledger) TakeNotices(ctx context.Context, target string, now time.Time, lease time.Duration, limit int) ([]ledger.Notice, error) {
	var taken []ledger.Notice
	err := l.batch(ctx, "take notices for "+target, func(b *pgx.Batch) {
		q := b.Queue(sqlrow.TakeNotices, sqlrow.Text(target), now.UnixMilli(), now.Add(lease).UnixMilli(), limit)
		q.Query(func(rows pgx.Rows) (err error) {
			taken, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.Notice, error) {
				return sqlrow.ScanNotice(row.Scan)
			})
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(taken, sqlrow.OldestFirst)
	return taken, nil
}

// SettleNotice implements [ledger.Ledger].
func (l *Ledger) SettleNotice(ctx context.Context, id string, s ledger.Settlement) error {
	_, err := l.exec(ctx, "settle notice "+id, sqlrow.SettleNotice, sqlrow.SettlementArgs(id, s)...)
	return err
}
