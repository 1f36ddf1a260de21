package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The daemon as the first process of a container, where nobody else buries the
// children that commands leave behind.
func TestFault77FirstProcess(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test must run as root: it makes a namespace of process numbers")
	}
	s := newSite(t)
	s.write("jobs.yaml", `
ledger: DIR/ledger.db
fleet: { hosts: { here: { address: local, run-dir: DIR/here } } }
jobs:
  parent:
    schedule: "@yearly"
    overlap: allow
    command: for n in 1 2 3 4 5; do (sleep 0.3 >/dev/null 2>&1 &); done; exit 3
`)
	d := s.serve("jobs.yaml", "unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL")
	first := childrenOf(d.cmd.Process.Pid)
	if len(first) != 1 {
		t.Fatalf("unshare has the children %v", first)
	}
	for range 3 {
		_, err := s.try("run", "parent", "--wait", "--file", s.path("jobs.yaml"))
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.ExitCode() != 3 {
			t.Errorf("the command's own exit code is 3: %v", err)
		}
	}
	await(t, 30*time.Second, "nothing is left but the keeper", func() bool {
		below := childrenOf(first[0])
		return len(below) == 1 && len(childrenOf(below[0])) == 0
	})
}

// childrenOf are the children of a process, also those that ended and that
// nobody has buried.
func childrenOf(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		words, _ := os.ReadFile(list)
		for word := range strings.FieldsSeq(string(words)) {
			if child, err := strconv.Atoi(word); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}
