package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of go test -json; go doc test2json describes it.
type event struct {
	Action  string
	Package string
	Test    string // empty: of the whole package
	Output  string
	Elapsed float64 // seconds
}

// outcomes of a test. A test that started and never ended is unfinished.
const (
	unfinished = ""
	passed     = "pass"
	failed     = "fail"
	skipped    = "skip"
)

type test struct {
	outcome string
	parent  bool // has subtests
	printed strings.Builder
}

type suite struct {
	tests   map[string]*test
	outcome string
	printed strings.Builder // by the package, outside of its tests
}

// tally gathers what became of every package's tests.
type tally struct {
	suites map[string]*suite
}

// read takes in events until their end and reports each package to w as it
// ends. Lines that are no event are the go command's own words; they go to w.
func read(events io.Reader, w io.Writer) (*tally, error) {
	t := &tally{suites: map[string]*suite{}}
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case len(line) == 0:
		case json.Unmarshal(line, &e) != nil:
			fmt.Fprintf(w, "%s", line)
		default:
			t.take(e, w)
		}
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (t *tally) take(e event, w io.Writer) {
	if e.Action == "build-output" {
		fmt.Fprint(w, e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	s := t.suite(e.Package)
	if e.Test != "" {
		s.take(e)
		return
	}
	switch e.Action {
	case "output":
		s.printed.WriteString(e.Output)
	case passed, failed, skipped:
		s.outcome = e.Action
		s.report(e.Package, e.Elapsed, w)
	}
}

func (t *tally) suite(name string) *suite {
	s := t.suites[name]
	if s == nil {
		s = &suite{tests: map[string]*test{}}
		t.suites[name] = s
	}
	return s
}

func (s *suite) take(e event) {
	one := s.tests[e.Test]
	if one == nil {
		one = &test{}
		s.tests[e.Test] = one
		if i := strings.LastIndex(e.Test, "/"); i > 0 {
			s.markParents(e.Test[:i])
		}
	}
	switch e.Action {
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") { // RUN, PAUSE, CONT
			one.printed.WriteString(e.Output)
		}
	case passed, failed, skipped:
		one.outcome = e.Action
	}
}

// markParents notes that name has a subtest. A subtest's own name may hold
// slashes, so not every prefix is a test.
func (s *suite) markParents(name string) {
	for {
		if p := s.tests[name]; p != nil {
			p.parent = true
			return
		}
		i := strings.LastIndex(name, "/")
		if i < 0 {
			return
		}
		name = name[:i]
	}
}

// report prints a line for the package, after it what its tests that didn't
// pass printed, and what the package printed.
func (s *suite) report(name string, seconds float64, w io.Writer) {
	c, _ := s.judge()
	if c == (counts{}) {
		return // no test files
	}
	word := "ok"
	if c.failed+c.skipped > 0 {
		word = "FAIL"
	}
	fmt.Fprintf(w, "%-4s  %-56s %5d tests %7.1fs\n", word, name, c.passed+c.failed+c.skipped, seconds)
	if word == "ok" {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.tests)) {
		if one := s.tests[name]; one.outcome != passed {
			fmt.Fprint(w, one.printed.String())
		}
	}
	fmt.Fprint(w, s.printed.String())
}

type counts struct{ passed, failed, skipped int }

func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

// verdict is nil if tests ran and every one of them passed.
func (c counts) verdict() error {
	switch {
	case c.failed > 0:
		return fmt.Errorf("%d failed", c.failed)
	case c.skipped > 0:
		return fmt.Errorf("%d skipped: install what they miss", c.skipped)
	case c.passed == 0:
		return errors.New("no test ran")
	}
	return nil
}

// close names every test that didn't pass, with what it printed first, as the report
// of its package may be thousands of lines ago; prints the sum, and returns it.
func (t *tally) close(w io.Writer) counts {
	var sum counts
	for _, name := range slices.Sorted(maps.Keys(t.suites)) {
		c, blamed := t.suites[name].judge()
		for _, b := range blamed {
			fmt.Fprintf(w, "not passed: %s %s%s\n", name, b.what, indent(first(b.printed, 12)))
		}
		sum.passed += c.passed
		sum.failed += c.failed
		sum.skipped += c.skipped
	}
	fmt.Fprintln(w, sum)
	return sum
}

// first is at most n lines of what was printed.
func first(printed string, n int) (lines []string) {
	for line := range strings.Lines(printed) {
		if len(lines) == n {
			return append(lines, "...")
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines
}

// indent puts each of the lines on a new one.
func indent(lines []string) (all string) {
	for _, line := range lines {
		all += "\n    " + line
	}
	return all
}

// blame is a test that didn't pass, or the package itself.
type blame struct{ what, printed string }

// judge counts, and names the tests that didn't pass. A test with subtests
// counts only if they don't tell its outcome: it failed and none of them did,
// or it skipped the rest of itself. A package that failed without a failed
// test (it didn't build, it left by os.Exit) counts as one failure.
func (s *suite) judge() (c counts, blamed []blame) {
	for _, name := range slices.Sorted(maps.Keys(s.tests)) {
		one := s.tests[name]
		switch {
		case one.outcome == passed && !one.parent:
			c.passed++
		case one.outcome == skipped:
			c.skipped++
			blamed = append(blamed, blame{name + " (skipped)", one.printed.String()})
		case one.outcome == unfinished && !s.failedBelow(name):
			c.failed++
			blamed = append(blamed, blame{name + " (never ended)", one.printed.String()})
		case one.outcome == failed && !s.failedBelow(name):
			c.failed++
			blamed = append(blamed, blame{name, one.printed.String()})
		}
	}
	if s.outcome != passed && s.outcome != skipped && c.failed == 0 {
		c.failed = 1
		blamed = append(blamed, blame{"(the package)", s.printed.String()})
	}
	return c, blamed
}

func (s *suite) failedBelow(name string) bool {
	for below, one := range s.tests {
		if strings.HasPrefix(below, name+"/") && (one.outcome == failed || one.outcome == unfinished) {
			return true
		}
	}
	return false
}
