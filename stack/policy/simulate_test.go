package policy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// judges is the folder of the independent evaluator.
const judges = "testdata/simulate"

// evaluator is a process that judges policies.
type evaluator struct {
	mu  sync.Mutex
	in  *json.Encoder
	out *bufio.Reader
}

// newEvaluator starts one for a test.
func newEvaluator(t *testing.T) *evaluator {
	t.Helper()
	install(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "simulate.mjs") // it ends with its input
	cmd.Dir, cmd.Stderr = judges, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("node: %v (Debian: nodejs)", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v", err)
		}
	})
	encoder := json.NewEncoder(in)
	encoder.SetEscapeHTML(false)
	return &evaluator{in: encoder, out: bufio.NewReader(out)}
}

var installing sync.Mutex

// install has npm fetch what the lock file names, unless that is there.
func install(t *testing.T) {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	lock, err := os.ReadFile(filepath.Join(judges, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := filepath.Join(judges, "node_modules", "installed-lock.json")
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, lock) {
		return
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci")
	cmd.Dir = judges
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in stack/policy/%s: %v (Debian: npm)\n%s", judges, err, said)
	}
	if err := os.WriteFile(stamp, lock, 0o644); err != nil {
		t.Fatal(err)
	}
}

// ask puts a question and reads the answer.
func (e *evaluator) ask(t *testing.T, question, answer any) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.in.Encode(question); err != nil {
		t.Fatalf("the evaluator is gone: %v", err)
	}
	line, err := e.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the evaluator is gone: %v", err)
	}
	if err := json.Unmarshal(line, answer); err != nil {
		t.Fatalf("the evaluator said %s: %v", line, err)
	}
}

// authorization is AWS's table of what is authorized by what.
type authorization struct {
	Actions  map[string]*actionRow // nil for an action that AWS doesn't know
	Services map[string][]struct {
		Name  string // "ssm:SendCommand"
		Types []string
	}
}

type actionRow struct {
	Name  string // as AWS spells it
	Types []struct {
		Name string
		ARN  string // "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}"
		Keys []string
	}
	Keys []string
}

func (e *evaluator) table(t *testing.T, actions []string) authorization {
	t.Helper()
	var a authorization
	e.ask(t, map[string]any{"ask": "table", "actions": actions}, &a)
	return a
}

// request is what somebody asks of AWS.
type request struct {
	Policy    int                 `json:"policy"` // index of the policy that judges it
	Trust     bool                `json:"trust"`  // the policy is the resource's
	Principal string              `json:"principal"`
	Account   string              `json:"account"` // whose resource it is
	Action    string              `json:"action"`
	Resource  string              `json:"resource"`
	Context   map[string][]string `json:"context,omitempty"`
	// Unchecked is for what the table doesn't know: AWS's own documents.
	Unchecked bool `json:"unchecked,omitempty"`
}

const allowed = "Allowed"

// judge returns the verdict on each request.
func (e *evaluator) judge(t *testing.T, policies []Document, cases []request) []string {
	t.Helper()
	var verdicts []string
	e.ask(t, map[string]any{"ask": "judge", "policies": policies, "cases": cases}, &verdicts)
	if len(verdicts) != len(cases) {
		t.Fatalf("%d verdicts on %d cases", len(verdicts), len(cases))
	}
	return verdicts
}

// list is which of the cases a policy is tried with.
type list struct {
	Policy int   `json:"policy"`
	Cases  []int `json:"cases"`
}

// allowed returns for each list the first case that its policy allows, or -1.
func (e *evaluator) allowed(t *testing.T, policies []Document, cases []request, lists []list) []int {
	t.Helper()
	var first []int
	e.ask(t, map[string]any{"ask": "allowed", "policies": policies, "cases": cases, "lists": lists}, &first)
	if len(first) != len(lists) {
		t.Fatalf("%d answers on %d lists", len(first), len(lists))
	}
	return first
}
