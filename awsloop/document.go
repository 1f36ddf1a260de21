package awsloop

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// content is a Command document of schema 1.2 or 2.2 with one step that runs a
// shell script; the stand-in knows no other.
type content struct {
	SchemaVersion string                 `json:"schemaVersion"`
	Description   string                 `json:"description"`
	Parameters    map[string]declaration `json:"parameters"`
	MainSteps     []struct {
		Action       string              `json:"action"`
		Name         string              `json:"name"`
		Precondition map[string][]string `json:"precondition"`
		Inputs       inputs              `json:"inputs"`
	} `json:"mainSteps"`
	RuntimeConfig map[string]struct {
		Properties []inputs `json:"properties"`
	} `json:"runtimeConfig"`

	step         string // its name: the plugin's, as GetCommandInvocation gives it
	inputs       inputs
	precondition map[string][]string
}

// inputs are those of aws:runShellScript.
type inputs struct {
	ID               string          `json:"id"`
	RunCommand       stringOrStrings `json:"runCommand"`
	WorkingDirectory string          `json:"workingDirectory"`
	TimeoutSeconds   any             `json:"timeoutSeconds"` // a string or a number
}

// stringOrStrings is a list that may be written as its only element.
type stringOrStrings []string

func (s *stringOrStrings) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*s = []string{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(s))
}

// declaration is how a document declares a parameter.
type declaration struct {
	Type           string `json:"type"`
	Description    string `json:"description"`
	Default        any    `json:"default"`
	AllowedValues  []any  `json:"allowedValues"`
	AllowedPattern string `json:"allowedPattern"`
	DisplayType    string `json:"displayType"`
	MinItems       *int   `json:"minItems"`
	MaxItems       *int   `json:"maxItems"`
	MinChars       *int   `json:"minChars"`
	MaxChars       *int   `json:"maxChars"`
}

const shellPlugin = "aws:runShellScript"

// parseContent reads a document in JSON or YAML.
func parseContent(text, format string) (*content, error) {
	if format == "YAML" {
		converted, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			return nil, err
		}
		text = string(converted)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	c := &content{}
	if err := d.Decode(c); err != nil {
		return nil, err
	}
	if err := c.findStep(); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *content) findStep() error {
	switch c.SchemaVersion {
	case "1.2":
		for plugin, p := range c.RuntimeConfig {
			if plugin == shellPlugin && len(c.RuntimeConfig) == 1 && len(p.Properties) == 1 {
				c.step, c.inputs = plugin, p.Properties[0]
				return nil
			}
		}
	case "2.2":
		if len(c.MainSteps) == 1 && c.MainSteps[0].Action == shellPlugin && c.MainSteps[0].Name != "" {
			s := c.MainSteps[0]
			c.step, c.inputs, c.precondition = s.Name, s.Inputs, s.Precondition
			return nil
		}
	}
	return fmt.Errorf("awsloop runs documents of schema 1.2 or 2.2 with one named step of %s", shellPlugin)
}

// parameterName is the agent's pattern; other names are left alone there.
var (
	parameterName = regexp.MustCompile(`^[a-zA-Z0-9]+$`)
	reference     = regexp.MustCompile(`{{\s*([a-zA-Z0-9]+)\s*}}`)
	storedValue   = regexp.MustCompile(`{{\s*ssm:([a-zA-Z0-9_.\-/]+)\s*}}`)
)

func (c *content) check() error {
	for name, d := range c.Parameters {
		if !parameterName.MatchString(name) {
			return fmt.Errorf("parameter name %q isn't of letters and digits alone", name)
		}
		if !slices.Contains([]string{"String", "StringList", "Boolean", "Integer"}, d.Type) {
			return fmt.Errorf("parameter %s: type %q isn't known to awsloop", name, d.Type)
		}
		if _, err := regexp.Compile(d.AllowedPattern); err != nil {
			return fmt.Errorf("parameter %s: allowedPattern: %w", name, err)
		}
		if d.Default != nil {
			if err := d.accept(d.defaults()); err != nil {
				return fmt.Errorf("parameter %s: default: %w", name, err)
			}
		}
	}
	if len(c.inputs.RunCommand) == 0 {
		return fmt.Errorf("step %s has no runCommand", c.step)
	}
	used := append(slices.Clone(c.inputs.RunCommand), c.inputs.WorkingDirectory, fmt.Sprint(c.inputs.TimeoutSeconds))
	for _, text := range used {
		for _, match := range reference.FindAllStringSubmatch(text, -1) {
			if _, ok := c.Parameters[match[1]]; !ok {
				return fmt.Errorf("parameter %s is used but not declared", match[1])
			}
		}
	}
	return nil
}

// defaults is the declared default in the form of SendCommand's values.
func (d declaration) defaults() []string {
	list, ok := d.Default.([]any)
	if !ok {
		return []string{fmt.Sprint(d.Default)}
	}
	values := make([]string, len(list))
	for i, v := range list {
		values[i] = fmt.Sprint(v)
	}
	return values
}

// accept checks the values against the declaration, as the service and, once
// more, the agent do. A pattern needs to match somewhere only: anchors are the
// document's business.
func (d declaration) accept(values []string) error {
	if d.Type != "StringList" && len(values) != 1 {
		return fmt.Errorf("type %s takes one value, not %d", d.Type, len(values))
	}
	if n := len(values); d.MinItems != nil && n < *d.MinItems || d.MaxItems != nil && n > *d.MaxItems {
		return fmt.Errorf("%d values are not between minItems and maxItems", n)
	}
	for _, value := range values {
		if err := d.acceptOne(value); err != nil {
			return err
		}
	}
	return nil
}

func (d declaration) acceptOne(value string) error {
	switch d.Type {
	case "Integer":
		if _, err := strconv.Atoi(value); err != nil {
			return fmt.Errorf("%q is no integer", value)
		}
	case "Boolean":
		if value != "true" && value != "false" {
			return fmt.Errorf("%q is no boolean", value)
		}
	}
	if d.AllowedPattern != "" && !regexp.MustCompile(d.AllowedPattern).MatchString(value) {
		return fmt.Errorf("value %.60q doesn't match the allowedPattern %s", value, d.AllowedPattern)
	}
	allowed := func(v any) bool { return fmt.Sprint(v) == value }
	if len(d.AllowedValues) > 0 && !slices.ContainsFunc(d.AllowedValues, allowed) {
		return fmt.Errorf("value %.60q isn't one of the allowedValues %v", value, d.AllowedValues)
	}
	if n := len(value); d.MinChars != nil && n < *d.MinChars || d.MaxChars != nil && n > *d.MaxChars {
		return fmt.Errorf("%d characters are not between minChars and maxChars", n)
	}
	return nil
}
