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

	"github.com/solocron/solocron/ledger"
)

// ErrBroken means that what is remembered can't be read: nobody knows whether the
// ledger is the latest one.
var ErrBroken = errors.New("what this machine remembers of the ledger can't be read")

// File remembers one ledger.
type File struct{ path, place string }

// record is the file's content. The place is in it for people.
type record struct {
	Place string      `json:"ledger"`
	Mark  ledger.Mark `json:"mark"`
	Sum   string      `json:"sum"` // of the two, so that damage is noticed
}

func (r record) sum() string {
	r.Sum, r.Mark.At = "", r.Mark.At.UTC()
	body, _ := json.Marshal(r) // of plain values
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
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
func (f File) Read() (ledger.Mark, error) {
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
	if err == nil && (r.Sum != r.sum() || r.Place != f.place) {
		err = errors.New("it is not as it was written")
	}
	if err != nil {
		return ledger.Mark{}, fmt.Errorf("%w: %s: %w", ErrBroken, f.path, err)
	}
	return r.Mark, nil
}

// Write replaces the mark, which survives the death of the machine when Write
// has returned.
func (f File) Write(m ledger.Mark) (err error) {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("remember the ledger: %w", err)
	}
	r := record{Place: f.place, Mark: m}
	r.Sum = r.sum()
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("remember the ledger: %w", err)
	}
	temp, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return fmt.Errorf("remember the ledger: %w", err)
	}
	_, err = temp.Write(append(body, '\n'))
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("remember the ledger: %w", errors.Join(err, os.Remove(temp.Name())))
	}
	d, err := os.Open(dir) // the name must survive too
	if err != nil {
		return fmt.Errorf("remember the ledger: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
