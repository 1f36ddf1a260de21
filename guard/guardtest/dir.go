package guardtest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Dir returns a fresh directory on a disk that survives a reboot, as hosts need
// one, also where the system's temporary directory is a tmpfs. It is removed
// when the last guard has left it.
func Dir(t testing.TB) string {
	t.Helper()
	const tmpfs = 0x1021994
	var fs syscall.Statfs_t
	parent := os.TempDir()
	if err := syscall.Statfs(parent, &fs); err != nil || fs.Type == tmpfs {
		parent = "."
	}
	dir, err := os.MkdirTemp(parent, "solocron-run-*.tmp")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 100 {
			if err = os.RemoveAll(dir); err == nil {
				return
			}
		}
		t.Errorf("a guard still writes: %v", err)
	})
	return dir
}
