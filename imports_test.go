// Package solocron_test holds the arrow between the packages:
//
//	core and ports ← adapters ← config ← cmd
//
// It reads the import lines of every Go file, also of those for other
// platforms. The tests of a package may import what they like.
package solocron_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/solocron/solocron/"

type layer string

const (
	standard layer = "the standard library"
	foreign  layer = "another module"
	test     layer = "a suite" // and what else serves tests alone: its name ends in "test"
	core     layer = "the core"
	port     layer = "a port"
	shared   layer = "shared by a port's adapters"
	adapter  layer = "an adapter"
	web      layer = "web"
	config   layer = "config"
	plan     layer = "the stack"
	sim      layer = "the simulation"
	cmd      layer = "cmd"
	tool     layer = "a tool of this repository"
	loop     layer = "the stand-in for AWS"
	nowhere  layer = "in no layer"
)

// layers places the packages of this module by folder. A name that ends in a
// slash places what lies below it and has no place of its own.
var layers = map[string]layer{
	"apart": core, "crash": core, "dispatch": core, "fleet": core, "guard": core, "job": core, "run": core, "schedule": core,
	"executor": port, "ledger": port, "notifier": port,
	"executor/": adapter, "fleet/": adapter, "ledger/": adapter, "notifier/": adapter,
	"executor/guarded": shared, "executor/keeper": shared, "ledger/sqlrow": shared,
	"web":    web,
	"config": config, "config/": config,
	"stack": plan, "stack/": plan,
	"simulate": sim,
	"cmd/":     cmd,
	"bench":    tool, "bench/stamp": tool, "build/": tool,
	"awsloop": loop, "awsloop/": loop,
}

// may is the arrow: what each layer imports.
var may = map[layer][]layer{
	core:    {standard, core, port},
	port:    {standard, core, port},
	shared:  {standard, foreign, core, port},
	adapter: {standard, foreign, core, port, shared},
	web:     {standard, core, port},
	config:  {standard, foreign, core, port, shared, adapter, config},
	plan:    {standard, foreign, core, port, plan},
	sim:     {standard, core, port, adapter},
	cmd:     {standard, foreign, core, port, adapter, config, web, plan, sim},
	tool:    {standard, core, port, adapter},
	loop:    {standard, foreign, loop},
}

// extra are the modules that single packages of the core may import.
var extra = map[string][]string{
	"job": {"github.com/goccy/go-yaml", "github.com/invopop/jsonschema", "github.com/pb33f/ordered-map"},
}

// vague names say nothing about what is inside.
var vague = []string{"base", "common", "helper", "helpers", "lib", "misc", "shared", "types", "util", "utils"}

func TestArrow(t *testing.T) {
	t.Parallel()
	files := goFiles(t)
	if len(files) < 50 {
		t.Errorf("found %d Go files; is this the module's root?", len(files))
	}
	for _, file := range files {
		from := path.Dir(file)
		if slices.Contains(vague, strings.TrimSuffix(path.Base(from), "test")) {
			t.Errorf("%s: the name says nothing; move the code beside its caller, or name what it is", from)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, to := range imports(t, file) {
			if err := edge(from, to); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

func TestEdge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to string
		allowed  bool
	}{
		{"run", "time", true},
		{"dispatch", module + "ledger", true},
		{"ledger", module + "run", true},
		{"job", "github.com/goccy/go-yaml/ast", true},
		{"ledger/sqliteledger", "modernc.org/sqlite/lib", true},
		{"ledger/sqliteledger", module + "ledger/sqlrow", true},
		{"ledger/ledgertest", "testing", true},
		{"config", module + "ledger/sqliteledger", true},
		{"config", module + "executor/guarded", true},
		{"cmd/solocron", module + "config", true},
		{"simulate", module + "ledger/memledger", true},
		{"cmd/solocron", module + "simulate", true},

		{"run", "testing", false},
		{"run", "testing/fstest", false},
		{"run", "golang.org/x/sync/errgroup", false},
		{"run", "github.com/goccy/go-yaml", false},
		{"job", "github.com/goccy/go-yamlish", false},
		{"dispatch", module + "ledger/sqliteledger", false},
		{"dispatch", module + "fleet/listfleet", false},
		{"dispatch", module + "web", false},
		{"dispatch", module + "fleet/fleettest", false},
		{"ledger", module + "ledger/sqliteledger", false},
		{"ledger/sqliteledger", module + "ledger/pgledger", false},
		{"ledger/sqliteledger", module + "ledger/ledgertest", false},
		{"ledger/sqliteledger", module + "config", false},
		{"executor/sshexec", module + "ledger/sqlrow", false},
		{"web", module + "ledger/sqliteledger", false},
		{"web", module + "config", false},
		{"simulate", module + "config", false},
		{"config", module + "simulate", false},
		{"config", module + "web", false},
		{"cmd/solocron", "testing", false},
		{"cmd/solocron", module + "ledger/sqlrow", false},
		{"somewhere", "fmt", false},
		{"run", module + "somewhere", false},
	}
	for _, tt := range tests {
		if err := edge(tt.from, tt.to); (err == nil) != tt.allowed {
			t.Errorf("%s → %s: allowed should be %v: %v", tt.from, tt.to, tt.allowed, err)
		}
	}
}

// edge judges that the package in folder from imports the path to.
func edge(from, to string) error {
	fromLayer, toLayer := layerOf(module+from), layerOf(to)
	to = strings.TrimPrefix(to, module)
	fromTop, _, _ := strings.Cut(from, "/")
	toTop, _, _ := strings.Cut(to, "/")
	switch {
	case fromLayer == test:
		return nil
	case fromLayer == nowhere:
		return fmt.Errorf("%s has no place in the arrow; give it one in imports_test.go", from)
	case toLayer == standard && toTop == "testing":
		return fmt.Errorf("%s imports %s, which only tests and suites may", from, to)
	case toLayer == shared && fromLayer == adapter && fromTop != toTop:
		return fmt.Errorf("%s imports %s, which is for adapters of %s", from, to, toTop)
	case slices.Contains(may[fromLayer], toLayer):
		return nil
	case slices.ContainsFunc(extra[from], func(m string) bool { return to == m || strings.HasPrefix(to, m+"/") }):
		return nil
	}
	return fmt.Errorf("%s imports %s: %s may not import what is %s", from, to, fromLayer, toLayer)
}

// layerOf places an import path.
func layerOf(p string) layer {
	folder, ours := strings.CutPrefix(p, module)
	first, _, _ := strings.Cut(p, "/")
	switch {
	case !ours && !strings.Contains(first, "."):
		return standard
	case !ours:
		return foreign
	case strings.HasSuffix(folder, "test"):
		return test
	}
	if l, ok := layers[folder]; ok {
		return l
	}
	top, _, below := strings.Cut(folder, "/")
	if l, ok := layers[top+"/"]; ok && below {
		return l
	}
	return nowhere
}

// goFiles lists this module's Go files, with slashes, from the root.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS("."), ".", func(p string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && p != "." && (ignored(entry.Name()) || hasGoMod(p)):
			return fs.SkipDir
		case !entry.IsDir() && path.Ext(p) == ".go":
			files = append(files, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// ignored reports whether the go command passes over folders of this name.
func ignored(name string) bool {
	return name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func hasGoMod(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func imports(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, i := range parsed.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatalf("%s: import %s: %v", file, i.Path.Value, err)
		}
		paths = append(paths, p)
	}
	return paths
}
