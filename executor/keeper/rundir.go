package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/solocron/solocron/crash"
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
	for _, dir := range []string{root, runs, filepath.Join(root, "locks")} {
		if !owned(dir, dir == root) {
			return refusal{reason: dir + " is not a directory of this user's: somebody else could change it"}
		}
	}
	dir := root + "/runs/" + a.errand.Name // letter by letter as the shell's guard says it
	crash.Before("keeper", "run directory")
	if err := os.Mkdir(dir, 0o700); errors.Is(err, fs.ErrExist) {
		return refusal{reason: "this attempt was delivered to this host before", duplicate: true}
	} else if err != nil {
		return err
	}
	a.dir = dir
	crash.After("keeper", "run directory")
	for _, write := range []func() error{
		func() error {
			return a.write("guard", fmt.Sprintf("%s%d\n", a.k.signed, a.errand.Grace/(10*time.Millisecond)))
		},
		// Blanks keep room for the result on a disk that gets full.
		func() error { return a.write("result", strings.Repeat(" ", 99)+"\n") },
		a.reserveTotal,
		// The watcher's name is the keeper's own from the start: a stop must not
		// kill a guard that keeps others too.
		func() error { return a.cosign("watcher") },
		func() error { return a.cosign("supervisor") },
	} {
		if write() != nil {
			return refusal{reason: fmt.Sprintf("no room to write in %s: free some space, or make it writable", dir)}
		}
	}
	return errors.Join(a.sync("guard"), a.sync("result"), a.sync(""), a.k.syncShared(runs))
}

// owned reports whether a directory is this user's own: in another's, somebody
// else could put things in the place of run directories. Only the root may be
// reached over a link.
func owned(dir string, linked bool) bool {
	look := os.Lstat
	if linked {
		look = os.Stat
	}
	info, err := look(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// reserveTotal keeps room for the output's size: in its own file, which counts
// only when something is written there, or where that can't be done in another
// that can be emptied.
func (a *attempt) reserveTotal() error {
	crash.Before("keeper", "room for total")
	defer crash.After("keeper", "room for total")
	f, err := os.OpenFile(a.path("total"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, 64) == nil {
		return nil
	}
	return a.write("spare", strings.Repeat(" ", 4096))
}

// write creates a file of the run directory or overwrites its beginning.
func (a *attempt) write(name, words string) error {
	crash.Before("keeper", name)
	defer crash.After("keeper", name)
	f, err := os.OpenFile(a.path(name), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(words)
	return errors.Join(err, f.Close())
}

// cosign gives the file "guard", which says whose attempt this is, another
// name; exactly one caller wins. A second name costs the file system far less
// than a second file.
func (a *attempt) cosign(name string) error {
	crash.Before("keeper", name)
	defer crash.After("keeper", name)
	err := os.Link(a.path("guard"), a.path(name))
	if err != nil && !errors.Is(err, fs.ErrExist) && a.claim(name, a.k.signed) {
		return nil // a file system without second names
	}
	return err
}

// claim creates a file of the run directory; exactly one caller wins.
func (a *attempt) claim(name, words string) bool {
	crash.Before("keeper", name)
	defer crash.After("keeper", name)
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
		_ = a.write("result", b.String()) // a torn result is none, and the scheduler is told
	}
	a.say(b.String())
}

// syncResult brings the result and the output so far to disk. It was told
// already; what can't be kept, a power failure may cost.
func (a *attempt) syncResult() {
	for _, name := range []string{"result", "out", ""} {
		_ = a.sync(name)
	}
}

// sync brings a file of the run directory to disk, or the directory itself.
func (a *attempt) sync(name string) error {
	crash.Before("disk", name)
	defer crash.After("disk", name)
	return syncFile(a.path(name))
}

func syncFile(path string) error {
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

// syncShared is syncFile for a directory that many attempts write to: those that
// come while it is being brought to disk wait for the next time together.
func (k *keeper) syncShared(dir string) error {
	crash.Before("disk", "runs")
	defer crash.After("disk", "runs")
	b, first := k.gather(dir)
	if first {
		k.syncing.Lock()
		k.begin(dir) // who comes from now on may have come too late
		b.err = syncFile(dir)
		k.syncing.Unlock()
		close(b.done)
	}
	<-b.done
	return b.err
}

// gather joins the batch of the directory that has yet to begin.
func (k *keeper) gather(dir string) (joined *batch, first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if b := k.gathering[dir]; b != nil {
		return b, false
	}
	b := &batch{done: make(chan struct{})}
	k.gathering[dir] = b
	return b, true
}

func (k *keeper) begin(dir string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.gathering, dir)
}
