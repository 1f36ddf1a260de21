package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errand is what every starter is given: one command, due n times at once.
type errand struct {
	dir     string // to write to
	due     time.Time
	n       int
	argv    []string // the command
	command string   // the same as text
	stamps  string   // the file that the commands write to
	ledger  string   // solocron's
	fleet   string   // solocron's; this machine if it is empty
}

// starter does an errand. It returns when the last command ended and what its
// processes had as peak memory; then they have been told to leave.
type starter struct {
	name string
	do   func(*bench, errand) (done time.Time, peak int64, err error)
	lead time.Duration // how long before the due time it has a use for being there
}

// asking is what questions to a scheduler cost, which is none of its own cost.
var asking time.Duration

// patience is how long one round of one starter may take.
const patience = 5 * time.Minute

var (
	ours     = starter{name: "solocron", do: (*bench).bySolocron, lead: 10 * time.Second}
	bare     = starter{name: "bare timer", do: func(b *bench, e errand) (time.Time, int64, error) { return program(e, b.self, "timer") }}
	starters = []starter{
		ours,
		{name: "gocron", do: func(b *bench, e errand) (time.Time, int64, error) { return b.byPeer("gocron", e.withShell()) }},
		{name: "gocron (no shell)", do: func(b *bench, e errand) (time.Time, int64, error) { return b.byPeer("gocron", e) }},
		{name: "robfig/cron", do: func(b *bench, e errand) (time.Time, int64, error) { return b.byPeer("robfig", e.withShell()) }},
		{name: "supercronic", do: (*bench).bySupercronic},
		{name: "recorded timer", lead: 10 * time.Second, do: func(b *bench, e errand) (time.Time, int64, error) { return program(e, b.self, "recorded") }},
		bare,
	}
)

// timers are what this program itself starts commands with.
var timers = map[string]func(args []string) error{"timer": timer, "recorded": recorded}

// chosen are the starters that take turns: solocron, and those that were asked for.
func (b *bench) chosen() ([]starter, error) {
	if b.others == "" {
		return starters, nil
	}
	chosen := []starter{ours}
	for name := range strings.SplitSeq(b.others, ",") {
		i := slices.IndexFunc(starters, func(s starter) bool { return s.name == name })
		if i < 1 {
			return nil, fmt.Errorf("-others %s: no %q to compare with; want some of %s", b.others, name, otherNames())
		}
		chosen = append(chosen, starters[i])
	}
	return chosen, nil
}

// otherNames are the names of those that solocron is compared with.
func otherNames() string {
	var names []string
	for _, s := range starters[1:] {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// withShell is the errand with a command that a shell takes apart, as whoever has
// the text of one starts it with these libraries.
func (e errand) withShell() errand {
	e.argv = []string{"/bin/sh", "-c", e.command}
	return e
}

// build builds the job and the programs of the module of peers.
func (b *bench) build() error {
	b.built = filepath.Join(b.root, "bin") + "/"
	if err := os.Mkdir(b.built, 0o700); err != nil {
		return err
	}
	for _, c := range []struct {
		dir  string
		argv []string
	}{
		{".", []string{"cc", "-O2", "-static", "-o", b.built + "stamp", "bench/stamp/stamp.c"}},
		{"bench/peers", []string{"go", "build", "-o", b.built, "."}},
		{"bench/peers", []string{"go", "build", "-o", b.built, "github.com/aptible/supercronic"}},
	} {
		build := exec.Command(c.argv[0], c.argv[1:]...)
		build.Dir = c.dir
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%s in %s: %w\n%s", strings.Join(c.argv, " "), c.dir, err, out)
		}
	}
	return nil
}

// peerVersions are the peers as their module requires them.
func (b *bench) peerVersions() string {
	list := exec.Command("go", "list", "-m", "-f", "{{.Path}} {{.Version}}",
		"github.com/go-co-op/gocron/v2", "github.com/robfig/cron/v3", "github.com/aptible/supercronic")
	list.Dir = "bench/peers"
	out, _ := list.Output()
	return strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(string(out), "github.com/", "")), "\n", ", ")
}

// once measures one round of a starter in a folder of its own. The ledger is a
// new one if none is given.
func (b *bench) once(s starter, n int, shell bool, ledger string) (round, error) {
	dir, err := os.MkdirTemp(b.root, "round-")
	if err != nil {
		return round{}, err
	}
	e := errand{dir: dir, n: n, stamps: filepath.Join(dir, "stamps"), ledger: ledger}
	if ledger == "" {
		e.ledger = filepath.Join(dir, "ledger.db")
	}
	e.argv = []string{b.built + "stamp", e.stamps}
	e.command = strings.Join(e.argv, " ")
	if shell {
		e.command += " && :" // only a shell can do that
		e = e.withShell()
	}
	e.due = time.Now().Add(s.lead + 2*time.Second + time.Duration(n)*time.Millisecond/3).Truncate(time.Second)
	before := spent() - asking
	done, peak, err := s.do(b, e)
	if err = errors.Join(err, reap(b.stay...)); err != nil {
		return round{}, fmt.Errorf("%s: %w", s.name, err)
	}
	starts, err := readStamps(e.stamps)
	if err != nil {
		return round{}, fmt.Errorf("%s: %w", s.name, err)
	}
	r, err := sumUp(starts, n, e.due)
	if err != nil {
		return r, fmt.Errorf("%s: %w", s.name, err)
	}
	r.all, r.cpu, r.peak = done.Sub(e.due), (spent()-asking-before)/time.Duration(n), peak
	return r, nil
}

func (b *bench) byPeer(name string, e errand) (time.Time, int64, error) {
	return program(e, b.built+"peers", name)
}

// program runs a starter, in the errand's folder, that prints when all was done and leaves
// at the end of its input.
func program(e errand, path, name string) (done time.Time, high int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := append([]string{name, strconv.FormatInt(e.due.Unix(), 10), strconv.Itoa(e.n)}, e.argv...)
	c := exec.CommandContext(ctx, path, args...)
	c.Dir, c.Stderr = e.dir, os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		return done, 0, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return done, 0, err
	}
	if err := c.Start(); err != nil {
		return done, 0, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	high = peak(c.Process.Pid)
	ns, malformed := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return time.Unix(0, ns), high, errors.Join(err, malformed, in.Close(), c.Wait())
}

// bySupercronic counts the successes that supercronic logs.
func (b *bench) bySupercronic(e errand) (done time.Time, high int64, err error) {
	line := e.due.UTC().Format("5 4 15 2 1 * *") + " " + e.command + "\n"
	table := filepath.Join(e.dir, "crontab")
	if err := os.WriteFile(table, []byte(strings.Repeat(line, e.n)), 0o600); err != nil {
		return done, 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, b.built+"supercronic", table)
	c.Env = append(os.Environ(), "TZ=UTC")
	log, err := c.StderrPipe()
	if err != nil {
		return done, 0, err
	}
	if err := c.Start(); err != nil {
		return done, 0, err
	}
	succeeded := 0
	for lines := bufio.NewScanner(log); succeeded < e.n && lines.Scan(); {
		if strings.Contains(lines.Text(), "job succeeded") {
			succeeded++
		}
	}
	done, high = time.Now(), peak(c.Process.Pid)
	err = c.Process.Signal(os.Interrupt)
	_, _ = io.Copy(io.Discard, log)
	_ = c.Wait()
	if succeeded < e.n {
		err = fmt.Errorf("%d of %d commands succeeded", succeeded, e.n)
	}
	return done, high, err
}

func (b *bench) bySolocron(e errand) (done time.Time, high int64, err error) {
	jobs := filepath.Join(e.dir, "jobs.yaml")
	when := "at(" + e.due.UTC().Format("2006-01-02T15:04:05") + ")"
	if err := writeJobs(jobs, e, when, e.command); err != nil {
		return done, 0, err
	}
	daemon := exec.Command(b.solocron, "serve", "--file", jobs)
	if err := daemon.Start(); err != nil {
		return done, 0, err
	}
	done, err = b.allEnded(jobs, e)
	high = peak(daemon.Process.Pid)
	_ = daemon.Process.Signal(os.Interrupt)
	return done, high, errors.Join(err, daemon.Wait())
}

// writeJobs writes a jobs file with the errand's jobs, which differ in their names
// alone.
func writeJobs(path string, e errand, when, command string) error {
	fleet := cmp.Or(e.fleet, fmt.Sprintf("{ hosts: { here: { address: local, run-dir: %s/run } } }", filepath.Dir(path)))
	var file strings.Builder
	fmt.Fprintf(&file, "ledger: %s\nfleet: %s\njobs:\n", e.ledger, fleet)
	for i := range e.n {
		fmt.Fprintf(&file, " j%05d: {schedule: %q, command: %s}\n", i, when, command)
	}
	return os.WriteFile(path, []byte(file.String()), 0o600)
}

// allEnded waits until the errand's runs have succeeded and returns when the last
// of them had, by the ledger.
func (b *bench) allEnded(jobs string, e errand) (time.Time, error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if stamps, err := os.ReadFile(e.stamps); err != nil || strings.Count(string(stamps), "\n") < e.n {
			continue // asking costs the scheduler something
		}
		ask := exec.Command(b.solocron, "runs", "--file", jobs, "--limit", strconv.Itoa(e.n), "--state", "succeeded", "--output", "json")
		out, err := ask.Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("solocron runs: %w", err)
		}
		asking += ask.ProcessState.UserTime() + ask.ProcessState.SystemTime()
		var runs []struct {
			Due     time.Time `json:"due"`
			EndedAt time.Time `json:"ended_at"`
		}
		if err := json.Unmarshal(out, &runs); err != nil {
			return time.Time{}, err
		}
		var ends []time.Time
		for _, r := range runs {
			if r.Due.Equal(e.due) {
				ends = append(ends, r.EndedAt)
			}
		}
		if len(ends) == e.n {
			return slices.MaxFunc(ends, time.Time.Compare), nil
		}
	}
	return time.Time{}, fmt.Errorf("%d jobs did not all succeed within %s", e.n, patience)
}
