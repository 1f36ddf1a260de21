package guardtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
)

// Need fails the test, naming the Debian package, if a program is missing.
func Need(t *testing.T, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("this test needs %s: install Debian package %s", program, debian)
	}
	return path
}

// NeedRoot fails the test unless it runs as root, as some faults need mounts
// and other users.
func NeedRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test must run as root: it mounts a file system or changes the user")
	}
}

// Eventually waits for a condition.
func Eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.Tick(5 * time.Millisecond); !ok(); <-tick {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Up waits until the command runs.
func (h *Host) Up(o guard.Order) {
	h.t.Helper()
	Eventually(h.t, "the command runs", func() bool { return len(h.marked(o)) > 0 })
}

// Wrote waits until the command has written.
func (h *Host) Wrote(o guard.Order) {
	h.t.Helper()
	Eventually(h.t, "the command writes", func() bool { b, _ := os.ReadFile(h.Dir(o) + "/out"); return len(b) > 0 })
}

// Process reads who signed a file of the run directory.
func (h *Host) Process(o guard.Order, file string) int {
	h.t.Helper()
	var fields []string
	Eventually(h.t, file+" is signed", func() bool {
		words, err := os.ReadFile(filepath.Join(h.Dir(o), file))
		if file == "pid" && err != nil { // of a guard that is no shell
			words, _ = os.ReadFile(filepath.Join(h.Dir(o), "guard"))
			_, words, _ = bytes.Cut(words, []byte("\n"))
		}
		fields = strings.Fields(string(words))
		return len(fields) >= 3
	})
	pid, err := strconv.Atoi(fields[1])
	if err != nil {
		h.t.Fatal(err)
	}
	return pid
}

// Kill kills who signed the files of the run directory.
func (h *Host) Kill(o guard.Order, files ...string) {
	h.t.Helper()
	for _, f := range files {
		pid := h.Process(o, f)
		syscall.Kill(pid, syscall.SIGKILL)
		Eventually(h.t, f+" is dead", func() bool { return Dead(pid) })
	}
}

// Reboot makes the run directory look as after a restart of the host, which has
// cost it some files.
func (h *Host) Reboot(o guard.Order, lost ...string) {
	h.t.Helper()
	Reboot(h.t, h.Dir(o))
	for _, f := range lost {
		os.Remove(filepath.Join(h.Dir(o), f))
	}
}

// Reboot makes a run directory look as after a restart of the host: no file is
// signed by a process of the boot that is now.
func Reboot(t *testing.T, dir string) {
	t.Helper()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"guard", "supervisor", "watcher", "pid"} {
		path := filepath.Join(dir, f)
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		os.WriteFile(path, bytes.Replace(b, bytes.TrimSpace(boot), []byte("00000000-0000-4000-8000-000000000000"), 1), 0o600)
	}
}

// Dead reports whether a process is gone, or a zombie.
func Dead(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(b, []byte(") Z "))
}

// Holding are the live processes whose environment or arguments hold a text.
func Holding(text string) []string {
	var found []string
	for _, kind := range []string{"environ", "cmdline"} {
		files, _ := filepath.Glob("/proc/[0-9]*/" + kind)
		for _, f := range files {
			b, _ := os.ReadFile(f)
			if bytes.Contains(b, []byte(text)) {
				stat, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "stat"))
				found = append(found, fmt.Sprintf("%s %s", f, stat))
			}
		}
	}
	return found
}

// marked are the live processes of one attempt.
func (h *Host) marked(o guard.Order) []string { return Holding("SOLOCRON_MARK=" + h.Dir(o)) }

// NothingLeft wants no live process of any attempt.
func (h *Host) NothingLeft() {
	h.t.Helper()
	mark := "SOLOCRON_MARK=" + h.Root
	Eventually(h.t, "no process of the attempt is left: "+strings.Join(Holding(mark), "\n"), func() bool {
		return len(Holding(mark)) == 0
	})
}

// Stubborn leaves a child that ignores TERM, one in a session of its own, one
// that was double-forked and one with an empty environment, and ignores TERM.
const Stubborn = `trap '' TERM
sh -c 'trap "" TERM; while :; do sleep 300; done' &
setsid sh -c 'trap "" TERM; while :; do sleep 300; done' &
( ( setsid setsid sleep 300 & ) & )
env -i sleep 300 &
echo up
while :; do sleep 300; done`

// Bystander is a process that no guard may touch.
func Bystander(t *testing.T) {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.Process.Signal(syscall.Signal(0)) != nil || Dead(cmd.Process.Pid) {
			t.Error("the guard ended a process that is not the attempt's")
		}
		cmd.Process.Kill()
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("the bystander ended: %v", err)
		}
	})
}

// Tmpfs mounts one at the host's root until the test ends.
func (h *Host) Tmpfs(options string) {
	h.t.Helper()
	NeedRoot(h.t)
	if err := os.MkdirAll(h.Root, 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", h.Root, "tmpfs", 0, options); err != nil {
		h.t.Fatalf("mount a small tmpfs: %v", err)
	}
	h.t.Cleanup(func() { syscall.Unmount(h.Root, syscall.MNT_DETACH) })
}

// ReadOnly makes the file system at the host's root one that can't be written.
func (h *Host) ReadOnly() {
	h.t.Helper()
	if err := syscall.Mount("", h.Root, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		h.t.Fatal(err)
	}
}
