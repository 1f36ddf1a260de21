// Command bench measures solocron on this machine beside other schedulers, which
// all start the same tiny program: it writes down its own clock. They are given it
// as the text of a command; what can't take a text apart starts a shell. solocron does
// all that it promises (SQLite with synchronous=FULL, guard, output, result); the
// bare timer starts the program and records nothing.
//
//	go run ./bench -solocron bin/solocron -only lateness,rest
//
// The starters take turns, so that a machine whose speed drifts is fair to all.
// Figures are medians over the rounds; a ratio is the median of the rounds'
// ratios. The peers are a module of their own, bench/peers.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		if timer, ok := timers[os.Args[1]]; ok {
			end(timer(os.Args[2:]))
			return
		}
	}
	var b bench
	flag.StringVar(&b.solocron, "solocron", "bin/solocron", "the program to measure")
	flag.StringVar(&b.sizes, "sizes", "1,1000,5000", "how many commands are due in the same second")
	flag.IntVar(&b.rounds, "rounds", 5, "how often each is measured")
	flag.DurationVar(&b.rest, "rest", time.Minute, "how long a scheduler at rest is watched")
	flag.IntVar(&b.records, "records", 1_000_000, "how many runs the large ledger holds")
	flag.StringVar(&b.others, "others", "", "whom to compare with, all if empty: of "+otherNames())
	only := flag.String("only", "", "the parts to measure, of "+strings.Join(partNames(), ", "))
	write := flag.String("write", "", "page whose results are replaced, between its markers")
	flag.Parse()
	end(b.run(*only, *write))
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run of this program.
type bench struct {
	solocron, sizes, others string
	rounds, records         int
	rest                    time.Duration

	self  string    // this program, which is also the timers
	built string    // folder of the programs of the job and the peers
	root  string    // of all that is written
	stay  []int     // processes that outlive a round
	out   io.Writer // the results
}

// part is one of the things that are measured.
type part struct {
	name    string
	measure func(*bench) error
}

var parts = []part{
	{"lateness", (*bench).lateness},
	{"shell", (*bench).shell},
	{"drift", (*bench).drift},
	{"ssh", (*bench).overSSH},
	{"rest", (*bench).atRest},
	{"growth", (*bench).growth},
	{"ledger", (*bench).ledgerRates},
	{"lambda", (*bench).lambda},
}

func partNames() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

func (b *bench) run(only, page string) (err error) {
	chosen := parts
	if only != "" {
		names := strings.Split(only, ",")
		chosen = slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !slices.Contains(names, p.name) })
		if len(chosen) != len(names) {
			return fmt.Errorf("-only %s: want some of %s", only, strings.Join(partNames(), ", "))
		}
	}
	if b.solocron, err = filepath.Abs(b.solocron); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	// Removed when all is measured: a file system that is still busy with the
	// removal of one round's files is slow in the next.
	if b.root, err = os.MkdirTemp("", "solocron-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.root)
	if err := adopt(); err != nil {
		return err
	}
	if err := b.build(); err != nil {
		return err
	}
	var results bytes.Buffer
	b.out = io.MultiWriter(os.Stdout, &results)
	fmt.Fprintf(b.out, "%s\n", b.about(only))
	for _, p := range chosen {
		if err := p.measure(b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if page == "" {
		return nil
	}
	return replaceResults(page, results.String())
}

// about says what was measured on what.
func (b *bench) about(only string) string {
	var kernel syscall.Utsname
	_ = syscall.Uname(&kernel)
	var release []byte
	for _, c := range kernel.Release {
		if c == 0 {
			break
		}
		release = append(release, byte(c))
	}
	version, _ := exec.Command(b.solocron, "--version").Output()
	command := fmt.Sprintf("go run ./bench -sizes %s -rounds %d -rest %s", b.sizes, b.rounds, b.rest)
	if only != "" {
		command += " -only " + only
	}
	if b.others != "" {
		command += fmt.Sprintf(" -others %q", b.others)
	}
	return fmt.Sprintf("%#q: %s, %d CPUs (%s), Linux %s, %s, %s. Load before the start: %s.\n", command,
		strings.TrimSpace(string(version)), runtime.NumCPU(), runtime.GOARCH, release, runtime.Version(), b.peerVersions(), loadAverage())
}

func loadAverage() string {
	load, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(load), " ")
	return first
}

// The markers of the results in a page.
const (
	resultsBegin = "<!-- results: written by make bench -->\n"
	resultsEnd   = "<!-- end of results -->\n"
)

func replaceResults(page, results string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), resultsBegin)
	_, after, ended := strings.Cut(rest, resultsEnd)
	if !ok || !ended {
		return fmt.Errorf("%s has no place for results: no %q and %q", page, resultsBegin, resultsEnd)
	}
	return os.WriteFile(page, []byte(before+resultsBegin+"\n"+results+"\n"+resultsEnd+after), 0o644)
}

// each reads the sizes.
func (b *bench) each(measure func(n int) error) error {
	for size := range strings.SplitSeq(b.sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 {
			return fmt.Errorf("-sizes %s: want numbers above 0", b.sizes)
		}
		if err := measure(n); err != nil {
			return err
		}
	}
	return nil
}
