package awsloop

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// killMarked ends all processes that carry the variable in the environment that
// they were started with, and their children, until there are none.
func killMarked(variable string) error {
	var left []int
	for range 200 {
		var err error
		if left, err = marked(variable); err != nil || len(left) == 0 {
			return err
		}
		for _, pid := range left {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill process %d: %w", pid, err)
			}
		}
		time.Sleep(5 * time.Millisecond) // they die a moment later
	}
	return fmt.Errorf("processes %v don't die", left)
}

// marked lists the processes, without zombies, which have no environment.
func marked(variable string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	parents := map[int]int{}
	var found []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		parents[pid] = parentOf(pid)
		environ, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err == nil && slices.ContainsFunc(bytes.Split(environ, []byte{0}), func(v []byte) bool { return string(v) == variable }) {
			found = append(found, pid)
		}
	}
	for k := 0; k < len(found); k++ { // children, theirs, and so on
		for pid, parent := range parents {
			if parent == found[k] && !slices.Contains(found, pid) {
				found = append(found, pid)
			}
		}
	}
	return found, nil
}

// parentOf reads the fourth field of stat; the second may contain anything. A
// zombie has no parent here, as it can't be killed.
func parentOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 || fields[0][0] == 'Z' {
		return 0
	}
	parent, _ := strconv.Atoi(string(fields[1])) //nolint:errcheck // 0 is none
	return parent
}
