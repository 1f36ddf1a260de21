package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// adopt makes this process the parent of what its children leave behind, such as
// solocron's keeper, so that what that cost is counted too.
func adopt() error {
	const prSetChildSubreaper = 36
	if _, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); e != 0 {
		return fmt.Errorf("become the reaper of what children leave behind: %w", e)
	}
	return nil
}

// reap waits until no child is left, for it or adopted, but those that stay.
func reap(stay ...int) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.ECHILD), pid == 0 && len(children(os.Getpid())) == len(stay):
			return nil
		case pid == 0 && time.Now().After(deadline):
			return errors.New("a process of the last round is still there after a minute")
		}
	}
}

// spent is what all children that have ended cost so far, with theirs.
func spent() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ran is the CPU time of a living process so far.
func ran(pid int) (sum time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, t := range threads {
		line, _ := os.ReadFile(t)
		first, _, _ := strings.Cut(string(line), " ")
		ns, _ := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(ns)
	}
	return sum
}

// ranBelow is the CPU time of those children of a living process that have ended.
func ranBelow(pid int) time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return 0
	}
	user, _ := strconv.Atoi(fields[13])
	system, _ := strconv.Atoi(fields[14])
	return time.Duration(user+system) * tick
}

// memory is a field of a process's status, such as VmRSS, in bytes.
func memory(pid int, field string) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), field+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, _ := strconv.ParseInt(fields[0], 10, 64)
	return kb << 10
}

// peak is the sum of the peaks of a process and what descends from it now.
func peak(pid int) int64 {
	sum := memory(pid, "VmHWM")
	for _, child := range children(pid) {
		sum += peak(child)
	}
	return sum
}

// children are the processes whose parent the process is.
func children(pid int) (all []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		line, _ := os.ReadFile(list)
		for child := range strings.FieldsSeq(string(line)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}
