package template

import (
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/text/unicode/norm"

	"github.com/solocron/solocron/stack"
)

// A text is the same to Terraform as filled by package stack, whatever is in it.
func FuzzText(f *testing.F) {
	names := known(&hclsyntax.Body{})
	for _, seed := range []string{
		"", "plain", "${AWS::Region}", "arn:${AWS::Partition}:x", "${!AWS::Region}", "$${AWS::Region}", "$$${AWS::Account}", "%{if}", "%%{", "$${!x}", "a$${!b}${AWS::AccountId}$",
		"\"\\\n\t\x00é", "${", "$", "%${AWS::Region}", "$$",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, theirs string) {
		if !utf8.ValidString(theirs) || !norm.NFC.IsNormalString(theirs) {
			return // HCL's strings are in this form
		}
		written := stack.Region + stack.Literal(theirs) + stack.Account
		tokens := text(written).tokens().Bytes()
		e, problems := hclsyntax.ParseExpression(tokens, "text", hcl.InitialPos)
		if problems.HasErrors() {
			t.Fatalf("%s: %s", tokens, problems)
		}
		v, problems := e.Value(names)
		if problems.HasErrors() {
			t.Fatalf("%s: %s", tokens, problems)
		}
		if want := place.Region + theirs + place.Account; v.AsString() != want {
			t.Errorf("%s is %q, want %q", tokens, v.AsString(), want)
		}
	})
}
