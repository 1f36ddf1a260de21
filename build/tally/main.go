// Command tally runs go test with the given arguments and counts.
//
// It prints a line for each package, what failed tests printed, and last, on
// a line of its own, "N passed, M failed, K skipped". A test with subtests is
// counted by its subtests. The exit code is 1 if a test failed, was skipped
// or never finished, if a package didn't build, or if no test ran at all: a
// suite that can't run here is not a suite that passed.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	if err := goTest(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
}

func goTest(args []string, to io.Writer) error {
	test := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	test.Stderr = os.Stderr
	events, err := test.StdoutPipe()
	if err != nil {
		return err
	}
	if err := test.Start(); err != nil {
		return err
	}
	t, readErr := read(events, to)
	exit := test.Wait()
	if readErr != nil {
		return fmt.Errorf("read the events of go test: %w", readErr)
	}
	total := t.close(to)
	if exit != nil && total.failed == 0 {
		return fmt.Errorf("go test: %w", exit)
	}
	return total.verdict()
}
