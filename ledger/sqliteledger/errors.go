package sqliteledger

import (
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/solocron/solocron/ledger"
)

// coded is an error of SQLite with its extended result code.
type coded interface {
	error
	Code() int
}

// explain says what was done to which file, in the port's words, with the
// remedy.
func (l *Ledger) explain(op string, err error) error {
	switch {
	case isCorrupt(err):
		l.damaged.Store(true)
		return corrupt(l.path, fmt.Errorf("%s: %w", op, err))
	case isFull(err):
		return fmt.Errorf("ledger %s: %s: %w: %w; free some space, writing then goes on", l.path, op, ledger.ErrFull, err)
	}
	return fmt.Errorf("ledger %s: %s: %w", l.path, op, err)
}

func corrupt(path string, cause error) error {
	if !errors.Is(cause, ledger.ErrCorrupt) {
		cause = fmt.Errorf("%w: %w", ledger.ErrCorrupt, cause)
	}
	return fmt.Errorf("ledger %s: %w; restore a backup, or move the file aside: mv %s %s.damaged", path, cause, path, path)
}

func isCorrupt(err error) bool {
	primary := code(err) & 0xff
	return primary == sqlite3.SQLITE_CORRUPT || primary == sqlite3.SQLITE_NOTADB || errors.Is(err, ledger.ErrCorrupt)
}

// isFull also knows the log's index, which SQLite extends in its own way.
func isFull(err error) bool {
	return code(err)&0xff == sqlite3.SQLITE_FULL || code(err) == sqlite3.SQLITE_IOERR_SHMSIZE
}

// isDisk reports an error of the disk rather than of one statement; none of
// the group's other statements would fare better.
func isDisk(err error) bool {
	return isCorrupt(err) || isFull(err) || code(err)&0xff == sqlite3.SQLITE_IOERR
}

// code is the extended result code, or 0 for an error that is not SQLite's.
func code(err error) int {
	if e, ok := errors.AsType[coded](err); ok {
		return e.Code()
	}
	return 0
}
