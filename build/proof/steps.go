package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// step is one command and how its log says what it came to. Every one of them
// fails by itself when it finds something.
type step struct {
	name    string
	env     []string
	command []string
	figures func(log string) (string, error)
}

func goTest(args ...string) []string {
	return append([]string{"go", "test", "-count=1", "-timeout", "60m", "-v"}, args...)
}

var steps = []step{
	{
		"model", []string{"SOLOCRON_STATES=20000000"}, goTest("./run/modeltest"),
		said("%s states, %s steps, no promise broken; %s stories of a protection left out, each with a second start",
			last(`(\d+) states, no promise broken`), sum(`states, (\d+) steps between them`), count(`(?m)^    --- PASS: TestLacking/`)),
	},
	{
		// Less collecting of garbage halves the time; the worlds are the same.
		"simulation", []string{"SOLOCRON_OCCURRENCES=1000000", "GOGC=400"}, goTest("-run", "TestPromise$", "./simulate"),
		said("%s due times in %s worlds, %s starts, 0 violations",
			last(`(\d+) due times in`), last(`due times in (\d+) worlds`), last(`worlds, (\d+) starts`)),
	},
	{
		"years", []string{"SOLOCRON_YEARS=20", "GOGC=400"}, goTest("-run", "TestYears$", "./dispatch"),
		said("%s due times in %s years of real schedulers, %s days of them at work, %s runs, %s starts, 0 violations",
			last(`(\d+) due times in \d+ years`), last(`due times in (\d+) years`), last(`(\d+) days of them`), last(`(\d+) runs, \d+ starts`), last(`runs, (\d+) starts`)),
	},
	{
		"stories", []string{"GOGC=400"}, goTest("-run", "TestAnything$", "./dispatch", "-rapid.checks=3000"),
		said("%s stories of anything that can happen to real schedulers, 0 violations", last(`OK, passed (\d+) tests`)),
	},
	{
		"cycles", []string{"SOLOCRON_CYCLES=10000"}, goTest("-run", "TestCycles$", "./e2e/crash"),
		said("%s schedulers killed, %s of them at %s points, %s keepers and guards, %s due times, %s commands started, 0 violations",
			last(`cycles: (\d+) starts killed`), last(`killed, (\d+) of them at`), last(`of them at (\d+) points`),
			last(`(\d+) keepers and guards`), last(`(\d+) due times, \d+ commands`), last(`(\d+) commands started`)),
	},
	{
		"schedules", []string{"SOLOCRON_COMPARISONS=5000000"}, goTest("-run", "TestPeers$", "./schedule/difftest"),
		said("%s due times compared with five implementations, %s differ by a rule, %s unexplained",
			sum(`(\d+) due times compared`), sum(`compared, (\d+) differ as intended`), sum(`, (\d+) in other ways`)),
	},
	{
		"faults", nil, goTest("-run", "TestFaults$", "."),
		said("%s faults, %s with a test, %s excused", last(`(\d+) faults, `), last(`faults, (\d+) with a test`), last(`with a test, (\d+) excused`)),
	},
	{
		"fuzz", []string{"KEEP=10"}, []string{"sh", "build/fuzz.sh", "5"},
		said("%s targets, %s inputs kept", last(`(\d+) targets, \d+ inputs kept, 0 failures`), last(`targets, (\d+) inputs kept`)),
	},
	{
		"mutations", nil, []string{"go", "run", "./build/mutate", "-write", "docs/mutations.md"},
		said("%s protections removed, %s caught", last(`(\d+) removed, `), last(`removed, (\d+) caught`)),
	},
}

// said makes the line of a step from its figures.
func said(format string, figures ...figure) func(string) (string, error) {
	return func(log string) (string, error) {
		numbers := make([]any, len(figures))
		for i, f := range figures {
			n, err := f(log)
			if err != nil {
				return "", err
			}
			numbers[i] = grouped(n)
		}
		return fmt.Sprintf(format, numbers...), nil
	}
}

// figure finds a number in a log.
type figure func(log string) (int, error)

var errSilent = errors.New("it does not say what it came to")

func numbers(pattern, log string) (all []int, err error) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(log, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: nothing is like %s", errSilent, pattern)
	}
	return all, nil
}

// last is the pattern's last number.
func last(pattern string) figure {
	return func(log string) (int, error) {
		all, err := numbers(pattern, log)
		if err != nil {
			return 0, err
		}
		return all[len(all)-1], nil
	}
}

// sum adds up all of the pattern's numbers.
func sum(pattern string) figure {
	return func(log string) (int, error) {
		all, err := numbers(pattern, log)
		total := 0
		for _, n := range all {
			total += n
		}
		return total, err
	}
}

// count is how often the pattern is in the log.
func count(pattern string) figure {
	return func(log string) (int, error) {
		n := len(regexp.MustCompile(pattern).FindAllString(log, -1))
		if n == 0 {
			return 0, fmt.Errorf("%w: nothing is like %s", errSilent, pattern)
		}
		return n, nil
	}
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
