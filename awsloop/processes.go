package awsloop

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// killBelow ends all processes whose environment, as they were started with it,
// names the folder or something in it, and their children, until there are none.
// A program that cleans its environment but keeps where its state is, as the
// guard does, is found as well.
func killBelow(dir string) error {
	var left []int
	for range 200 {
		var err error
		if left, err = below(dir); err != nil || len(left) == 0 {
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

// below lists the processes, without zombies, which have no environment.
func below(dir string) ([]int, error) {
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
		names := func(variable []byte) bool {
			_, value, _ := strings.Cut(string(variable), "=")
			return value == dir || strings.HasPrefix(value, dir+"/")
		}
		if err == nil && slices.ContainsFunc(bytes.Split(environ, []byte{0}), names) {
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
	parent, _ := strconv.Atoi(string(fields[1])) // 0 is none
	return parent
}
