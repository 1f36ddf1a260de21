package main

import (
	"errors"
	"strings"
	"testing"
)

func TestCounts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		events string // "action test", of one package; a test named - is the package
		want   counts
	}{
		"nothing":                       {"", counts{}},
		"no test files":                 {"start -, output -, skip -", counts{}},
		"a test":                        {"run A, pass A, pass -", counts{passed: 1}},
		"subtests in place of the test": {"run A, run A/b, run A/c, pass A/b, pass A/c, pass A, pass -", counts{passed: 2}},
		"a slash in a subtest's name":   {"run A, run A/b/c, pass A/b/c, pass A, pass -", counts{passed: 1}},
		"a failed subtest":              {"run A, run A/b, run A/c, fail A/b, pass A/c, fail A, fail -", counts{passed: 1, failed: 1}},
		"failed outside its subtests":   {"run A, run A/b, pass A/b, fail A, fail -", counts{passed: 1, failed: 1}},
		"skipped":                       {"run A, skip A, pass -", counts{skipped: 1}},
		"a skipped subtest":             {"run A, run A/b, skip A/b, pass A, pass -", counts{skipped: 1}},
		"skipped after a subtest":       {"run A, run A/b, pass A/b, skip A, pass -", counts{passed: 1, skipped: 1}},
		"never ended":                   {"run A, pass A, run B, output B, fail -", counts{passed: 1, failed: 1}},
		"not built":                     {"start -, output -, fail -", counts{failed: 1}},
		"left by os.Exit":               {"run A, pass A, fail -", counts{passed: 1, failed: 1}},
		"cut off":                       {"start -, run A, pass A", counts{passed: 1, failed: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var printed strings.Builder
			got, err := read(strings.NewReader(events(tt.events)), &printed)
			if err != nil {
				t.Fatal(err)
			}
			if sum := got.close(&printed); sum != tt.want {
				t.Errorf("counted %v, want %v\n%s", sum, tt.want, &printed)
			}
			if !strings.HasSuffix("\n"+printed.String(), "\n"+tt.want.String()+"\n") {
				t.Errorf("the sum is not the last line:\n%s", &printed)
			}
			if clean := tt.want.passed > 0 && tt.want.failed+tt.want.skipped == 0; (tt.want.verdict() == nil) != clean {
				t.Errorf("verdict of %v: %v", tt.want, tt.want.verdict())
			}
		})
	}
}

func TestPrintsWhatFailedPrinted(t *testing.T) {
	t.Parallel()
	var printed strings.Builder
	input := events("run A, output A, pass A, run B, output B, fail B, fail -") + "go: no such module\n"
	if _, err := read(strings.NewReader(input), &printed); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FAIL  example.com/p", "by B\n", "go: no such module\n"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("not printed: %q\n%s", want, &printed)
		}
	}
	if strings.Contains(printed.String(), "by A\n") {
		t.Errorf("a passed test's output is printed:\n%s", &printed)
	}
}

// The start of it is at the end again, below a test's name.
func TestClosesWithWhatFailedPrinted(t *testing.T) {
	t.Parallel()
	var printed strings.Builder
	input := events("run A, output A, pass A, run B" + strings.Repeat(", output B", 20) + ", fail -, run C, output C")
	got, err := read(strings.NewReader(input), &strings.Builder{})
	if err != nil {
		t.Fatal(err)
	}
	got.close(&printed)
	want := "not passed: example.com/p B (never ended)" + strings.Repeat("\n    by B", 12) + "\n    ...\n" +
		"not passed: example.com/p C (never ended)\n    by C\n1 passed, 2 failed, 0 skipped\n"
	if printed.String() != want {
		t.Errorf("closes with\n%s, not\n%s", &printed, want)
	}
}

func TestReadError(t *testing.T) {
	t.Parallel()
	if _, err := read(broken{}, &strings.Builder{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
}

var errBroken = errors.New("broken pipe")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

// events spells "action test, action test" as go test -json does.
func events(s string) string {
	var out strings.Builder
	for e := range strings.SplitSeq(s, ", ") {
		action, test, ok := strings.Cut(e, " ")
		if !ok {
			continue
		}
		name := ""
		if test != "-" {
			name = `,"Test":"` + test + `"`
		}
		out.WriteString(`{"Action":"` + action + `","Package":"example.com/p"` + name + `,"Output":"by ` + test + `\n"}` + "\n")
	}
	return out.String()
}
