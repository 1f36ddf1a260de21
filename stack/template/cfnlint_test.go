package template

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
)

// program finds a program of another project that a test needs.
func program(t testing.TB, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: %s", name, from)
	}
	return path
}

// forAWS are the jobs files of the examples that make a stack, and the one with
// everything in it.
func forAWS(t testing.TB) (all []*stack.Installation) {
	t.Helper()
	examples, err := filepath.Glob("../../examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range examples {
		f, err := job.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Fleet.EC2 != nil {
			all = append(all, load(t, path))
		}
	}
	if len(all) == 0 {
		t.Fatal("none of the examples is for AWS")
	}
	return append(all, load(t, full))
}

// cfn-lint knows the schemas of the resources, and which values go with which.
func TestCFNLint(t *testing.T) {
	t.Parallel()
	lint := program(t, "cfn-lint", "pip install 'cfn-lint~=1.51'")
	dir := t.TempDir()
	var files []string
	for _, i := range forAWS(t) {
		for _, o := range []Options{{}, {Architecture: X8664}, {Adopt: true}, {Architecture: X8664, Adopt: true, Release: "v1.2.3"}} {
			made := newTemplate(t, i, o)
			table := map[bool]string{false: "made", true: "adopted"}[o.Adopt]
			path := filepath.Join(dir, strings.Join([]string{i.Name, made.options.Architecture, table}, "-")+".json")
			if err := os.WriteFile(path, cloudFormation(t, made), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, path)
		}
	}
	args := append([]string{"--regions", "ap-northeast-1", "--template"}, files...)
	out, err := exec.CommandContext(t.Context(), lint, args...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("cfn-lint: %v\n%.4000s", err, out)
	}
}
