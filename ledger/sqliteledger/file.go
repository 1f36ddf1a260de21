package sqliteledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/solocron/solocron/ledger"
)

// lock takes the exclusive right to the ledger at path, which ends with the
// process at the latest. The file that carries it is never removed: a process
// waiting with the removed file in hand would believe that it is alone.
func lock(ctx context.Context, path string) (*os.File, error) {
	name := path + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w; its directory must be writable for the user that runs solocron", path, err)
	}
	err = take(ctx, f)
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder, _ := io.ReadAll(io.LimitReader(f, 20))
		f.Close()
		return nil, fmt.Errorf("ledger %s: %w%s; stop that one, or give this one a ledger of its own",
			path, ledger.ErrLocked, processName(holder))
	}
	if err == nil {
		err = sign(f)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

// lockPatience is how long a held lock is waited for. A process that was killed
// while it started another leaves the lock to its child until that one has
// exec'd; one that is being replaced takes a moment to leave.
const lockPatience = 2 * time.Second

// take takes the lock, or returns EWOULDBLOCK if another process keeps it.
func take(ctx context.Context, f *os.File) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for tries := lockPatience / (20 * time.Millisecond); ; tries-- {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || tries == 0 {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sign leaves this process's number for the one that finds the lock taken. A
// disk too full for that is no reason to fail: an old number is overwritten in
// place.
func sign(f *os.File) error {
	_, err := f.WriteAt(fmt.Appendf(nil, "%-19d\n", os.Getpid()), 0)
	if errors.Is(err, unix.ENOSPC) {
		return nil
	}
	return err
}

// processName is " (process 4711)" if that is what the lock file says.
func processName(content []byte) string {
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// checkFile refuses a file that SQLite would take for an empty database
// although it is none, and makes sure that the file can be written.
func checkFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("ledger %s: %w; the file must be writable for the user that runs solocron", path, err)
	}
	defer f.Close()
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	switch {
	case errors.Is(err, io.EOF):
		return checkEmpty(path)
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("ledger %s: %w", path, err)
	case string(head[:n]) != "SQLite format 3\x00":
		return corrupt(path, errors.New("not a SQLite database"))
	}
	return nil
}

// checkEmpty tells a new file from one that lost its content: SQLite would
// throw away the log of the latter and begin anew.
func checkEmpty(path string) error {
	log, err := os.Stat(path + "-wal")
	if err == nil && log.Size() > 0 {
		return corrupt(path, errors.New("the file is empty and its log is not"))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ledger %s: %w", path, err)
	}
	dir, err := os.Open(filepath.Dir(path)) // the new name must survive a power loss too
	if err != nil {
		return fmt.Errorf("ledger %s: %w", path, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// minSQLite is the first version without the write-ahead log's reset bug, which
// could lose a commit: https://sqlite.org/wal.html#walresetbug.
var minSQLite = []int{3, 51, 3}

// checkDatabase looks for damage, unless the file is known to be sound, and turns
// the log on.
func checkDatabase(ctx context.Context, conn *sql.Conn, sound bool) error {
	var version, mode string
	if err := conn.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&version); err != nil {
		return err
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	if !sound {
		if err := quickCheck(ctx, conn); err != nil {
			return err
		}
	}
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("its file system has no shared memory for a write-ahead log (journal mode %s); put the ledger on a local disk", mode)
	}
	return nil
}

func checkVersion(version string) error {
	var v [3]int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2]); err != nil {
		return fmt.Errorf("SQLite version %q: %w", version, err)
	}
	if slices.Compare(v[:], minSQLite) < 0 {
		return fmt.Errorf("SQLite %s may lose commits (write-ahead log reset); build with 3.51.3 or later", version)
	}
	return nil
}

// quickCheck returns the first damage that SQLite finds.
func quickCheck(ctx context.Context, conn *sql.Conn) error {
	var found string
	if err := conn.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ledger.ErrCorrupt, found)
	}
	return nil
}
