package job

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

var update = flag.Bool("update", false, "write the golden files and the schema anew")

// golden compares with the file, or writes it under -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got), run with -update if this is right:\n%s", path, diff)
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return paths
}

func TestBadFiles(t *testing.T) {
	for _, path := range files(t, "testdata/bad-*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Decode(filepath.Base(path), data)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("Decode = %v, want Problems", err)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", []byte(problems.Error()+"\n"))
		})
	}
}

func decodeOne(t *testing.T, content string) Job {
	t.Helper()
	f, err := Decode("/etc/solocron/jobs.yaml", []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return f.Jobs[len(f.Jobs)-1]
}

func TestDefaults(t *testing.T) {
	f, err := Decode("/etc/solocron/jobs.yaml", []byte("jobs: {a: {schedule: '@daily', command: x}}"))
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Path:      "/etc/solocron/jobs.yaml",
		Ledger:    "/etc/solocron/solocron.db",
		Retention: 30 * 24 * time.Hour,
		Fleet: Fleet{
			Hosts:   []fleet.Host{{ID: "local", Address: "local"}},
			Every:   time.Minute,
			MinFree: 64 << 20,
			MaxSkew: 30 * time.Second,
		},
		Jobs: []Job{{
			Name:        "a",
			When:        schedule.Spec{Expr: "@daily", Zone: "UTC", Gap: schedule.GapNext, Fold: schedule.FoldFirst, Seed: "a"},
			Pick:        fleet.Random,
			Command:     "x",
			OutputBytes: 10 << 20,
			Overlap:     Skip,
			StartWithin: 10 * time.Minute,
			Catchup:     Catchup{Mode: CatchupNone},
			Timeout:     time.Hour,
			Grace:       10 * time.Second,
			Retry: Retry{
				On:      []run.State{run.Failed, run.TimedOut},
				Backoff: 10 * time.Second, MaxBackoff: 10 * time.Minute, Host: AnyHost,
			},
			Notify: Notify{On: notifier.Usual},
		}},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The file's defaults lie between the built-in ones and the job's own keys:
// lists and selectors replace, objects and variables join.
func TestLayers(t *testing.T) {
	const head = `
notify:
  targets: { ops: {webhook: {url: "https://example.com"}}, chat: {chat: {url: "env:CHAT"}} }
  on: [failed]
calendars: { holidays: ["01-01", "12-25"] }
defaults:
  timezone: Asia/Tokyo
  hosts: { cron: "true" }
  env: { A: default, B: default }
  dst: { fold: both }
  retry: { attempts: 2, backoff: 1s }
  except: ["12-31"]
`
	for _, c := range []struct {
		name, defaults, job string
		got                 func(Job) any
		want                any
	}{
		{"zone from defaults", "", "", func(j Job) any { return j.When.Zone }, "Asia/Tokyo"},
		{"own zone", "", "timezone: UTC", func(j Job) any { return j.When.Zone }, "UTC"},
		{"selector replaces", "", "hosts: {disk: ssd}", func(j Job) any { return j.Hosts }, fleet.Selector{"disk": "ssd"}},
		{"variables join", "", "env: {B: own, C: own}", func(j Job) any { return j.Env }, map[string]string{"A": "default", "B": "own", "C": "own"}},
		{"dst joins", "", "dst: {gap: skip}", func(j Job) any { return []any{j.When.Gap, j.When.Fold} }, []any{schedule.GapSkip, schedule.FoldBoth}},
		{"retry joins", "", "retry: {backoff: 5s}", func(j Job) any { return []any{j.Retry.Attempts, j.Retry.Backoff} }, []any{2, 5 * time.Second}},
		{"retry number", "", "retry: 7", func(j Job) any { return []any{j.Retry.Attempts, j.Retry.Backoff} }, []any{7, time.Second}},
		{"except replaces, calendar by name", "", "except: [holidays, 2026-05-01]", func(j Job) any { return j.When.Except }, []string{"01-01", "12-25", "2026-05-01"}},
		{"prefer", "", "pick: {prefer: {disk: ssd}}", func(j Job) any { return []any{j.Pick, j.Prefer} }, []any{fleet.Prefer, fleet.Selector{"disk": "ssd"}}},
		{"strategy drops prefer", "  pick: {prefer: {disk: ssd}}", "pick: first", func(j Job) any { return []any{j.Pick, j.Prefer} }, []any{fleet.First, fleet.Selector(nil)}},
		{"notify from file", "", "", func(j Job) any { return j.Notify }, Notify{On: []notifier.Event{"failed"}, To: []string{"chat", "ops"}}},
		{"notify in part", "", "notify: {to: [ops]}", func(j Job) any { return j.Notify }, Notify{On: []notifier.Event{"failed"}, To: []string{"ops"}}},
		{"notify off", "", "notify: false", func(j Job) any { return j.Notify }, Notify{}},
		{"notify on again", "  notify: false", "notify: {to: [ops]}", func(j Job) any { return j.Notify }, Notify{On: []notifier.Event{"failed"}, To: []string{"ops"}}},
		{"catchup window", "", "catchup: {mode: all, within: 2d}", func(j Job) any { return j.Catchup }, Catchup{Mode: CatchupAll, Within: 48 * time.Hour}},
		{"secret file beside the jobs file", "", "secrets: {K: 'file:k', L: 'env:L', M: 'file:~/m'}", func(j Job) any { return j.Secrets },
			map[string]string{"K": "file:/etc/solocron/k", "L": "env:L", "M": "file:~/m"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := decodeOne(t, head+c.defaults+"\njobs:\n  a:\n    schedule: '@daily'\n    command: x\n    "+c.job+"\n")
			if diff := cmp.Diff(c.want, c.got(j)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestJobsDoNotShareVariables(t *testing.T) {
	f, err := Decode("jobs.yaml", []byte(`
defaults: { env: { A: "1" } }
jobs:
  a: { schedule: "@daily", command: x, env: { B: "2" } }
  b: { schedule: "@daily", command: x }
`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"A": "1"}, f.Jobs[1].Env); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAnchorsAndMergeKeys(t *testing.T) {
	j := decodeOne(t, `
jobs:
  a: &a { schedule: "@daily", command: &c "x y", timeout: 5m, hosts: { a: b } }
  b:
    timeout: 7m
    <<: [{ grace: 3s }, *a]
    dir: /b
    env: { C: *c }
`)
	got := []any{j.Name, j.When.Expr, j.Command, j.Timeout, j.Grace, j.Dir, j.Env["C"], j.Hosts["a"]}
	want := []any{"b", "@daily", "x y", 7 * time.Minute, 3 * time.Second, "/b", "x y", "b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPaths(t *testing.T) {
	f, err := Decode("conf/jobs.yaml", []byte(`
ledger: ~/ledger.db
fleet:
  hosts:
    a: { address: local, run-dir: runs/a }
    b: { address: "ssh://u@h:2222", identity-file: keys/id, known-hosts: /etc/kh, run-dir: /var/x }
    c: ssh://[::1]
jobs: { a: { schedule: "@daily", command: x } }
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []fleet.Host{
		{ID: "a", Address: "local", RunDir: "conf/runs/a"},
		{ID: "b", Address: "ssh://u@h:2222", IdentityFile: "conf/keys/id", KnownHosts: "/etc/kh", RunDir: "/var/x"},
		{ID: "c", Address: "ssh://[::1]"},
	}
	if diff := cmp.Diff(want, f.Fleet.Hosts); diff != "" || f.Ledger != "~/ledger.db" {
		t.Errorf("ledger %s, hosts (-want +got)\n%s", f.Ledger, diff)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.yaml")
	big := filepath.Join(dir, "big.yaml")
	write := func(path, content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(good, "\ufeffjobs:\r\n  a: { schedule: '@daily', command: x }\r\n")
	write(big, strings.Repeat("#", MaxFileBytes+1))

	t.Chdir(dir)
	f, err := Load("good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if f.Path != "good.yaml" || !filepath.IsAbs(f.Ledger) {
		t.Errorf("path %q, ledger %q; want the path as given and an absolute ledger", f.Path, f.Ledger)
	}
	for path, want := range map[string]string{
		"missing.yaml": "solocron init",
		dir:            "is a folder",
		big:            "more than 33554432 bytes",
	} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%s) = %v, want %q in it", path, err, want)
		}
	}
	if _, err := Load("missing.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of a missing file = %v, want fs.ErrNotExist in the chain", err)
	}
}

func TestHash(t *testing.T) {
	const base = `jobs: { a: { schedule: "@daily", command: x, env: { A: "1", B: "2", C: "3" } } }`
	a, b := decodeOne(t, base), decodeOne(t, base)
	if a.Hash() != b.Hash() || string(a.Body()) != string(b.Body()) {
		t.Error("two readings of one file differ")
	}
	slower := decodeOne(t, strings.Replace(base, "command: x", "command: x, timeout: 2h", 1))
	if slower.Hash() == a.Hash() || slower.WhenHash() != a.WhenHash() {
		t.Error("a timeout has to change Hash alone")
	}
	rarer := decodeOne(t, strings.Replace(base, "@daily", "@weekly", 1))
	if rarer.Hash() == a.Hash() || rarer.WhenHash() == a.WhenHash() {
		t.Error("a schedule has to change both hashes")
	}
}
