package keeper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/solocron/solocron/guard"
)

// Probe says whether attempts can start on this machine under guards with the
// environment. It says so in the words of the shell's guard, asked for [guard.VerbProbe]
// with nothing to remove, and without the processes that it takes. kept is where run
// directories are to be, empty for the default; minFree is in bytes. Repeating is safe.
func Probe(environ []string, kept string, minFree int64) (said string) {
	var words strings.Builder
	now := time.Now()
	fmt.Fprintf(&words, "time %d.%09d\n", now.Unix(), now.Nanosecond())
	free, err := room(environ, kept, minFree)
	if free >= 0 {
		fmt.Fprintf(&words, "free %d\n", free)
	}
	if err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n")
		return words.String() + "unfit " + reason + "\n"
	}
	for _, name := range []string{"flock", "setsid", "setpriv"} {
		if toolIn(value(environ, "PATH"), name) == "" {
			fmt.Fprintf(&words, "lacks %s\n", name)
		}
	}
	return words.String() + "fit\n"
}

// room is how many bytes are free for run directories, below zero if that is not known.
// The error is why none could be made there.
func room(environ []string, kept string, minFree int64) (free int64, err error) {
	home, state := value(environ, "HOME"), value(environ, "XDG_STATE_HOME")
	if kept == "" && value(environ, guard.RunDirVariable) == "" && os.Getuid() != 0 && home+state == "" {
		return -1, errors.New("the login has no HOME: set run-dir for this host")
	}
	root := guard.Root(kept, os.Getuid(), home, state)
	if err := writable(root); err != nil {
		return -1, fmt.Errorf("cannot write run directories in %s (%w): free some space, make it writable for uid %d, or set run-dir", root, err, os.Getuid())
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(root, &fs); err != nil {
		return -1, fmt.Errorf("look at the file system of %s: %w", root, err)
	}
	if fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC {
		return -1, fmt.Errorf("run directory %s is on tmpfs, which does not survive a reboot: set run-dir", root)
	}
	if err := own(root); err != nil {
		return -1, err
	}
	const kibibyte, mebibyte = 1 << 10, 1 << 20
	free = int64(fs.Bavail) * fs.Frsize / kibibyte * kibibyte
	if free < minFree {
		return free, fmt.Errorf("only %d MiB free in %s, want %d: free some space, or set run-dir", free/mebibyte, root, minFree/mebibyte)
	}
	return free, nil
}

// writable makes the directories below the root, and a file in it.
func writable(root string) error {
	if err := makeBelow(root); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "probe"), []byte("probe\n"), 0o600)
}

// value is a variable of the environment.
func value(environ []string, name string) string {
	for _, entry := range environ {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			return v
		}
	}
	return ""
}
