package stacks

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// TestKindsAreTheRegistrys holds the table of types against the schemas of
// CloudFormation's registry, of which registry.json has what is asked for here,
// taken from those that cfn-lint 1.51 carries.
func TestKindsAreTheRegistrys(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/registry.json")
	if err != nil {
		t.Fatal(err)
	}
	var schemas map[string]struct{ Properties, Required, CreateOnly, SometimesCreateOnly, ReadOnly []string }
	if err := json.Unmarshal(text, &schemas); err != nil {
		t.Fatal(err)
	}
	for name, k := range kinds {
		s := schemas[name]
		for _, p := range k.properties {
			if !slices.Contains(s.Properties, p) || slices.Contains(s.ReadOnly, p) {
				t.Errorf("%s has no property %s to set", name, p)
			}
			if slices.Contains(s.Required, p) && !slices.Contains(k.required, p) {
				t.Errorf("%s: %s is required", name, p)
			}
			if slices.Contains(s.CreateOnly, p) && !slices.Contains(k.fixed, p) {
				t.Errorf("%s: a change of %s makes a new one", name, p)
			}
		}
		for _, p := range k.fixed {
			if !slices.Contains(s.CreateOnly, p) && !slices.Contains(s.SometimesCreateOnly, p) {
				t.Errorf("%s: a change of %s does not make a new one", name, p)
			}
		}
		if k.name != "" && !slices.Contains(s.CreateOnly, k.name) {
			t.Errorf("%s: %s names it, and can be changed", name, k.name)
		}
	}
}

func TestCheckProperties(t *testing.T) {
	t.Parallel()
	k := kinds["AWS::SNS::Subscription"]
	for want, p := range map[string]properties{
		"extraneous key [Colour]": {"TopicArn": "a", "Protocol": "sqs", "Colour": "red"},
		"required key [Protocol]": {"TopicArn": "a"},
		"":                        {"TopicArn": "a", "Protocol": "sqs"},
	} {
		if err := k.check("S", p); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", p, err)
		}
	}
	// What is wrong further down is found when the request is made.
	deep := properties{"FunctionName": "f", "Environment": map[string]any{"Variable": map[string]any{}}}
	if err := deep.fill(&lambda.CreateFunctionInput{}); err == nil || !strings.Contains(err.Error(), `unknown field "Variable"`) {
		t.Errorf("%v", err)
	}
}

func TestMadeUp(t *testing.T) {
	t.Parallel()
	name := madeUp(strings.Repeat("s", 60), "Queue", "01234567-89ab-4cde-8f01-23456789abcd", 64)
	if len(name) != 64 || !strings.HasSuffix(name, "s-0123456789AB") {
		t.Error(name)
	}
	if name := madeUp("stack", "Queue", "01234567-89ab-4cde-8f01-23456789abcd", 64); name != "stack-Queue-0123456789AB" {
		t.Error(name)
	}
}
