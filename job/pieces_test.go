package job

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// sameInPieces checks that the same comes of the jobs one by one as of all at once,
// and reports whether they can be told apart.
func sameInPieces(t *testing.T, content string) bool {
	t.Helper()
	p, ok := split(content, 1)
	if !ok {
		return false
	}
	pieces, problems, ok := p.parse()
	if !ok {
		return false
	}
	whole, wholeProblems := parseWhole(content)
	if !reflect.DeepEqual(wholeProblems, problems) || !reflect.DeepEqual(whole, pieces) {
		t.Fatalf("in pieces: %v %v\nas a whole: %v %v", pieces.plain(), problems, whole.plain(), wholeProblems)
	}
	return true
}

var toldApart = map[string]struct {
	content string
	apart   bool
}{
	"plain":              {"ledger: x\njobs:\n  a:\n    command: x\n  # of b\n  b: {command: y, env: {\n   A: b}} # b\n\n  c:\n    command: |\n      d: e\n    env:\n    - 1\nnotify:\n  to: [x]\n", true},
	"against the rules":  {"jobs:\n  a: {env: {\n A: b}}\n  b: 2\n", false},
	"a name in quotes":   {"jobs:\n  a: 'x\n  b: y'\n  c: 3\n", false},
	"a name in brackets": {"jobs:\n  a: {x: [1,\n  b: 2]}\n  c: 3\n", false},
	"blank lines":        {"jobs:\n\n  a: |+\n    x\n\n\n  b: >-\n    y\n\n\n  c: |+\n    z\n\n", true},
	"no end of line":     {"jobs:\n  a: |\n    x\n  b: |\n    x", true},
	"left open":          {"jobs:\n  a:\n  b: 2\n", false},
	"a list behind":      {"jobs:\n  a: 1\n  b: 2\n- c\n", false},
	"first and last":     {"jobs:\n a: 1\n b: 2", true},
	"comments":           {"# x\njobs: # y\n  # z\n  a: 1\n# at the margin\n  b: 2\n# end\n", true},
	"anchors":            {"jobs:\n  a: &x {command: y}\n  b: *x\n  c:\n    <<: *x\n", true},
	"merge":              {"x: &x {a: 1}\njobs:\n  b: 1\n  c: 2\n  <<: *x\n", true},
	"twice":              {"jobs:\n  a: 1\n  a: 2\njobs:\n  c: 3\n  d: 4\n", true},
	"document":           {"---\njobs:\n  a: 1\n  b: 2\n", true},
	"two documents":      {"jobs:\n  a: 1\n  b: 2\n---\nc: 1\n", false},
	"flow":               {"jobs: {a: 1, b: 2}\n", false},
	"all flow":           {"{jobs: {a: 1, b: 2}}\n", false},
	"none":               {"ledger: x\n", false},
	"empty":              {"jobs:\n", false},
	"nothing in it":      {"jobs:\nledger: x\n", false},
	"list":               {"jobs:\n- a: 1\n- b: 2\n", false},
	"anchored":           {"jobs: &a\n  a: 1\n  b: 2\n", false},
	"too far left":       {"jobs:\n    a: 1\n    b: 2\n  c: 3\n", false},
	"too far right":      {"jobs:\n  a: 1\n    b: 2\n  c: 3\n", false},
	"broken":             {"jobs:\n  a: {\n  b: 2\n  c: 3\n", false},
	"quoted":             {"jobs:\n  \"a\": 1\n  b: 2\n", false},
	"deeper":             {"x:\n  jobs:\n    a: 1\n    b: 2\n", false},
}

func TestPieces(t *testing.T) {
	for name, c := range toldApart {
		t.Run(name, func(t *testing.T) {
			if apart := sameInPieces(t, c.content); apart != c.apart {
				t.Errorf("told apart: %v, want %v", apart, c.apart)
			}
		})
	}
}

// A file that is too large to be read at once says where it is wrong all the same.
func TestLargeFile(t *testing.T) {
	var b strings.Builder
	b.WriteString("ledger: x\njobs:\n")
	for i := 0; b.Len() <= 2*maxWhole; i++ {
		fmt.Fprintf(&b, "  j%d:\n    schedule: '@daily'\n    command: |\n      echo %d\n", i, i)
	}
	large, line := b.String(), strings.Count(b.String(), "\n")+1
	for _, c := range []struct{ name, more, want string }{
		{"nothing", "retention: 5d\n", ""},
		{"a key", "  last: {schedule: '@daily', comand: x}\n", fmt.Sprintf("jobs.yaml:%d:9: last: command is missing", line)},
		{"a name twice", "  j0: {schedule: '@daily', command: x}\n", fmt.Sprintf("jobs.yaml:%d:3: \"j0\" is there already, on line 3", line)},
		{"behind the jobs", "# x\nledgr: y\n", fmt.Sprintf("jobs.yaml:%d:1: unknown key \"ledgr\"", line+1)},
		{"a bracket", "  last: {schedule: '@daily', command: [x\n  more: {}\n", fmt.Sprintf("jobs.yaml:%d:3: YAML: ',' or ']' must be specified", line+1)},
		{"quotes", "  last: {schedule: '@daily', command: 'x}\n  more: {}\n", fmt.Sprintf("jobs.yaml:%d:39: YAML: could not find end character", line)},
		{"a margin", " last: {}\n", "jobs.yaml: the file has more than 1048576 bytes, and its jobs can't be told apart; write \"jobs:\" at the left margin"},
	} {
		f, err := Decode("jobs.yaml", []byte(large+c.more))
		switch {
		case c.want == "" && (err != nil || f.Retention != 5*24*time.Hour):
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%s: %.300v, want %s", c.name, err, c.want)
		}
	}
}

// The jobs' text is moved; none of it may end up in another place.
func TestPacked(t *testing.T) {
	var b strings.Builder
	b.WriteString("defaults: {user: u, dir: /d, shell: /bin/s}\njobs:\n")
	for i := range 3 * pieceJobs {
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

// Lines that a cut may go wrong between, in any order.
func FuzzPieces(f *testing.F) {
	lines := []string{
		"jobs:", "jobs: # x", "jobs: &a", "  a: 1", "  b:", "  c: |", "  d: >-", "  e: {x: 1,", "  y: 2}", "  'f': 1", "  g: \"x", "  z\"", "  h: '",
		"    k: v", "    - 1", "    l: |+", "      text", "      # text", "  # x", "# x", "", "   ", "\t", "  <<: *a", "  i: &a {x: 1}", "  j: *a", "  m: &a", "  - n",
		"- o", "x: y", "x: &a {y: 1}", "---", "...", "  p: !t 1", "  ? q", "  : r", "  s:t", "  u: v: w", "  end: 0", "  a: 2", "    '", "   v: 1", " w: 1", "    ]",
		"  xx: [1, # y", "    'z', \"", "  yy: @z", "  zz: - 1", "%YAML 1.2",
	}
	f.Add([]byte{0, 3, 5, 16, 20, 4, 13, 3, 29})
	f.Fuzz(func(t *testing.T, choice []byte) {
		var b strings.Builder
		for _, c := range choice[:min(len(choice), 40)] {
			b.WriteString(lines[int(c)%len(lines)])
			if c != 255 {
				b.WriteByte('\n')
			}
		}
		sameInPieces(t, b.String())
	})
}
