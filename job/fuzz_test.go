package job

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/solocron/solocron/schedule"
)

// Whatever the content: an answer, every problem within the file, and nothing
// accepted that the schema or the scheduler would refuse.
func FuzzDecode(f *testing.F) {
	for _, dir := range []string{"testdata/", "../examples/"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".yaml") {
				continue
			}
			data, err := os.ReadFile(dir + e.Name())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data))
		}
	}
	for _, s := range []string{
		"", "{", "a: *a", "<<: [*a]", "? {}", "\"", "--- |", "&a &b c", "%YAML 1.2\n---\n", "a: !", "jobs: {a: {schedule: '@daily', command: >+\n x}}",
		"jobs:\n- a\n -b", "{a: b}: c", "\u2028: a", "a:\r\n b:\t\tc", "- - -\n-", "|\n a", "'", "a: &a\nb: *a",
		"fleet: {hosts: {a: {address: local, launched: '2026-01-02T03:04:05,5Z'}}}\njobs: {a: {schedule: '@daily', command: x}}",
	} {
		f.Add(s)
	}
	for _, c := range toldApart {
		f.Add(c.content)
	}
	s := compiled(f)
	f.Fuzz(func(t *testing.T, content string) {
		file, err := Decode("jobs.yaml", []byte(content))
		if utf8.ValidString(content) {
			sameInPieces(t, content)
		}
		if err != nil {
			checkProblems(t, err, content)
			return
		}
		for _, j := range file.Jobs {
			if _, err := schedule.Parse(j.When); err != nil {
				t.Errorf("accepted a schedule that can't be parsed: %v", err)
			}
		}
		root, _ := parse(strings.ReplaceAll(strings.TrimPrefix(content, "\ufeff"), "\r\n", "\n"))
		if err := s.Validate(root.plain()); err != nil {
			t.Errorf("accepted, but the schema says: %v", err)
		}
	})
}

func checkProblems(t *testing.T, err error, content string) {
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("error %T %v, want Problems", err, err)
	}
	lines := strings.Count(content, "\n") + 1
	for i, p := range problems {
		if p.Message == "" || p.Line < 0 || p.Line > lines || p.Column < 0 || (p.Line == 0) != (p.Column == 0) {
			t.Errorf("problem %+v in a file of %d lines", p, lines)
		}
		if i > 0 && p.Line < problems[i-1].Line {
			t.Errorf("problem of line %d after one of line %d", p.Line, problems[i-1].Line)
		}
	}
	if text := err.Error(); strings.ContainsFunc(text, func(r rune) bool { return r == '\x1b' || r == 0 }) {
		t.Errorf("control characters in %q", text)
	}
}
