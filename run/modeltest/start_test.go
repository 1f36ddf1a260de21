package modeltest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/solocron/solocron/run"
)

// limit is how many states a search may visit: a million and a half, or
// SOLOCRON_STATES of them. A state takes some 300 bytes.
func limit(t *testing.T) (states int, more bool) {
	t.Helper()
	text := os.Getenv("SOLOCRON_STATES")
	if text == "" {
		return 1_500_000, false
	}
	states, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("SOLOCRON_STATES: %v", err)
	}
	return states, true
}

// The ways to start.
const (
	byGo    = "go"
	byOrder = "claim"
	unasked = "claim off"
)

var ways = map[bool]string{false: byGo, true: byOrder}

// With all protections no promise is ever broken, and from everywhere there is
// a way to a state that people can rely on.
func TestStart(t *testing.T) {
	sets := []struct {
		way    string
		faults Faults
		more   bool // only where many states are allowed
	}{
		{byGo, Faults{Crashes: 1}, false},
		{byGo, Faults{Restarts: 1}, false},
		{byGo, Faults{Restores: 1}, false},
		{byOrder, Faults{Crashes: 1, Duplicates: 1}, false},
		{byOrder, Faults{Restarts: 1}, false},
		{byOrder, Faults{Restores: 1}, false},
		{unasked, Faults{Crashes: 1, Restarts: 1, Duplicates: 1}, false},
		{byGo, Faults{Cancels: 1}, false},
		{byOrder, Faults{Cancels: 1}, false},
		{byGo, Faults{Crashes: 1, Restarts: 1, Cancels: 1}, true},
		{byOrder, Faults{Restarts: 1, Duplicates: 1, Cancels: 1}, true},
		{byGo, Faults{Crashes: 2, Kills: 1, Restarts: 1}, true},
		{byGo, Faults{Crashes: 1, Kills: 1, Restarts: 2}, true},
		{byGo, Faults{Crashes: 1, Restarts: 1, Restores: 1}, true},
		{byOrder, Faults{Crashes: 1, Kills: 1, Restarts: 1, Duplicates: 1}, true},
		{byOrder, Faults{Crashes: 1, Restarts: 2}, true},
		{byOrder, Faults{Duplicates: 1, Restores: 1}, true},
	}
	most, more := limit(t)
	var sum atomic.Int64
	t.Cleanup(func() { t.Logf("%d states, no promise broken", sum.Load()) })
	for _, set := range sets {
		if set.more && !more {
			continue
		}
		t.Run(fmt.Sprintf("%s/%+v", set.way, set.faults), func(t *testing.T) {
			if !more {
				t.Parallel()
			}
			res, err := Search(&Start{OneWay: set.way != byGo, Unclaimed: set.way == unasked, Faults: set.faults}, most)
			switch {
			case err != nil:
				t.Fatal(err)
			case res.Broken != "":
				t.Fatalf("%s:\n%v", res.Broken, res.Story)
			case res.Stranded > 0:
				t.Errorf("from %d states there is no way to an end", res.Stranded)
			}
			t.Logf("%d states, %d steps between them, the farthest after %d", res.States, res.Steps, res.Depth)
			sum.Add(int64(res.States))
			if row := fmt.Sprintf("| %s | %s |\n", grouped(res.States), grouped(res.Steps)); !strings.Contains(document(t), row) {
				t.Errorf("docs/model.md has no row that ends in %q", row)
			}
		})
	}
}

// The searches are not empty: what should be possible is.
func TestReach(t *testing.T) {
	for _, oneWay := range []bool{false, true} {
		m := &Start{OneWay: oneWay, Faults: Faults{Restarts: 1}}
		for what, there := range map[string]func(State, run.Run) bool{
			"success on the second host after proof": func(s State, r run.Run) bool {
				return s.starts[1][1] == 1 && r.State == run.Succeeded && r.Attempts[0].State == run.AttemptNotStarted
			},
			"lost without a start":       func(s State, r run.Run) bool { return s.starts[0][0] == 0 && r.State == run.Lost },
			"skipped after two attempts": func(_ State, r run.Run) bool { return r.State == run.Skipped && len(r.Attempts) == 2 },
			"a start on a host that restarted": func(s State, r run.Run) bool {
				return s.dirs[0][0].old && s.starts[0][0] == 1 && r.State == run.Running
			},
		} {
			t.Run(ways[oneWay]+"/"+what, func(t *testing.T) {
				res, err := Search(&goal{m, there}, 1_000_000)
				if err != nil {
					t.Fatal(err)
				}
				if len(res.Story) == 0 {
					t.Error("never reached")
				}
			})
		}
	}
}

// goal takes for broken what is to be reached.
type goal struct {
	*Start
	there func(State, run.Run) bool
}

func (g *goal) Broken(s State) string {
	if g.there(s, g.records.runs[s.ledger.run]) {
		return "reached"
	}
	return ""
}

// lacking are the protections, and what has to go wrong beside their absence
// for the command to be started twice.
var lacking = []struct {
	protection Protection
	two, one   int // steps of the shortest story, start by go and by claim; 0 where there is no such protection
	faults     Faults
	told       string // golden files of stories
}{
	{RunDirectory, 28, 15, Faults{Duplicates: 1}, "run-directory"},
	{Durable, 28, 16, Faults{Restarts: 1}, "durable-directory"},
	{BootCheck, 24, 24, Faults{Restarts: 1}, ""},
	{EOFRefuses, 17, 0, Faults{}, ""},
	{GoOnce, 23, 23, Faults{}, ""},
	{WriteThenSend, 20, 20, Faults{}, "write-then-send"},
	{CompareAndSet, 22, 22, Faults{}, "compare-and-set"},
	{SameVersion, 24, 0, Faults{}, ""},
	{Claim, 0, 23, Faults{}, ""},
	{WriteOnce, 0, 23, Faults{}, ""},
	{TakeBack, 0, 23, Faults{}, "take-back"},
	{Signature, 0, 25, Faults{Restores: 1}, ""},
	{Proof, 23, 24, Faults{Restarts: 1}, ""},
	{EpochCheck, 22, 22, Faults{Restores: 1}, "epoch-check"},
}

// Without any one of its protections, the start is not safe.
func TestLacking(t *testing.T) {
	for _, tt := range lacking {
		for oneWay, steps := range map[bool]int{false: tt.two, true: tt.one} {
			if steps == 0 {
				continue
			}
			t.Run(string(tt.protection)+"/"+ways[oneWay], func(t *testing.T) {
				t.Parallel()
				faults := tt.faults
				if !oneWay {
					faults.Duplicates = 0
				}
				res, err := Search(&Start{OneWay: oneWay, Faults: faults, Without: []Protection{tt.protection}, OnlyTwice: true}, 1_000_000)
				if err != nil {
					t.Fatal(err)
				}
				if len(res.Story) != steps {
					t.Errorf("%q after %d steps, want a second start after %d:\n%v", res.Broken, len(res.Story), steps, res.Story)
				}
				if tt.told != "" {
					golden(t, tt.told+"-"+ways[oneWay]+".txt", fmt.Sprintf("without %s: %s\n\n%v", tt.protection, res.Broken, res.Story))
				}
			})
		}
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file in testdata, or writes it under -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), run with -update if this is right:\n%s", path, diff)
	}
}

// The table in docs/model.md is that of the test.
func TestDocument(t *testing.T) {
	text := document(t)
	for _, tt := range lacking {
		row := fmt.Sprintf("| %s | %s | %s |", tt.protection, orDash(tt.two), orDash(tt.one))
		if !strings.Contains(text, row) {
			t.Errorf("docs/model.md has no row %q", row)
		}
	}
}

func orDash(n int) string {
	if n == 0 {
		return "–"
	}
	return strconv.Itoa(n)
}

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/model.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
