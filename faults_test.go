package solocron_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	faultRow    = regexp.MustCompile(`(?m)^\| (\d+) \|`)
	faultExcuse = regexp.MustCompile(`(?m)^- (\d+)(?:, (\d+))*: \S`)
	faultTest   = regexp.MustCompile(`(?m)^func TestFault(\d+)[A-Z]|"fault (\d+): `)
	digits      = regexp.MustCompile(`\d+`)
)

// TestFaults holds docs/faults.md against the code: every fault has a test that
// carries its number, or a line in docs/guarantee.md that says why it has none.
func TestFaults(t *testing.T) {
	faults := numbersIn(faultRow, read(t, "docs/faults.md"))
	_, untested, _ := strings.Cut(read(t, "docs/guarantee.md"), "\n## Faults that no test here makes\n")
	excused := map[int]bool{}
	for _, line := range faultExcuse.FindAllString(untested, -1) {
		list, _, _ := strings.Cut(line, ":")
		for n := range numbersIn(digits, list) {
			excused[n] = true
		}
	}
	tested := faultsTested(t)
	for n := range faults {
		if tested[n] == "" && !excused[n] {
			t.Errorf("fault %d has no test, and docs/guarantee.md does not say why", n)
		}
	}
	for n, where := range tested {
		if !faults[n] {
			t.Errorf("%s tests fault %d, which docs/faults.md does not have", where, n)
		}
		if excused[n] {
			t.Errorf("%s tests fault %d, which docs/guarantee.md says is not tested", where, n)
		}
	}
	t.Logf("%d faults, %d with a test, %d excused", len(faults), len(tested), len(excused))
}

// faultsTested is where each fault has a test.
func faultsTested(t *testing.T) map[int]string {
	tested := map[int]string{}
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		for n := range numbersIn(faultTest, read(t, path)) {
			tested[n] = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tested
}

// numbersIn are the numbers that the pattern finds, in its groups if it has any.
func numbersIn(pattern *regexp.Regexp, text string) map[int]bool {
	found := map[int]bool{}
	for _, match := range pattern.FindAllStringSubmatch(text, -1) {
		for _, digits := range match[min(1, len(match)-1):] {
			if n, err := strconv.Atoi(digits); err == nil {
				found[n] = true
			}
		}
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
