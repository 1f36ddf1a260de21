package guard_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
	"github.com/solocron/solocron/run"
)

func TestOneway(t *testing.T) { hosts(t, guardtest.RunOneway) }

// The guard tries for 20 seconds: all shells at once.
func TestLedgerOutOfReach(t *testing.T) {
	t.Parallel()
	var checks []func()
	for _, shell := range []string{"dash", "bash", "busybox"} {
		checks = append(checks, (&guardtest.Agent{Host: under(t, shell)(t)}).OutOfReach())
	}
	for _, check := range checks {
		check()
	}
}

// claimed is an order that a one-way guard would take.
func claimed() guard.Order {
	h := &guardtest.Host{}
	o := h.Order("true")
	o.Claim = &guard.Claim{URL: "https://dynamodb.eu-west-1.amazonaws.com/", Headers: map[string]string{"X-Amz-Date": "x"}, Body: "{}"}
	return o
}

type document struct {
	SchemaVersion string
	Parameters    map[string]struct {
		Type, AllowedPattern string
		AllowedValues        []string
	}
	MainSteps []struct {
		Action, Name string
		Precondition map[string][]string
		Inputs       struct {
			TimeoutSeconds string
			RunCommand     []string
		}
	}
}

func TestFault96Document(t *testing.T) {
	content := guard.Document()
	t.Logf("the document has %d bytes", len(content))
	if len(content) > guard.MaxDocumentBytes-8<<10 {
		t.Errorf("the document has grown to %d bytes", len(content))
	}
	var doc document
	if err := json.Unmarshal(content, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.SchemaVersion != "2.2" || len(doc.MainSteps) != 1 || doc.MainSteps[0].Action != "aws:runShellScript" ||
		!slices.Equal(doc.MainSteps[0].Precondition["StringEquals"], []string{"platformType", "Linux"}) {
		t.Errorf("%+v", doc)
	}
	used := regexp.MustCompile(`\{\{[^}]*\}?\}?`).FindAllString(string(content), -1)
	slices.Sort(used)
	if want := []string{"{{ executionTimeout }}", "{{ order }}", "{{ run }}", "{{ verb }}"}; !slices.Equal(used, want) {
		t.Errorf("it refers to %q, want %q", used, want)
	}

	o := claimed()
	o.Job = strings.Repeat("j", run.MaxJobName)
	o.Run = o.Job + "@20261122T023000Z-abcd1234"
	o.Timeout = 47 * time.Hour
	start, err := o.Parameters()
	if err != nil {
		t.Fatal(err)
	}
	for _, parameters := range []map[string][]string{
		start,
		guard.Ask(guard.VerbStatus, "", o.Attempt.Dir()),
		guard.Ask(guard.VerbStop, "/it's", o.Attempt.Dir(), "kill"),
		guard.Ask(guard.VerbRead, "", o.Attempt.Dir(), "0", "100"),
		guard.Ask(guard.VerbProbe, "", "7", "0"),
	} {
		if !slices.Equal(slices.Sorted(maps.Keys(parameters)), slices.Sorted(maps.Keys(doc.Parameters))) {
			t.Errorf("parameters %q", parameters)
		}
		script := strings.Join(doc.MainSteps[0].Inputs.RunCommand, "\n")
		for name, values := range parameters {
			p := doc.Parameters[name]
			if len(values) != 1 || p.Type != "String" ||
				p.AllowedValues != nil && !slices.Contains(p.AllowedValues, values[0]) ||
				p.AllowedPattern != "" && !regexp.MustCompile(p.AllowedPattern).MatchString(values[0]) {
				t.Errorf("%s does not take %q", name, values)
			}
			script = strings.ReplaceAll(script, "{{ "+name+" }}", values[0])
		}
		if got := guard.ShellCommands(parameters); strings.Join(got, "\n") != script || strings.Contains(script, "{{") {
			t.Error("the shell commands differ from the document")
		}
	}
	for name, values := range map[string][]string{
		"verb":             {"", "front", "start; id", "oneway"},
		"run":              {"a'b", "a b", "a;b", "$(id)", "{{ssm:x}}", "a\nb", "a/b"},
		"order":            {"", "'", "YQ==;", "YQ==\n", "Y Q==", "{{ssm:x}}", "===", "YQ==YQ=="},
		"executionTimeout": {"", "0", "-1", "172801", "999999", "3600s", "{{ssm:x}}"},
	} {
		for _, value := range values {
			p := doc.Parameters[name]
			if p.AllowedValues != nil && slices.Contains(p.AllowedValues, value) ||
				p.AllowedPattern != "" && regexp.MustCompile(p.AllowedPattern).MatchString(value) {
				t.Errorf("%s takes %q", name, value)
			}
		}
	}
}

func TestParameters(t *testing.T) {
	o := claimed()
	o.Timeout, o.Grace = time.Hour, 10*time.Second
	p, err := o.Parameters()
	if err != nil || p["verb"][0] != "start" || p["run"][0] != "job@20261122T023000Z.1" || p["executionTimeout"][0] != "3731" {
		t.Errorf("%q, %v", p, err)
	}
	for name, spoil := range map[string]func(*guard.Order){
		"secrets can't travel":     func(o *guard.Order) { o.Secrets = map[string]string{"KEY": "s3cr3t"} },
		"at most 36864":            func(o *guard.Order) { o.Env = map[string]string{"KEY": strings.Repeat("x", 40<<10)} },
		"a command may last":       func(o *guard.Order) { o.Timeout = 48 * time.Hour },
		"no claim":                 func(o *guard.Order) { o.Claim = nil },
		"empty command":            func(o *guard.Order) { o.Command = "" },
		"no plain URL":             func(o *guard.Order) { o.Claim.URL = "https://x/\"" },
		"header \"X\" is not":      func(o *guard.Order) { o.Claim.Headers["X"] = "a\nurl = x" },
		"but goes to":              func(o *guard.Order) { o.Claim.Headers["Host"] = "elsewhere" },
		"header \"A: b\" is not":   func(o *guard.Order) { o.Claim.Headers["A: b"] = "" },
		"order job@20261122T02300": func(o *guard.Order) { o.Timeout = 0 },
	} {
		o := claimed()
		spoil(&o)
		_, err := o.Parameters()
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// trailer is one as the guard writes it.
func trailer(record string, total, kept int, tail string) string {
	return fmt.Sprintf("%soutput %d \ntail %d\n%s\n.\n", record, total, kept, base64.StdEncoding.EncodeToString([]byte(tail)))
}

const exited = "end exited\ncode 3\nfrom 1795314600123\nto 1795314601123\nreason \nnote \n.\n"

func TestReadTrailer(t *testing.T) {
	digits := strings.Repeat("0123456789", 10_000)
	cut := func(n int) string { return digits[:n-len("--output truncated--")] + "--output truncated--" }
	for _, c := range []struct {
		name       string
		stdout     string
		total      int
		head, tail string
	}{
		{"short", "hello", 5, "01234", ""},
		{"joined where they overlap", digits[:24000], 24000, digits[:24000], ""},
		{"joined behind a cut", cut(24000), 28000, digits[:28000], ""},
		{"too little of the beginning", digits[:2500], 28000, digits[:2500], digits[23000:28000]},
		{"nothing of the beginning", "", 28000, "", digits[23000:28000]},
		{"between the two", cut(24000), 30000, digits[:23980], digits[25000:30000]},
		{"huge", cut(24000), 100000, digits[:23980], digits[95000:]},
		{"replaced bytes", "\uFFFD" + digits[1:6000], 6000, "\uFFFD" + digits[1:6000], ""},
		{"replaced bytes and cut", "\uFFFD" + cut(24000), 26000, "\uFFFD" + digits[:20997], digits[21000:26000]},
	} {
		stderr := "sh: noise\nend of noise\nend exited\nmore noise\n" + trailer(exited, c.total, c.total, digits[max(0, c.total-5000):c.total])
		got, ok := guard.ReadTrailer(c.stdout, stderr)
		o := got.Result.Output
		if !ok || got.Duplicate || got.Result.End != guard.Exited || got.Result.Code != 3 || got.Result.EndedAt.Sub(got.Result.StartedAt) != time.Second {
			t.Errorf("%s: %t %+v", c.name, ok, got)
		}
		if o.Bytes != int64(c.total) || o.Cut != (c.tail != "") || string(o.Head) != c.head || string(o.Tail) != c.tail {
			t.Errorf("%s: %d bytes, cut %t, head %d, tail %d", c.name, o.Bytes, o.Cut, len(o.Head), len(o.Tail))
		}
	}

	whole := trailer(exited, 5, 5, "hello")
	for n := range whole {
		if got, ok := guard.ReadTrailer("hello", whole[:n]); ok {
			t.Errorf("cut after %d bytes: %+v", n, got)
		}
	}
	got, ok := guard.ReadTrailer("", "end refused\ncode 0\nfrom 0\nto 0\nduplicate 1\nreason delivered before\nnote \n.\ntail 0\n.\n")
	if !ok || !got.Duplicate || got.Result.End != guard.Refused || got.Result.Note != "" {
		t.Errorf("duplicate: %+v", got)
	}
	got, ok = guard.ReadTrailer("", exited+"tail 5\naGVsbG8=\n.\n")
	if !ok || !strings.Contains(got.Result.Note, "output detached") || string(got.Result.Output.Head) != "hello" {
		t.Errorf("detached: %+v", got)
	}
}

func FuzzReadTrailer(f *testing.F) {
	f.Add("hello", trailer(exited, 5, 5, "hello"))
	f.Add(strings.Repeat("x", 30000), "noise\n"+trailer(exited, 100000, 90000, strings.Repeat("x", 5000)))
	f.Add("\uFFFD--output truncated--", trailer(exited, 7, 7, "x"))
	f.Add("", "end refused\ncode 0\nduplicate 1\n.\ntail 0\n.\n")
	f.Add("", exited+"tail -1\n.\n")
	f.Add("", exited+"tail 9223372036854775807\n.\n")
	f.Add("abc", exited+"data 1 1\nxxtail 3\nYWJj\nYWJj\n.\n")
	f.Add("", exited+"tail 3\n????\n.\n")
	f.Fuzz(func(t *testing.T, stdout, stderr string) {
		got, ok := guard.ReadTrailer(stdout, stderr)
		o := got.Result.Output
		switch {
		case !ok && (got.Result.End != "" || o.Bytes != 0):
			t.Errorf("%+v without a trailer", got)
		case ok && got.Result.End == "":
			t.Errorf("a trailer without an end: %+v", got)
		case len(o.Head)+len(o.Tail) > guard.HeadBytes+guard.TailBytes:
			t.Errorf("unbounded: head %d, tail %d", len(o.Head), len(o.Tail))
		case o.Bytes < 0, o.Cut && o.Bytes < int64(len(o.Tail)), !o.Cut && len(o.Tail) > 0:
			t.Errorf("%d bytes, cut %t, head %d, tail %d", o.Bytes, o.Cut, len(o.Head), len(o.Tail))
		case strings.ContainsAny(got.Result.Reason+got.Result.Note, "\n\x00\x1b"):
			t.Errorf("not printable: %+v", got.Result)
		}
	})
}

func FuzzReadPage(f *testing.F) {
	for _, seed := range []string{"", "page\n.\n", "page\naGVsbG8=\n.\n", "page\naGVsbG8=\n", "error no\n", "page\n" + strings.Repeat("A", 9000) + "\n.\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		if page, err := guard.ReadPage(answer); len(page) > guard.PageBytes || err != nil && page != nil {
			t.Errorf("%d bytes, %v", len(page), err)
		}
	})
}
