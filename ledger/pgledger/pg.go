// Package pgledger keeps the ledger in a PostgreSQL database, in a schema named
// solocron, so that any number of schedulers can share it.
//
// A write is one transaction of two round trips: the first locks the rows of
// the jobs and runs that it is about, the second changes them and commits.
// Locks are taken in one order everywhere, so that writers queue; a deadlock
// with something else is repeated. If the answer to a commit is lost, the write
// looks for its nonce before it says anything.
//
// Nothing outlives a transaction on the server: no session locks, prepared
// statements, settings or LISTEN. A pooler in transaction mode may therefore
// sit in between. Every transaction has limits on statements and locks.
//
// What can go wrong: a server that acknowledges commits and then forgets them,
// such as a standby promoted without the latest of an asynchronous primary,
// takes the ledger back in time. Each transaction therefore asks first whether
// the nonces of this handle's last acknowledged writes are still there; once they
// are not, nothing is written any more but with [ledger.ErrWentBack].
package pgledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
)

// Ledger is a [ledger.Ledger] in a PostgreSQL database.
type Ledger struct {
	sqlrow.Reader
	pool *pgxpool.Pool
	name string // of the database, for errors
	acks acks
}

var _ ledger.Ledger = (*Ledger)(nil)

// maxConns is how many connections one scheduler uses unless the URL says
// otherwise: ten schedulers fit into PostgreSQL's own default of 100.
const maxConns = 9

const (
	connectTimeout = 10 * time.Second
	readTimeout    = 30 * time.Second
	// writeTimeout bounds what is done without the caller's context: a commit,
	// and looking for one whose answer was lost. It is longer than the server
	// keeps an abandoned transaction.
	writeTimeout = 30 * time.Second
)

// limits are what the server holds each transaction to.
const limits = `SELECT set_config('statement_timeout', '15s', true), set_config('lock_timeout', '10s', true),
	set_config('idle_in_transaction_session_timeout', '10s', true)`

// Open connects to the database that the postgres:// URL names and brings its
// schema up to date, for which the user must be allowed to create one. The
// URL's parameters are those of libpq and pgxpool, such as pool_max_conns. No
// error shows the password. Only ErrNewer is among the port's errors here.
func Open(ctx context.Context, url string) (*Ledger, error) {
	l, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := l.migrate(ctx, migrations()); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// connect is Open with the schema as it is.
func connect(ctx context.Context, url string) (*Ledger, error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", name(config), err)
	}
	l := &Ledger{pool: pool, name: name(config), acks: acks{most: int(config.MaxConns)}}
	l.Reader = sqlrow.Reader{
		DB: stdlib.OpenDBFromPool(pool), Dialect: sqlrow.PostgreSQL, Explain: l.explain, Timeout: readTimeout,
	}
	return l, nil
}

// parse reads the URL and sets what a pooler in transaction mode asks for.
func parse(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", unparsable(url, err))
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	c := config.ConnConfig
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	c.StatementCacheCapacity, c.DescriptionCacheCapacity = 0, 0
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "solocron"
	}
	return config, nil
}

// Close waits for calls under way and closes every connection. Repeating is
// safe.
func (l *Ledger) Close() error {
	err := l.DB.Close()
	l.pool.Close()
	return err
}

// batch is a transaction whose statements don't depend on each other's
// results: one round trip.
func (l *Ledger) batch(ctx context.Context, op string, queue func(*pgx.Batch)) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := retry(func() error {
		b := l.begin()
		queue(b)
		b.Queue("COMMIT")
		return l.pool.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return l.explain(op, err)
	}
	return nil
}

// begin starts a transaction with its limits, which ends at once on a server
// that has forgotten this handle's last acknowledged writes.
func (l *Ledger) begin() *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	b.Queue(limits)
	if nonces := l.acks.nonces(); len(nonces) > 0 {
		b.Queue(isKept, nonces, len(nonces))
	}
	return b
}
