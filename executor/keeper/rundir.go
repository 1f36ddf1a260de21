package keeper

import (
	"errors"
	"fmt"
	"io"
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
	if err := makeBelow(root); err != nil {
		return err
	}
	if err := own(root); err != nil {
		return refusal{reason: err.Error()}
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
		a.reserveResult,
		a.reserveTotal,
		// The watcher's name is the keeper's own from the start: a stop must not
		// kill a guard that keeps others too.
		func() error { return a.cosign("watcher") },
		func() error { return a.cosign("supervisor") },
		func() error { return a.makeLock(root) },
	} {
		if write() != nil {
			return refusal{reason: fmt.Sprintf("no room to write in %s: free some space, or make it writable", dir)}
		}
	}
	return errors.Join(a.sync("guard"), a.sync(""), a.k.syncShared(filepath.Join(root, "runs")))
}

// makeBelow makes the directories of the root that are not there yet.
func makeBelow(root string) error {
	for _, name := range []string{"runs", "locks"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// own returns an error unless the root and its directories are this user's.
func own(root string) error {
	for _, dir := range []string{root, filepath.Join(root, "runs"), filepath.Join(root, "locks")} {
		if !owned(dir, dir == root) {
			return fmt.Errorf("%s is not a directory of this user's: somebody else could change it", dir)
		}
	}
	return nil
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

// makeLock makes the job's lock, so that it need not be made when the run is due.
func (a *attempt) makeLock(root string) error {
	if a.errand.Lock == "" {
		return nil
	}
	if fd, err := openLock(a.lock(root)); err == nil {
		unix.Close(fd)
	}
	return nil // who takes it says why it can't be
}

// reserveResult keeps room for the result on a disk that gets full: blocks, or
// where that can't be done blanks, which must reach the disk to have theirs.
func (a *attempt) reserveResult() error {
	if a.reserve("result") == nil {
		return nil
	}
	return errors.Join(a.write("result", strings.Repeat(" ", 99)+"\n"), a.sync("result"))
}

// reserveTotal keeps room for the output's size: in its own file, which counts
// only when something is written there, or where that can't be done in another
// that can be emptied.
func (a *attempt) reserveTotal() error {
	if a.reserve("total") == nil {
		return nil
	}
	return a.write("spare", strings.Repeat(" ", 4096))
}

// reserve makes an empty file with a block of its own.
func (a *attempt) reserve(name string) error {
	crash.Before("keeper", "room for "+name)
	defer crash.After("keeper", "room for "+name)
	fd, err := unix.Open(a.path(name), unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return again(func() error { return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, 64) })
}

// write creates a file of the run directory or overwrites its beginning.
func (a *attempt) write(name, words string) error { return a.put(name, words, 0) }

// put writes the words to the beginning of a file that it opens or creates. It
// does without an os.File, which costs more than all the rest.
func (a *attempt) put(name, words string, flags int) error {
	crash.Before("keeper", name)
	defer crash.After("keeper", name)
	fd, err := unix.Open(a.path(name), unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|flags, 0o600)
	if err != nil {
		return err
	}
	n := 0
	err = again(func() (err error) { n, err = unix.Write(fd, []byte(words)); return err })
	if err == nil && n < len(words) {
		err = io.ErrShortWrite
	}
	return errors.Join(err, unix.Close(fd))
}

// again repeats a system call that a signal broke off.
func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
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
	return a.put(name, words+"\n", unix.O_EXCL) == nil
}

func (a *attempt) has(name string) bool {
	var is unix.Stat_t
	return unix.Lstat(a.path(name), &is) == nil
}

func (a *attempt) path(name string) string { return a.dir + "/" + name }

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
	a.conclude(b.String())
}
