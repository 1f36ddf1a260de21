package guard

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// RunDirVariable moves the run directories of a host to another disk where no
// order says where they are: it is looked for in the environment of whatever
// starts the guard, be it the daemon, sshd or the SSM agent.
const RunDirVariable = "SOLOCRON_RUN_DIR"

// Root is where the run directories of a guard on this machine are if it is
// given no other: where [RunDirVariable] says, else /var/lib/solocron for root
// and below the state directory for others. The script knows the same rule.
func Root(kept string, uid int, home, state string) string {
	switch kept = cmp.Or(kept, os.Getenv(RunDirVariable)); {
	case kept != "":
		return kept
	case uid == 0:
		return "/var/lib/solocron"
	case state != "":
		return filepath.Join(state, "solocron")
	}
	return filepath.Join(home, ".local/state/solocron")
}

// RunDir is an attempt's run directory on this machine, below the root that
// [Root] gave.
func RunDir(root string, a Attempt) string { return filepath.Join(root, "runs", a.Dir()) }

// Kept reads what a run directory on this machine holds of the output, as the
// script's report would send it. Nothing was kept if the directory is not there.
func Kept(dir string) (Output, error) {
	head, tail, err := keptFiles(dir)
	if err != nil {
		return Output{}, fmt.Errorf("kept output in %s: %w", dir, err)
	}
	defer head.Close()
	defer tail.Close()
	all := io.NewSectionReader(joined{head, tail}, 0, head.size+tail.size)
	o := Output{Bytes: max(tail.total, all.Size())}
	if all.Size() <= HeadBytes+TailBytes && all.Size() == o.Bytes {
		o.Head, err = io.ReadAll(all)
		return o, err
	}
	o.Cut = true
	first := min(all.Size(), HeadBytes)
	last := min(all.Size()-first, TailBytes)
	o.Head, o.Tail = make([]byte, first), make([]byte, last)
	if _, err = all.ReadAt(o.Head, 0); err == nil || errors.Is(err, io.EOF) {
		_, err = all.ReadAt(o.Tail, all.Size()-last)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return o, err
}

// ReadKept reads up to limit bytes of the kept output from offset on, head and
// tail in a row.
func ReadKept(dir string, offset int64, limit int) ([]byte, error) {
	head, tail, err := keptFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("kept output in %s: %w", dir, err)
	}
	defer head.Close()
	defer tail.Close()
	size := head.size + tail.size
	if offset < 0 || offset >= size || limit <= 0 {
		return nil, nil
	}
	b := make([]byte, min(int64(limit), size-offset))
	n, err := joined{head, tail}.ReadAt(b, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

// keptFile is one of the two files of an output; without a file it is empty.
type keptFile struct {
	*os.File
	size  int64
	total int64 // of the tail: all that the command wrote, once that is known
}

func openKept(name string) (keptFile, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return keptFile{}, nil
	}
	if err != nil {
		return keptFile{}, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return keptFile{}, err
	}
	return keptFile{File: f, size: info.Size()}, nil
}

// keptFiles opens both files. The tail counts only when the collector is done.
func keptFiles(dir string) (head, tail keptFile, err error) {
	total, done := collected(dir)
	if head, err = openKept(filepath.Join(dir, "out")); err != nil || !done {
		return head, keptFile{}, err
	}
	if tail, err = openKept(filepath.Join(dir, "tail")); err != nil {
		head.Close()
		return keptFile{}, keptFile{}, err
	}
	tail.total = total
	return head, tail, nil
}

// collected is the size of all the output, if the collector is done.
func collected(dir string) (int64, bool) {
	words, err := os.ReadFile(filepath.Join(dir, "total"))
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(words), " ")
	total, err := strconv.ParseInt(first, 10, 64)
	return total, err == nil && total >= 0
}

// joined reads head and tail as one.
type joined struct{ head, tail keptFile }

func (j joined) ReadAt(b []byte, off int64) (n int, err error) {
	if off < j.head.size {
		n, err = j.head.ReadAt(b[:min(int64(len(b)), j.head.size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) || n == len(b) {
			return n, err
		}
		b, off = b[n:], off+int64(n)
	}
	if off-j.head.size >= j.tail.size {
		return n, io.EOF
	}
	more, err := j.tail.ReadAt(b, off-j.head.size)
	return n + more, err
}

// Settled reports whether it is worth asking the guard about an attempt in a
// run directory on this machine: there is a result, or none of the attempt's
// guards is alive. It only looks at files, so it is cheap, and it may err where
// a process number was given out again.
func Settled(dir string) bool {
	result, err := os.Open(filepath.Join(dir, "result"))
	if err != nil {
		return true
	}
	defer result.Close()
	var first [4]byte
	if n, _ := result.Read(first[:]); string(first[:n]) == "end " {
		return true
	}
	for _, name := range []string{"supervisor", "guard"} {
		signed, _ := os.ReadFile(filepath.Join(dir, name))
		if words := strings.Fields(string(signed)); len(words) >= 3 {
			_, err := os.Stat("/proc/" + words[1])
			return err != nil
		}
	}
	return true
}
