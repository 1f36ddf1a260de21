package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/lastseen"
)

// Seen is where this machine remembers how far the file's ledger has come: below
// the folder that run directories of commands on this machine are in by default.
func Seen(f *job.File) (lastseen.File, error) {
	place, err := place(f)
	if err != nil {
		return lastseen.File{}, fmt.Errorf("ledger %s: %w", Shown(f.Ledger), err)
	}
	dir := guard.Root("", os.Getuid(), os.Getenv("HOME"), os.Getenv("XDG_STATE_HOME"))
	return lastseen.In(dir, place), nil
}

// Shown is a ledger's address without a password.
func Shown(address string) string {
	if isPostgres(address) {
		return withoutPassword(address)
	}
	return address
}

// place names a ledger the same in whatever way it is reached: a database by its
// server and name, a file by its path without links, a table also by what leads
// to its account, which its name does not have.
func place(f *job.File) (string, error) {
	if _, _, dynamo := job.DynamoDB(f.Ledger); dynamo {
		endpoint := cmp.Or(os.Getenv("AWS_ENDPOINT_URL_DYNAMODB"), os.Getenv("AWS_ENDPOINT_URL"))
		return strings.TrimSpace(f.Ledger + " " + os.Getenv("AWS_PROFILE") + " " + endpoint), nil
	}
	if !isPostgres(f.Ledger) {
		path, err := sqlitePath(f.Ledger)
		if err != nil {
			return "", err
		}
		dir, file := filepath.Split(path)
		if real, err := filepath.EvalSymlinks(dir); err == nil { // else it is made yet
			dir = real
		}
		path = filepath.Join(dir, file)
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		return path, nil
	}
	u, err := url.Parse(f.Ledger)
	if err != nil {
		return "", errors.New("the URL can't be parsed") // the parser's own words hold the password
	}
	q := url.Values{}
	for _, name := range []string{"host", "port", "dbname", "database"} {
		if v := u.Query().Get(name); v != "" {
			q.Set(name, v)
		}
	}
	return (&url.URL{Scheme: "postgres", Host: u.Host, Path: u.Path, RawQuery: q.Encode()}).String(), nil
}

// Gone wraps [ledger.ErrWentBack] if the file's ledger is missing although it was
// seen before: opening it would begin anew.
func Gone(f *job.File, seen ledger.Mark) error {
	if seen.Ledger == "" || !Missing(f) {
		return nil
	}
	return fmt.Errorf("%w: there is none, and it was seen at %s before", ledger.ErrWentBack, seen)
}

// Missing reports whether the file's ledger is a SQLite file that is not there,
// or empty.
func Missing(f *job.File) bool {
	if _, _, dynamo := job.DynamoDB(f.Ledger); dynamo || isPostgres(f.Ledger) {
		return false
	}
	path, err := sqlitePath(f.Ledger)
	if err != nil {
		return false // what is wrong with it is said when it is opened
	}
	info, err := os.Stat(path)
	return os.IsNotExist(err) || err == nil && info.Size() == 0
}

func sqlitePath(name string) (string, error) {
	path, err := atHome(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}
