package sqliteledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A ledger that is closed in order leaves, behind its owner's number in the lock
// file, what the file then looks like from outside. One that still looks so was
// written by nobody since, and need not be read through to find damage; see
// docs/adr/0015-closed-in-order.md.

// closedAt is where that stands in the lock file, see [sign].
const closedAt = 20

// looks is what a ledger without a log looks like; empty for one that has a log,
// or can't be looked at.
func looks(path string) []byte {
	if _, err := os.Lstat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var s unix.Stat_t
	if unix.Stat(path, &s) != nil {
		return nil
	}
	return fmt.Appendf(nil, "closed in order: device %d, inode %d, %d bytes, modified %d.%09d, changed %d.%09d\n",
		s.Dev, s.Ino, s.Size, s.Mtim.Sec, s.Mtim.Nsec, s.Ctim.Sec, s.Ctim.Nsec)
}

// closedInOrder reports whether the ledger is as it was closed, and takes the
// word back: from now on it is open.
func closedInOrder(lock *os.File, path string) (bool, error) {
	now := looks(path)
	was := make([]byte, len(now)+1)
	n, _ := lock.ReadAt(was, closedAt)
	ok := len(now) > 0 && bytes.Equal(was[:n], now)
	if err := lock.Truncate(closedAt); err != nil {
		return false, &fs.PathError{Op: "truncate", Path: lock.Name(), Err: err}
	}
	return ok, nil
}

// sayClosed notes what the closed ledger looks like. Where that can't be noted,
// the next one to open it reads it through.
func sayClosed(lock *os.File, path string) { _, _ = lock.WriteAt(looks(path), closedAt) }
