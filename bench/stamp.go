package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timer is the bare timer, with the arguments and the manners of the peers: DUE
// N COMMAND ARG... It starts all commands and then waits for them.
func timer(args []string) error {
	due, n, err := dueAndCount(args)
	if err != nil {
		return err
	}
	time.Sleep(time.Until(due))
	if err := startAll(n, args[2:], func(int) error { return nil }); err != nil {
		return err
	}
	fmt.Println(time.Now().UnixNano())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// startAll starts the command n times, and then waits for each and has its end seen to.
func startAll(n int, argv []string, ended func(i int) error) error {
	started := make([]*exec.Cmd, n)
	for i := range started {
		started[i] = exec.Command(argv[0], argv[1:]...)
		if err := started[i].Start(); err != nil {
			return err
		}
	}
	for i, c := range started {
		if err := errors.Join(c.Wait(), ended(i)); err != nil {
			return err
		}
	}
	return nil
}

// dueAndCount reads the first two arguments.
func dueAndCount(args []string) (due time.Time, n int, err error) {
	second, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return due, 0, err
	}
	n, err = strconv.Atoi(args[1])
	return time.Unix(second, 0), n, err
}

// round is what one starter came to in one round.
type round struct {
	first, p50, p99, max time.Duration // lateness of the starts
	all                  time.Duration // from the due time to the last end that the starter knows of
	cpu                  time.Duration // of all its processes and the commands, for each command
	peak                 int64         // memory of the starter's own processes
}

// readStamps returns when commands started.
func readStamps(path string) (starts []time.Time, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		ns, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil {
			return nil, err
		}
		starts = append(starts, time.Unix(0, ns))
	}
	return starts, nil
}

// sumUp says how late the n starts after due were.
func sumUp(starts []time.Time, n int, due time.Time) (round, error) {
	if len(starts) != n {
		return round{}, fmt.Errorf("%d commands started, want %d", len(starts), n)
	}
	late := make([]time.Duration, n)
	for i, start := range starts {
		late[i] = start.Sub(due)
	}
	slices.Sort(late)
	return round{first: late[0], p50: late[n/2], p99: late[n*99/100], max: late[n-1]}, nil
}
