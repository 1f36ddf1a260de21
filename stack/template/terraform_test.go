package template

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyfunction "github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
)

var place = stack.Place{Partition: "aws", Region: "ap-northeast-1", Account: "123456789012"}

// parse reads a module as Terraform does.
func parse(t testing.TB, text []byte) *hclsyntax.Body {
	t.Helper()
	file, problems := hclsyntax.ParseConfig(text, "main.tf", hcl.InitialPos)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return file.Body.(*hclsyntax.Body)
}

// known is what expressions of a module may name: every resource with the
// attributes that are used of its type.
func known(body *hclsyntax.Body) *hcl.EvalContext {
	object := func(pairs map[string]string) cty.Value {
		values := map[string]cty.Value{}
		for k, v := range pairs {
			values[k] = cty.StringVal(v)
		}
		return cty.ObjectVal(values)
	}
	current := func(name, value string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"current": object(map[string]string{name: value})})
	}
	resources := map[string]map[string]cty.Value{}
	for _, b := range body.Blocks {
		if b.Type != "resource" {
			continue
		}
		kind, name := b.Labels[0], b.Labels[1]
		if resources[kind] == nil {
			resources[kind] = map[string]cty.Value{}
		}
		attributes := map[string]string{"arn": "arn of " + name}
		if kind == "aws_sqs_queue" {
			attributes["url"] = "url of " + name
		}
		for _, a := range []string{"name", "function_name"} {
			if _, ok := b.Body.Attributes[a]; ok {
				attributes[a] = name
			}
		}
		resources[kind][name] = object(attributes)
	}
	all := map[string]cty.Value{
		"var": object(map[string]string{"code_bucket": "bucket", "code_key": "key"}),
		"data": cty.ObjectVal(map[string]cty.Value{
			"aws_partition":       current("partition", place.Partition),
			"aws_region":          current("region", place.Region),
			"aws_caller_identity": current("account_id", place.Account),
		}),
		"string": cty.StringVal("the type of a variable"),
	}
	for kind, named := range resources {
		all[kind] = cty.ObjectVal(named)
	}
	return &hcl.EvalContext{Variables: all, Functions: map[string]ctyfunction.Function{"jsonencode": stdlib.JSONEncodeFunc}}
}

// schema is what the provider knows of a type: the type of each argument, with a
// ! if it must be there, or the schema of a block.
type schema map[string]json.RawMessage

// provider is derived from the documentation of version 6.25.0 of Terraform's
// AWS provider, in the form in which @cdktf/provider-aws 21.22.1 has it.
func provider(t testing.TB) map[string]schema {
	t.Helper()
	text, err := os.ReadFile("testdata/aws-provider-6.25.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]schema
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Every argument is one that the provider has, of its type, and refers to what
// the module has; none that must be there is missing.
func TestTerraformArguments(t *testing.T) {
	t.Parallel()
	schemas := provider(t)
	for _, i := range forAWS(t) {
		for _, o := range []Options{{}, {Adopt: true}} {
			body := parse(t, newTemplate(t, i, o).Terraform())
			names := known(body)
			for _, b := range body.Blocks {
				switch b.Type {
				case "resource":
					at := strings.Join(b.Labels, ".")
					if schemas[b.Labels[0]] == nil {
						t.Errorf("%s: the provider has no such type", at)
						continue
					}
					fits(t, at, b.Body, schemas[b.Labels[0]], names)
				case "variable", "output":
					for name, a := range b.Body.Attributes {
						evaluate(t, b.Labels[0]+"."+name, a, names)
					}
				}
			}
		}
	}
}

func fits(t *testing.T, at string, body *hclsyntax.Body, s schema, names *hcl.EvalContext) {
	t.Helper()
	for name, a := range body.Attributes {
		if name == "depends_on" {
			evaluate(t, at+"."+name, a, names)
			continue
		}
		var want string
		if json.Unmarshal(s[name], &want) != nil {
			t.Errorf("%s has no argument %s", at, name)
			continue
		}
		if got := kindOf(evaluate(t, at+"."+name, a, names)); got != strings.TrimSuffix(want, "!") {
			t.Errorf("%s.%s is a %s, want %s", at, name, got, want)
		}
	}
	for _, b := range body.Blocks {
		if b.Type == "lifecycle" {
			continue
		}
		var within schema
		if json.Unmarshal(s[b.Type], &within) != nil {
			t.Errorf("%s has no block %s", at, b.Type)
			continue
		}
		fits(t, at+"."+b.Type, b.Body, within, names)
	}
	for name, want := range s {
		if bytes.HasSuffix(want, []byte(`!"`)) && body.Attributes[name] == nil {
			t.Errorf("%s: %s is missing", at, name)
		}
	}
}

func evaluate(t testing.TB, at string, a *hclsyntax.Attribute, names *hcl.EvalContext) cty.Value {
	t.Helper()
	v, problems := a.Expr.Value(names)
	if problems.HasErrors() {
		t.Fatalf("%s: %s", at, problems)
	}
	return v
}

func kindOf(v cty.Value) string {
	switch ty := v.Type(); {
	case ty == cty.String:
		return "string"
	case ty == cty.Number:
		return "number"
	case ty == cty.Bool:
		return "bool"
	case ty.IsTupleType():
		return "list"
	default:
		return "map"
	}
}

// Both forms have the same resources. What Terraform has apart is a part of one
// in CloudFormation, and is called as that is.
func TestTerraformHasTheSame(t *testing.T) {
	t.Parallel()
	parts := map[string]string{"aws_iam_role_policy": "aws_iam_role", "aws_cloudwatch_event_target": "aws_cloudwatch_event_rule"}
	for _, i := range forAWS(t) {
		made := newTemplate(t, i, Options{})
		var want []string
		for id, r := range made.file().Resources {
			want = append(want, r.Properties.kind().terraform+"."+snake(id))
		}
		got := map[string]bool{}
		for _, b := range parse(t, made.Terraform()).Blocks {
			if b.Type != "resource" {
				continue
			}
			kind := b.Labels[0]
			if of, ok := parts[kind]; ok {
				kind = of
			}
			got[kind+"."+b.Labels[1]] = true
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s: CloudFormation -, Terraform +:\n%s", i.Name, diff)
		}
	}
}

// The texts with the most in them mean the same in both forms, and what they
// were made from.
func TestTextsMeanTheSame(t *testing.T) {
	t.Parallel()
	i := load(t, full)
	made := newTemplate(t, i, Options{})
	body := parse(t, made.Terraform())
	names := known(body)
	blocks := map[string]*hclsyntax.Body{}
	for _, b := range body.Blocks {
		blocks[strings.Join(b.Labels, ".")] = b.Body
	}

	settings := evaluate(t, "settings", blocks["aws_lambda_function.function"].Blocks[0].Body.Attributes["variables"], names).AsValueMap()[stack.SettingsVariable].AsString()
	read, err := job.ReadSettings(settings)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(i.File.Fleet.EC2.Tags, read.EC2.Tags); diff != "" {
		t.Errorf("tags: %s", diff)
	}
	if want, err := i.Settings(); err != nil || settings != place.Fill(want) {
		t.Errorf("settings: %s (%v), want %s", settings, err, place.Fill(want))
	}

	content := evaluate(t, "content", blocks["aws_ssm_document.document"].Attributes["content"], names).AsString()
	if !stack.SameJSON([]byte(content), guard.Document()) {
		t.Error("Terraform's document is not the guard")
	}
	var outline struct {
		Resources struct {
			Document struct {
				Properties struct{ Content json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(cloudFormation(t, made), &outline); err != nil {
		t.Fatal(err)
	}
	if !stack.SameJSON(outline.Resources.Document.Properties.Content, guard.Document()) {
		t.Error("CloudFormation's document is not the guard")
	}
}

// terraform itself sees that the form is its own. Without the provider, which
// is fetched, validate says only that it is missing.
func TestTerraformItself(t *testing.T) {
	t.Parallel()
	terraform := program(t, "terraform", "see https://developer.hashicorp.com/terraform/install")
	dir := t.TempDir()
	for _, i := range forAWS(t) {
		if err := os.WriteFile(filepath.Join(dir, "main.tf"), newTemplate(t, i, Options{}).Terraform(), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := run(t, dir, terraform, "fmt", "-check", "-diff"); err != nil {
			t.Errorf("%s: terraform fmt: %v\n%s", i.Name, err, out)
		}
		out, _ := run(t, dir, terraform, "validate", "-json")
		var said struct {
			Diagnostics []struct{ Severity, Summary string }
		}
		if err := json.Unmarshal(out, &said); err != nil {
			t.Fatalf("terraform validate: %v\n%s", err, out)
		}
		for _, d := range said.Diagnostics {
			if d.Summary != "Missing required provider" {
				t.Errorf("%s: terraform validate: %s: %s", i.Name, d.Severity, d.Summary)
			}
		}
	}
}

// run keeps terraform from asking whether there is a newer one.
func run(t testing.TB, dir, program string, args ...string) ([]byte, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=/dev/null", "TF_DATA_DIR="+filepath.Join(dir, ".terraform"))
	return c.Output()
}
