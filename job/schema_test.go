package job

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestSchemaFile(t *testing.T) { golden(t, "schema.json", Schema()) }

func compiled(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plain is the node as a JSON decoder would give it to a validator.
func (n *node) plain() any {
	switch n.kind {
	case boolean:
		return strings.EqualFold(n.text, "true")
	case whole, fraction:
		if _, err := strconv.ParseFloat(n.text, 64); err == nil {
			return json.Number(n.text)
		}
	case text:
		return n.text
	case list:
		items := []any{}
		for _, item := range n.items {
			items = append(items, item.plain())
		}
		return items
	case mapping:
		m := map[string]any{}
		for _, e := range n.entries {
			m[e.key] = e.value.plain()
		}
		return m
	}
	return nil
}

func parsedFile(t *testing.T, path string) (content []byte, root *node) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	root, problems := parse(string(content))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return content, root
}

func TestGoodFiles(t *testing.T) {
	s := compiled(t)
	for _, path := range append(files(t, "../examples/*.yaml"), files(t, "testdata/good-*.yaml")...) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			content, root := parsedFile(t, path)
			if _, err := Decode(path, content); err != nil {
				t.Error(err)
			}
			if err := s.Validate(root.plain()); err != nil {
				t.Error(err)
			}
		})
	}
}

// keys collects the keys of all objects in the schema, and where names are of
// the user's choice a *.
func (s schema) keys(path string, into map[string]bool) {
	properties, _ := s["properties"].(schema)
	for name, p := range properties {
		into[path+"."+name] = true
		p.(schema).keys(path+"."+name, into)
	}
	if item, ok := s["additionalProperties"].(schema); ok {
		item.keys(path+".*", into)
	}
	if choices, ok := s["anyOf"].([]schema); ok {
		for _, c := range choices {
			c.keys(path, into)
		}
	}
}

// keys collects the same from a file, with the schema to tell which names are
// of the user's choice.
func (n *node) keys(path string, known, into map[string]bool) {
	for _, e := range n.entries {
		below := path + "." + e.key
		if !known[below] {
			below = path + ".*"
		}
		into[below] = true
		e.value.keys(below, known, into)
	}
}

// full.yaml is the reference that people read, so it must not lack a key.
func TestFullExampleShowsEveryKey(t *testing.T) {
	known, shown := map[string]bool{}, map[string]bool{}
	Schema()
	fileShape.schema.keys("", known)
	content, root := parsedFile(t, "../examples/full.yaml")
	root.keys("", known, shown)
	// Where hosts come from instead of hosts is there as a comment.
	root, problems := parse(strings.ReplaceAll(string(content), "\n  #   ", "\n  "))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	root.keys("", known, shown)

	for _, path := range slices.Sorted(maps.Keys(known)) {
		if !shown[path] && !strings.HasPrefix(path, ".defaults.") {
			t.Errorf("examples/full.yaml lacks %s", path)
		}
	}
	// What may stand under defaults is every key of a job but two.
	for path := range known {
		under, ok := strings.CutPrefix(path, ".jobs.*.")
		if want := under != "schedule" && under != "command"; ok && known[".defaults."+under] != want {
			t.Errorf("defaults: key %s known: %v, want %v", under, !want, want)
		}
	}
}

// A file that spells out every default of the schema means the same as one
// that says nothing.
func TestSchemaTellsTheDefaults(t *testing.T) {
	root := fileShape.schema.defaults()
	root["defaults"] = fileShape.schema["properties"].(schema)["defaults"].(schema).defaults()
	root["fleet"] = fileShape.schema["properties"].(schema)["fleet"].(schema).defaults()
	only(root["fleet"], "min-free", "max-skew") // the others need command or region
	one := map[string]any{"schedule": "@daily", "command": "x"}
	root["jobs"] = map[string]any{"a": one}
	spelled := toFile(t, root)
	silent := toFile(t, map[string]any{"jobs": map[string]any{"a": one}})
	if diff := cmp.Diff(silent, spelled, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-silent +spelled out)\n%s", diff)
	}
}

// The same for the keys of an EC2 fleet.
func TestSchemaTellsTheDefaultsOfEC2(t *testing.T) {
	spelled := map[string]any{"region": "eu-central-1"}
	maps.Copy(spelled, fileShape.schema["properties"].(schema)["fleet"].(schema).defaults())
	for _, other := range []string{"every", "min-free", "max-skew"} {
		delete(spelled, other)
	}
	file := func(fleet any) *File {
		return toFile(t, map[string]any{
			"ledger": "dynamodb://eu-central-1/solocron", "fleet": fleet,
			"jobs": map[string]any{"a": map[string]any{"schedule": "@daily", "command": "x"}},
		})
	}
	silent := file(map[string]any{"region": "eu-central-1"})
	if diff := cmp.Diff(silent, file(spelled), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-silent +spelled out)\n%s", diff)
	}
	want := &EC2{Region: "eu-central-1", Document: "solocron", Claims: "solocron", ClaimWithin: 2 * time.Minute}
	if diff := cmp.Diff(want, silent.Fleet.EC2); diff != "" || silent.Fleet.Hosts != nil {
		t.Errorf("hosts %v, EC2 (-want +got)\n%s", silent.Fleet.Hosts, diff)
	}
}

// only deletes the other keys.
func only(m any, keys ...string) {
	maps.DeleteFunc(m.(map[string]any), func(key string, _ any) bool { return !slices.Contains(keys, key) })
}

func (s schema) defaults() map[string]any {
	m := map[string]any{}
	properties := s["properties"].(schema)
	for name, p := range properties {
		p := p.(schema)
		if v, ok := p["default"]; ok {
			m[name] = v
		}
		// retry: the object's defaults say more than the number's.
		if choices, ok := p["anyOf"].([]schema); ok && name == "retry" {
			retry := choices[1].defaults()
			retry["attempts"] = m[name]
			m[name] = retry
		}
		if name == "dst" {
			m[name] = p.defaults()
		}
	}
	return m
}

func toFile(t *testing.T, content any) *File {
	t.Helper()
	data, err := json.Marshal(content) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	f, err := Decode("jobs.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What the schema can see, it refuses as Decode does.
func TestSchemaRefusesWhatDecodeRefuses(t *testing.T) {
	s := compiled(t)
	for _, part := range []string{
		"overlap: buffer", "pick: prefer", "pick: {}", "catchup: some", "catchup: {within: 5m}", "retry: -1", "retry: {on: [lost]}",
		"retry: {host: others}", "dst: {gap: last}", "dst: {fold: next}", "notify: true", "notify: {on: [started]}",
		"timeout: 5", "timeout: 5 m", "output-limit: 10mb", "idempotent: yes", "env: {A: 1}", "env: {SOLOCRON_X: a}", "env: {A-B: a}",
		"secrets: {A: plain}", "secrets: {A: 'env:'}", "user: -x", "dir: rel", "hosts: [a]", "except: '12-25'", "shedule: x", "claim: false", "claim: of", "protect: on",
	} {
		content := "jobs:\n  a:\n    schedule: '@daily'\n    command: x\n    " + part + "\n"
		refusedByBoth(t, s, part, content)
	}
	const jobs = "\njobs: { a: { schedule: '@daily', command: x } }\n"
	for _, content := range []string{
		"jobs: {}", "jobs: []", "jobs: {a: {}}", "jobs: {.a: {schedule: '@daily', command: x}}", "retention: 30d",
		"fleet: {hosts: {}}" + jobs, "fleet: {hosts: {a: somewhere}}" + jobs, "fleet: {region: x}" + jobs, "fleet: {region: eu-central-1, claim-within: 5}" + jobs,
		"fleet: {region: eu-central-1, report: {role: x}}" + jobs, "fleet: {region: eu-central-1, document: a/b}" + jobs,
		"fleet: {region: eu-central-1, target-group: web}" + jobs, "notify: {targets: {a: {sns: {topic: a/b}}}}" + jobs, "fleet: {hosts: {a: {tags: {}}}}" + jobs,
		"fleet: {hosts: {a: {address: local, launched: today}}}" + jobs,
		"notify: {targets: {a: {}}}" + jobs, "notify: {targets: {a: {mail: {server: 'h:1', from: a@b.c, to: [a@b.c], tls: ssl}}}}" + jobs,
		"notify: {targets: {a: {mail: {server: 'h:1', from: a@b.c, to: [a@b.c], user: u, password: plain}}}}" + jobs,
		"calendars: {'1': []}" + jobs, "defaults: {schedule: '@daily'}" + jobs, "defaults: {command: x}" + jobs,
	} {
		refusedByBoth(t, s, content, content)
	}
}

func refusedByBoth(t *testing.T, s *jsonschema.Schema, name, content string) {
	t.Helper()
	if _, err := Decode("jobs.yaml", []byte(content)); err == nil {
		t.Errorf("Decode accepts %q", name)
	}
	root, problems := parse(content)
	if len(problems) > 0 {
		t.Fatalf("%q: %v", name, problems)
	}
	if s.Validate(root.plain()) == nil {
		t.Errorf("the schema accepts %q", name)
	}
}

// Every word of every list is known to both sides, and a similar one to none.
func TestEnums(t *testing.T) {
	s := compiled(t)
	job := fileShape.schema["properties"].(schema)["jobs"].(schema)["additionalProperties"].(schema)
	for _, key := range []string{"overlap", "pick", "catchup"} {
		p := job["properties"].(schema)[key].(schema)
		if choices, ok := p["anyOf"].([]schema); ok {
			p = choices[0]
		}
		words := p["enum"].([]string)
		if len(words) < 3 {
			t.Errorf("%s: words %v", key, words)
		}
		for _, word := range words {
			content := fmt.Sprintf("jobs: { a: { schedule: '@daily', command: x, %s: %s } }", key, word)
			if _, err := Decode("jobs.yaml", []byte(content)); err != nil {
				t.Error(err)
			}
			refusedByBoth(t, s, key+" "+word+"x", strings.Replace(content, word+" }", word+"x }", 1))
		}
	}
}
