package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// prepare makes the attempt's run directory, which exactly one guard can, and
// brings it to disk before anybody is told that the guard is ready.
func (a *attempt) prepare(root string) error {
	runs := filepath.Join(root, "runs")
	for _, dir := range []string{runs, filepath.Join(root, "locks")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	dir := root + "/runs/" + a.errand.Name // letter by letter as the shell's guard says it
	if err := os.Mkdir(dir, 0o700); errors.Is(err, fs.ErrExist) {
		return refusal{reason: "this attempt was delivered to this host before", duplicate: true}
	} else if err != nil {
		return err
	}
	a.dir = dir
	// Blanks keep room for the result, and for the size of the output, on a disk
	// that gets full. The watcher's name is the keeper's own from the start: a
	// stop must not kill a guard that keeps others too.
	for _, f := range []struct {
		name, words string
		durable     bool
	}{
		{"supervisor", a.k.signed + "\n", false},
		{"watcher", a.k.signed + "\n", false},
		{"guard", fmt.Sprintf("%s%d\n", a.k.signed, a.errand.Grace/(10*time.Millisecond)), true},
		{"result", strings.Repeat(" ", 99) + "\n", true},
		{"spare", strings.Repeat(" ", 4096), false},
		{"out", "", false},
		{"tail", "", false},
	} {
		if err := a.write(f.name, f.words, f.durable); err != nil {
			return refusal{reason: fmt.Sprintf("no room to write in %s: free some space, or make it writable", dir)}
		}
	}
	return errors.Join(syncDir(dir), a.k.syncShared(runs))
}

// write creates or replaces a file of the run directory.
func (a *attempt) write(name, words string, durable bool) error {
	f, err := os.OpenFile(a.path(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if words != "" {
		_, err = f.WriteString(words)
	}
	if durable && err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// claim creates a file of the run directory; exactly one caller wins.
func (a *attempt) claim(name, words string) bool {
	f, err := os.OpenFile(a.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	_, err = f.WriteString(words + "\n")
	return errors.Join(err, f.Close()) == nil
}

func (a *attempt) has(name string) bool {
	_, err := os.Lstat(a.path(name))
	return err == nil
}

func (a *attempt) path(name string) string { return filepath.Join(a.dir, name) }

// settle writes the result and tells it. One write and a closing dot make it
// whole or nothing to every reader. It goes where prepare left blanks.
func (a *attempt) settle(end string, code int, r refusal) {
	var b strings.Builder
	fmt.Fprintf(&b, "end %s\ncode %d\nfrom %d\nto %d\n", end, code, a.from, a.to)
	if r.busy {
		b.WriteString("busy 1\n")
	}
	if r.duplicate {
		b.WriteString("duplicate 1\n")
	}
	reason, _, _ := strings.Cut(r.reason, "\n")
	fmt.Fprintf(&b, "reason %s\nnote %s\n.\n", reason, a.note)
	if a.dir != "" {
		if f, err := os.OpenFile(a.path("result"), os.O_WRONLY|os.O_CREATE, 0o600); err == nil {
			_, _ = f.WriteString(b.String()) // a torn result is none, and the scheduler is told
			f.Close()
		}
	}
	a.say(b.String())
}

// syncResult brings the result and the output so far to disk.
func (a *attempt) syncResult() {
	for _, name := range []string{"result", "out", ""} {
		_ = syncDir(a.path(name)) // it was told already; a power failure may cost it
	}
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// batch is one bringing to disk of a directory that many attempts share.
type batch struct {
	done chan struct{}
	err  error
}

// syncShared is syncDir for a directory that many attempts write to: those that
// come while it is being brought to disk wait for the next time together.
func (k *keeper) syncShared(dir string) error {
	k.mu.Lock()
	b := k.gathering[dir]
	first := b == nil
	if first {
		b = &batch{done: make(chan struct{})}
		k.gathering[dir] = b
	}
	k.mu.Unlock()
	if first {
		k.syncing.Lock()
		k.mu.Lock()
		delete(k.gathering, dir) // who comes now may have come too late
		k.mu.Unlock()
		b.err = syncDir(dir)
		k.syncing.Unlock()
		close(b.done)
	}
	<-b.done
	return b.err
}
