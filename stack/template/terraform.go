package template

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Tag is what everything of a stack is tagged with, its name as the value. In a
// stack of CloudFormation it is the stack's own tag, which is not in the
// template; CloudFormation hands it on to all that can have tags.
const Tag = "solocron:stack"

// Terraform writes the same stack for Terraform's AWS provider, as a root module.
func (t *Template) Terraform() []byte {
	m := &module{hclwrite.NewEmptyFile()}
	m.head(t)
	for _, p := range parameters {
		v := m.top("variable", snake(p.name))
		v.set("description", p.description)
		v.setRaw("type", hclwrite.TokensForIdentifier("string"))
	}
	for _, data := range []string{"aws_partition", "aws_region", "aws_caller_identity"} {
		m.top("data", data, "current")
	}
	for _, r := range t.resources {
		r.terraform(m, r)
	}
	for _, o := range t.outputs {
		b := m.top("output", snake(o.ID))
		b.set("description", o.Description)
		b.set("value", o.Value)
	}
	return hclwrite.Format(m.Bytes())
}

// head writes what is not in CloudFormation's template.
func (m *module) head(t *Template) {
	for _, line := range []string{
		t.description() + ": the stack " + t.installation.Name,
		"",
		"A root module; without its first two blocks it can be a part of another.",
		"code_bucket and code_key have to be given. Jobs are not in here.",
	} {
		m.Body().AppendUnstructuredTokens(hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte(comment(line))}})
	}
	terraform := m.top("terraform")
	terraform.set("required_version", ">= 1.5")
	// In version 6 data.aws_region got the attribute region.
	// https://registry.terraform.io/providers/hashicorp/aws/6.0.0/docs/data-sources/region
	terraform.block("required_providers").set("aws", map[string]string{"source": "hashicorp/aws", "version": ">= 6.0, < 7.0"})
	provider := m.top("provider", "aws")
	provider.set("region", t.installation.Region)
	provider.block("default_tags").set("tags", map[string]string{Tag: t.installation.Name})
}

func comment(line string) string {
	if line == "" {
		return "#\n"
	}
	return "# " + line + "\n"
}

// module is a file of Terraform.
type module struct{ *hclwrite.File }

// top appends a block to the file.
func (m *module) top(kind string, labels ...string) block {
	m.Body().AppendNewline()
	return block{m.Body().AppendNewBlock(kind, labels).Body()}
}

// resource appends a resource's block.
func (m *module) resource(r *Resource) block { return m.part(r.kind().terraform, r) }

// part appends the block of something that is a resource of its own only to
// Terraform, such as a rule's target. It is called as the resource is.
func (m *module) part(kind string, r *Resource) block {
	return m.top("resource", kind, snake(r.ID))
}

// block is a block of Terraform: a resource, or one within it.
type block struct{ body *hclwrite.Body }

func (b block) set(name string, v any)                     { b.setRaw(name, expression(v)) }
func (b block) setRaw(name string, tokens hclwrite.Tokens) { b.body.SetAttributeRaw(name, tokens) }

// block appends a block within this one.
func (b block) block(name string) block {
	if len(b.body.Attributes())+len(b.body.Blocks()) > 0 {
		b.body.AppendNewline()
	}
	return block{b.body.AppendNewBlock(name, nil).Body()}
}
