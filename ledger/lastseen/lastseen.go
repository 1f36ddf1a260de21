// Package lastseen keeps on this machine how far a ledger has come, in a small
// file that is not beside the ledger: who puts a backup of the ledger back, or
// the folder that it is in, doesn't put this back too.
package lastseen

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/solocron/solocron/ledger"
)

// ErrBroken means that what is remembered can't be read: nobody knows whether the
// ledger is the latest one.
var ErrBroken = errors.New("what this machine remembers of the ledger can't be read")

// File remembers one ledger.
type File struct{ path, place string }

// sector is the length of a file: a disk writes as much as a whole or not at all, so
// that it can be written in place, as PostgreSQL does with its control file
// (PG_CONTROL_MAX_SAFE_SIZE).
const sector = 512

// record is the file's content, with blanks up to its length. The place is in it for
// people, cut off where it would be too long.
type record struct {
	Place string      `json:"ledger"`
	Mark  ledger.Mark `json:"mark"`
	Sum   string      `json:"sum"` // of the mark and the whole place, so that damage is noticed
}

// of returns the record of the file's place and the mark.
func (f File) of(m ledger.Mark) record {
	m.At = m.At.UTC()
	r := record{Place: f.place, Mark: m}
	body, _ := json.Marshal(r) // of plain values
	sum := sha256.Sum256(body)
	r.Sum = hex.EncodeToString(sum[:8])
	return r
}

// encode returns the record as it is written.
func (r record) encode() ([]byte, error) {
	for {
		body, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		if room := sector - len(body); room > 0 {
			return append(append(body, strings.Repeat(" ", room-1)...), '\n'), nil
		}
		if r.Place == "" {
			return nil, fmt.Errorf("the mark takes %d bytes", len(body))
		}
		r.Place = strings.ToValidUTF8(r.Place[:len(r.Place)*3/4], "")
	}
}

// In is the file for the ledger at the place, below the directory.
func In(dir, place string) File {
	sum := sha256.Sum256([]byte(place))
	return File{filepath.Join(dir, "seen", hex.EncodeToString(sum[:12])+".json"), place}
}

// Path is where the file is.
func (f File) Path() string { return f.path }

// Read returns the mark that was written last, zero if none was. A file that
// can't be read, or that is not as it was written, wraps [ErrBroken].
func (f File) Read() (m ledger.Mark, err error) {
	for range 3 { // what is read while it is written may be half of each
		if m, err = f.read(); err == nil {
			return m, nil
		}
	}
	return ledger.Mark{}, fmt.Errorf("%w: %s: %w", ErrBroken, f.path, err)
}

func (f File) read() (ledger.Mark, error) {
	body, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return ledger.Mark{}, nil
	}
	var r record
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		err = d.Decode(&r)
	}
	if err == nil && r.Sum != f.of(r.Mark).Sum {
		err = errors.New("it is not as it was written")
	}
	return r.Mark, err
}

// Write replaces the mark, which survives the death of the machine when Write
// has returned.
func (f File) Write(m ledger.Mark) error {
	body, err := f.of(m).encode()
	if err == nil {
		if info, missing := os.Stat(f.path); missing == nil && info.Size() == sector {
			err = f.overwrite(body)
		} else {
			err = f.create(body)
		}
	}
	if err != nil {
		return fmt.Errorf("remember the ledger: %w", err)
	}
	return nil
}

// overwrite writes the file in place, which costs far less than a new one.
func (f File) overwrite(body []byte) error {
	file, err := os.OpenFile(f.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.WriteAt(body, 0); err != nil {
		return err
	}
	return syscall.Fdatasync(int(file.Fd()))
}

// create puts a new file in the place of what is there.
func (f File) create(body []byte) error {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(body)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	d, err := os.Open(dir) // the name must survive too
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
