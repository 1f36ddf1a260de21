package difftest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A query asks for the first due times of a line after a moment.
type query struct {
	line  line
	zone  *zone
	after int64
	count int
}

// A finder is an independent implementation. It answers each query with the
// due times in order; fewer than asked for if it finds no more.
type finder interface {
	find(queries []query) ([][]int64, error)
}

// process is a finder that reads and writes lines.
type process struct {
	spell func(line) string
	in    io.WriteCloser
	out   *bufio.Reader
}

func start(t *testing.T, debian string, spell func(line) string, env []string, program string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(program, args...) // it ends with its input
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (Debian: %s)", err, debian)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", program, err)
		}
	})
	return &process{spell, in, bufio.NewReader(out)}
}

func (p *process) find(queries []query) ([][]int64, error) {
	var text bytes.Buffer
	for _, q := range queries {
		fmt.Fprintf(&text, "%d\t%d\t%s\t%s\n", q.after, q.count, q.zone.name, p.spell(q.line))
	}
	written := make(chan error, 1)
	go func() {
		_, err := p.in.Write(text.Bytes())
		written <- err
	}()
	dues := make([][]int64, len(queries))
	for i, q := range queries {
		said, err := p.out.ReadString('\n')
		if err == nil {
			dues[i], err = readSeconds(said)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.spell(q.line), err)
		}
	}
	return dues, <-written
}

// icu finds out in which zones node's own data say the same as ours, from
// change to change and every half year.
func icu(t *testing.T, zones []*zone) {
	t.Helper()
	install(t)
	p := start(t, "nodejs", line.String, nil, "node", "testdata/node/dues.mjs", "offsets")
	for _, z := range zones {
		var instants []int64
		for _, c := range z.changes {
			instants = append(instants, c.at-1, c.at)
		}
		for at := int64(beginning); at < horizon; at += 182 * 86400 {
			instants = append(instants, at)
		}
		offsets, err := p.ask(fmt.Sprintf("%s\t\t%s\t\n", strings.Trim(fmt.Sprint(instants), "[]"), z.name))
		z.icu = err == nil && slices.EqualFunc(instants, offsets, func(at, offset int64) bool { return z.offset(at) == offset })
	}
}

// ask puts a single question.
func (p *process) ask(question string) ([]int64, error) {
	if _, err := io.WriteString(p.in, question); err != nil {
		return nil, err
	}
	said, err := p.out.ReadString('\n')
	if err != nil {
		return nil, err
	}
	return readSeconds(said)
}

func readSeconds(said string) ([]int64, error) {
	var seconds []int64
	for word := range strings.FieldsSeq(said) {
		second, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, errors.New(strings.TrimSpace(said))
		}
		seconds = append(seconds, second)
	}
	return seconds, nil
}

func startRobfig(t *testing.T) *process {
	t.Helper()
	program := filepath.Join(t.TempDir(), "robfig")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "testdata/robfig"
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build in %s: %v\n%s", build.Dir, err, said)
	}
	data, err := filepath.Abs(zoneinfo)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, "golang-go", withoutSeven, []string{"ZONEINFO=" + data}, program)
}

// withoutSeven writes Sunday as 0, the only way to write it for robfig.
func withoutSeven(l line) string {
	if slices.ContainsFunc(l[weekday], func(it item) bool { return it.to == 7 }) {
		l[weekday] = l[weekday].listed(weekday)
	}
	return l.String()
}

// withoutDoubles lists no value twice, which cron-parser refuses.
func withoutDoubles(l line) string {
	for i, f := range l {
		if len(f) > 1 {
			l[i] = f.listed(i)
		}
	}
	return l.String()
}

func startCroniter(t *testing.T, zoneinfo string) *process {
	t.Helper()
	return start(t, "python3-croniter", line.String, []string{"PYTHONTZPATH=" + zoneinfo}, "/usr/bin/python3", "testdata/croniter/dues.py")
}

func startNode(t *testing.T, finder string) *process {
	t.Helper()
	install(t)
	spell := line.String
	if finder == "cron-parser" {
		spell = withoutDoubles
	}
	return start(t, "nodejs", spell, nil, "node", "testdata/node/dues.mjs", finder)
}

var installing sync.Mutex

// install has npm fetch what the lock file names, unless that is there.
func install(t *testing.T) {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	lock, err := os.ReadFile("testdata/node/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	const stamp = "testdata/node/node_modules/installed-lock.json"
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, lock) {
		return
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci")
	npm.Dir = "testdata/node"
	if said, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in %s: %v (Debian: npm)\n%s", npm.Dir, err, said)
	}
	if err := os.WriteFile(stamp, lock, 0o644); err != nil {
		t.Fatal(err)
	}
}
