// Package sqliteledger keeps the ledger in one SQLite file beside the daemon.
//
// One process at a time owns the file; a lock on FILE.lock sees to that. Every
// write goes through one goroutine, which puts all writes that are waiting into
// one transaction, so that many callers share one fsync (group commit). A write
// is answered after that fsync (journal_mode=WAL, synchronous=FULL).
//
// What can go wrong: a full disk refuses writes with [ledger.ErrFull] until
// there is space again; a failed fsync ends all writing until the process is
// restarted, because nobody knows what the disk kept; a file that SQLite finds
// damaged, or that is not a ledger at all, is refused at Open and left as it is.
package sqliteledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver, without cgo

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
)

// Ledger is a [ledger.Ledger] in a SQLite file.
type Ledger struct {
	sqlrow.Reader
	path    string
	lock    *os.File
	write   *sql.DB
	writer  *writer
	damaged atomic.Bool // was seen to be
	close   func() error
}

var _ ledger.Ledger = (*Ledger)(nil)

// readers is how many reads may go on at once; writers don't wait for them.
const readers = 4

// Open opens the ledger in the file, which it creates if there is none; the
// directory must exist. It wraps [ledger.ErrLocked], [ledger.ErrCorrupt] or
// [ledger.ErrNewer] where that is the cause. Opening reads the whole file once,
// to find damage before anything rests on it, unless it is just as it was when it
// was closed in order.
func Open(ctx context.Context, path string) (*Ledger, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	l := &Ledger{path: path}
	l.close = sync.OnceValue(l.release)
	if err := l.open(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Ledger) open(ctx context.Context) (err error) {
	if l.lock, err = lock(ctx, l.path); err != nil {
		return err
	}
	sound, err := closedInOrder(l.lock, l.path)
	if err != nil {
		return err
	}
	if err := checkFile(l.path); err != nil {
		return err
	}
	if l.write, err = sql.Open("sqlite", dsn(l.path, "synchronous(FULL)", "foreign_keys(ON)")); err != nil {
		return err
	}
	l.write.SetMaxOpenConns(1)
	conn, err := l.write.Conn(ctx)
	if err != nil {
		return l.explain("open", err)
	}
	if err := checkDatabase(ctx, conn, sound); err != nil {
		return errors.Join(l.explain("check", err), conn.Close())
	}
	if err := migrate(ctx, conn, migrations()); err != nil {
		return errors.Join(l.explain("migrate", err), conn.Close())
	}
	l.writer = newWriter(conn, l.explain)

	l.Reader = sqlrow.Reader{Dialect: sqlrow.SQLite, Explain: l.explain, Prepared: true}
	if l.DB, err = sql.Open("sqlite", dsn(l.path, "query_only(ON)", "cache_size(-512)")); err != nil {
		return err
	}
	l.DB.SetMaxOpenConns(readers)
	l.DB.SetMaxIdleConns(readers)
	l.DB.SetConnMaxIdleTime(30 * time.Second) // a megabyte each
	return nil
}

// Close waits for writes under way and releases the file. Repeating is safe.
func (l *Ledger) Close() error { return l.close() }

// release closes the writer's connection last, so that it folds the log into
// the file.
func (l *Ledger) release() error {
	var errs []error
	if l.DB != nil {
		errs = append(errs, l.DB.Close())
	}
	if l.writer != nil {
		errs = append(errs, l.writer.Close())
	}
	if l.write != nil {
		errs = append(errs, l.write.Close())
	}
	if l.lock != nil {
		if l.writer != nil && l.writer.broken == nil && !l.damaged.Load() && errors.Join(errs...) == nil {
			sayClosed(l.lock, l.path)
		}
		errs = append(errs, l.lock.Close())
	}
	return errors.Join(errs...)
}

// resolve follows links, so that two names of one file share one lock.
func resolve(path string) (string, error) {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return path, err
	}
	path = filepath.Join(dir, filepath.Base(path))
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return path, fmt.Errorf("%w; create the directory, writable for the user that runs solocron", err)
	}
	return filepath.Join(real, filepath.Base(path)), nil
}

// dsn names the file to the driver. Another program, such as the sqlite3
// shell, may hold the file for as long as the busy timeout.
func dsn(path string, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{"busy_timeout(5000)"}, pragmas...)}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}
