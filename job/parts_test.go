package job

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/lexer"
)

// sameInParts checks that the parser makes the same of the jobs one by one as of
// all at once.
func sameInParts(t *testing.T, content string) {
	t.Helper()
	nodes := func(entries int) (*node, []located) {
		tokens := lexer.Tokenize(content)
		if problems := checkTokens(tokens); len(problems) > 0 {
			return nil, problems
		}
		file, err := parseTokens(tokens, entries)
		if err != nil {
			return nil, []located{*syntaxProblem(err)}
		}
		if len(file.Docs) != 1 || file.Docs[0].Body == nil {
			return nil, nil
		}
		b := builder{anchors: map[string]*node{}}
		return b.build(file.Docs[0].Body, "", position{}), b.problems
	}
	whole, wholeProblems := nodes(math.MaxInt)
	parts, partProblems := nodes(1)
	if !reflect.DeepEqual(wholeProblems, partProblems) || !reflect.DeepEqual(whole, parts) {
		t.Fatalf("in parts: %v %v\nas a whole: %v %v", parts.plain(), partProblems, whole.plain(), wholeProblems)
	}
}

func TestParts(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		apart   bool
	}{
		"plain":          {"ledger: x\njobs:\n  a:\n    command: x\n  # of b\n  b: {command: y, env: {\n A: b}} # b\n\n  c:\n    command: |\n      d: e\n    env:\n    - 1\nnotify:\n  to: [x]\n", true},
		"first and last": {"jobs:\n a: 1\n b: 2", true},
		"comments":       {"# x\njobs: # y\n  # z\n  a: 1\n# at the margin\n  b: 2\n# end\n", true},
		"anchors":        {"jobs:\n  a: &x {command: y}\n  b: *x\n  c:\n    <<: *x\n", true},
		"merge":          {"x: &x {a: 1}\njobs:\n  b: 1\n  c: 2\n  <<: *x\n", true},
		"twice":          {"jobs:\n  a: 1\n  a: 2\njobs:\n  c: 3\n  d: 4\n", true},
		"document":       {"---\njobs:\n  a: 1\n  b: 2\n", true},
		"two documents":  {"jobs:\n  a: 1\n  b: 2\n---\nc: 1\n", false},
		"flow":           {"jobs: {a: 1, b: 2}\n", false},
		"all flow":       {"{jobs: {a: 1, b: 2}}\n", false},
		"none":           {"ledger: x\n", false},
		"empty":          {"jobs:\n", false},
		"nothing in it":  {"jobs:\nledger: x\n", false},
		"list":           {"jobs:\n- a: 1\n- b: 2\n", false},
		"anchored":       {"jobs: &a\n  a: 1\n  b: 2\n", false},
		"too far left":   {"jobs:\n    a: 1\n    b: 2\n  c: 3\n", false},
		"too far right":  {"jobs:\n  a: 1\n    b: 2\n  c: 3\n", false},
		"broken":         {"jobs:\n  a: {\n  b: 2\n  c: 3\n", false},
		"quoted":         {"jobs:\n  \"a\": 1\n  b: 2\n", false},
		"deeper":         {"x:\n  jobs:\n    a: 1\n    b: 2\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			tokens := lexer.Tokenize(c.content)
			jobs, apart := findJobs(tokens), false
			if len(jobs.entries) > 1 {
				_, apart = jobs.parse(tokens, 1)
			}
			if apart != c.apart {
				t.Errorf("taken apart: %v, want %v", apart, c.apart)
			}
			sameInParts(t, c.content)
		})
	}
}

// The jobs' text is moved; none of it may end up in another place.
func TestPacked(t *testing.T) {
	var b strings.Builder
	b.WriteString("defaults: {user: u, dir: /d, shell: /bin/s}\njobs:\n")
	for i := range 3 * partEntries {
		fmt.Fprintf(&b, "  j%d: {schedule: '%d * * * *', timezone: Asia/Tokyo, command: run %d}\n", i, i%60, i)
	}
	f, err := Decode("jobs.yaml", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	for i, j := range f.Jobs {
		got := []string{j.Name, j.When.Seed, j.When.Expr, j.When.Zone, j.Command, j.User, j.Dir, j.Shell}
		want := []string{fmt.Sprint("j", i), fmt.Sprint("j", i), fmt.Sprintf("%d * * * *", i%60), "Asia/Tokyo", fmt.Sprint("run ", i), "u", "/d", "/bin/s"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("job %d: %q, want %q", i, got, want)
		}
	}
}
