// Command mutate removes each protection of the promise from the code, one at a
// time and in a copy, and shows that a suite goes red.
//
//	go run ./build/mutate [-only REGEXP] [-copies N] [-write docs/mutations.md]
//
// It works on what is committed. It fails if a suite stays green, if what is to
// be removed is no longer in the code as it is written down here, or if the code
// without it doesn't build. Its list is protections.go.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
)

func main() {
	only := flag.String("only", "", "regular expression: the protections to remove")
	copies := flag.Int("copies", max(1, runtime.NumCPU()/2), "how many copies to work in at a time")
	file := flag.String("write", "", "file to write the table to")
	flag.Parse()
	if err := run(*only, *copies, *file); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(only string, copies int, file string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	var removed []protection
	for _, p := range protections {
		if wanted.MatchString(p.name) {
			removed = append(removed, p)
		}
	}
	by, err := tryAll(removed, copies)
	if err != nil {
		return err
	}
	table := strings.Builder{}
	table.WriteString("| protection removed | in | suite | went red with |\n|---|---|---|---|\n")
	var green []string
	for i, p := range removed {
		if by[i] == "" {
			green = append(green, p.name)
			by[i] = "**nothing**"
		}
		fmt.Fprintf(&table, "| %s | `%s` | `%s` | %s |\n", p.name, p.file, strings.ReplaceAll(strings.Join(p.suite, " "), "|", `\|`), by[i])
	}
	fmt.Printf("%d removed, %d caught\n", len(removed), len(removed)-len(green))
	if len(green) > 0 {
		return fmt.Errorf("nobody missed: %s", strings.Join(green, "; "))
	}
	if file == "" {
		return nil
	}
	return writeTable(file, table.String())
}

// tryAll tries every protection, in so many copies at a time, and returns what
// went red without each.
func tryAll(removed []protection, copies int) ([]string, error) {
	by := make([]string, len(removed))
	errs := make([]error, copies)
	next := make(chan int, len(removed))
	for i := range removed {
		next <- i
	}
	close(next)
	var all sync.WaitGroup
	var git sync.Mutex // which makes one copy at a time
	for n := range copies {
		all.Go(func() {
			git.Lock()
			dir, remove, err := checkout()
			git.Unlock()
			if err != nil {
				errs[n] = err
				return
			}
			defer func() { errs[n] = errors.Join(errs[n], remove()) }()
			for i := range next {
				p, began := removed[i], time.Now()
				if by[i], err = p.try(dir); err != nil {
					errs[n] = fmt.Errorf("%s: %w", p.name, err)
					return
				}
				fmt.Printf("%-62s %6.1fs  %s\n", p.name, time.Since(began).Seconds(), by[i])
			}
		})
	}
	all.Wait()
	return by, errors.Join(errs...)
}

// checkout is a copy of what is committed, and how it is removed.
func checkout() (dir string, remove func() error, err error) {
	dir, err = os.MkdirTemp("", "solocron-mutate-")
	if err != nil {
		return "", nil, err
	}
	if out, err := exec.Command("git", "worktree", "add", "--detach", dir, "HEAD").CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("git worktree: %w: %s", err, out)
	}
	return dir, func() error { return exec.Command("git", "worktree", "remove", "--force", dir).Run() }, nil
}

// try removes the protection, runs its suite, and puts it back. It returns the
// first test that failed; empty if none did.
func (p protection) try(dir string) (by string, err error) {
	path := filepath.Join(dir, filepath.FromSlash(p.file))
	whole, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(whole, []byte(p.old)); n != 1 {
		return "", fmt.Errorf("%s has %d times %q, want it once", p.file, n, p.old)
	}
	if err := os.WriteFile(path, bytes.Replace(whole, []byte(p.old), []byte(p.new), 1), 0o644); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, whole, 0o644)) }()
	test := exec.Command("go", append([]string{"test", "-vet=off", "-count=1", "-failfast", "-timeout", "3m"}, p.suite...)...)
	test.Dir = dir
	out, failed := test.CombinedOutput()
	if failed == nil {
		return "", nil
	}
	return culprit(out)
}

var (
	failure = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	waiting = regexp.MustCompile(`running tests:\s+(\S+)`) // when the time was over
)

// culprit is the first test that failed, as go test names it.
func culprit(out []byte) (string, error) {
	if bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")) {
		return "", fmt.Errorf("it doesn't build:\n%s", out)
	}
	if m := failure.FindSubmatch(out); m != nil {
		return string(m[1]), nil
	}
	if m := waiting.FindSubmatch(out); m != nil {
		return string(m[1]) + ", which waited in vain", nil
	}
	if bytes.Contains(out, []byte("panic: ")) {
		return "a panic", nil
	}
	return "", fmt.Errorf("go test failed, but no test did:\n%s", out)
}

// writeTable puts the table into the file, between its two marks.
func writeTable(file, table string) error {
	const begin, end = "<!-- table -->\n", "<!-- end -->"
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: there is no %q … %q", file, begin, end)
	}
	return os.WriteFile(file, []byte(head+begin+"\n"+table+"\n"+end+tail), 0o644)
}
