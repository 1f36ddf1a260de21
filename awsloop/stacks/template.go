package stacks

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// bodyLimit is the longest template that may be sent in a request, in bytes.
//
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const bodyLimit = 51200

const resourceLimit = 500

// template is a template in JSON. Rules, mappings, conditions and macros are not
// known here and refused.
type template struct {
	body                     string
	AWSTemplateFormatVersion string
	Description              string
	Metadata                 map[string]any
	Parameters               map[string]parameter
	Resources                map[string]declared
	Outputs                  map[string]output
}

type parameter struct {
	Type, Description, ConstraintDescription string
	Default                                  *string
	AllowedPattern                           string
	AllowedValues                            []string
	NoEcho                                   bool
	MinLength, MaxLength                     *int
}

// declared is a resource as the template has it.
type declared struct {
	Type                                string
	Properties                          map[string]any
	DependsOn                           oneOrMore
	DeletionPolicy, UpdateReplacePolicy string
	Metadata                            map[string]any
}

type output struct {
	Description string
	Value       any
	Export      *struct{ Name any }
}

// oneOrMore is a name or a list of them.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// parse reads a template and checks all that needs no parameters.
func parse(body string) (*template, error) {
	if len(body) > bodyLimit {
		return nil, notValid("1 validation error detected: Value '%.60s…' at 'templateBody' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", body, bodyLimit)
	}
	t := &template{body: body}
	d := json.NewDecoder(bytes.NewReader([]byte(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil {
		return nil, notValid("Template format error: JSON not well-formed, or not of those templates that are known here: %v", err)
	}
	return t, cmp.Or(t.check(), t.checkReferences())
}

func (t *template) check() error {
	if n := len(t.Resources); n < 1 || n > resourceLimit {
		return notValid("Template format error: At least one Resources member must be defined, and at most %d; got %d.", resourceLimit, n)
	}
	if !slices.Contains([]string{"", "2010-09-09"}, t.AWSTemplateFormatVersion) {
		return notValid("Template format error: unsupported value for AWSTemplateFormatVersion.")
	}
	var unknown []string
	for _, id := range sorted(t.Resources) {
		r := t.Resources[id]
		if _, ok := kinds[r.Type]; !ok {
			unknown = append(unknown, r.Type)
		}
		for _, policy := range []string{r.DeletionPolicy, r.UpdateReplacePolicy} {
			if !slices.Contains([]string{"", "Delete", "Retain", "RetainExceptOnCreate"}, policy) {
				return notValid("Template format error: Unrecognized DeletionPolicy %s for resource %s", policy, id)
			}
		}
	}
	if unknown != nil {
		return notValid("Template format error: Unrecognized resource types: [%s]", strings.Join(slices.Compact(unknown), ", "))
	}
	for name, p := range t.Parameters {
		if !slices.Contains([]string{"String", "Number", "CommaDelimitedList"}, p.Type) {
			return notValid("Template format error: Unrecognized parameter type: %s of %s", p.Type, name)
		}
	}
	return nil
}

// checkReferences finds what refers to nothing, and circles.
func (t *template) checkReferences() error {
	missing := map[string]bool{}
	for _, r := range t.Resources {
		for _, ref := range append(references(r.Properties), named(r.DependsOn)...) {
			if _, ok := t.Resources[ref.name]; !ok && !t.isParameter(ref.name) {
				missing[ref.name] = true
				continue
			}
			if a := kinds[t.Resources[ref.name].Type].attributes; ref.attribute != "" && !slices.Contains(a, ref.attribute) {
				return notValid("Template error: resource %s does not support attribute type %s in Fn::GetAtt", ref.name, ref.attribute)
			}
		}
	}
	if len(missing) > 0 {
		return notValid("Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", strings.Join(sorted(missing), ", "))
	}
	for id, o := range t.Outputs {
		for _, ref := range references(o.Value) {
			if _, ok := t.Resources[ref.name]; !ok && !t.isParameter(ref.name) {
				return notValid("Template format error: Unresolved resource dependencies [%s] in the Outputs block of the template (%s)", ref.name, id)
			}
		}
	}
	_, err := t.order()
	return err
}

func (t *template) isParameter(name string) bool {
	_, ok := t.Parameters[name]
	return ok || strings.HasPrefix(name, "AWS::")
}

// order is that in which resources are made: each after all that it refers to,
// else by name.
func (t *template) order() ([]string, error) {
	var done []string
	begun := map[string]bool{}
	var visit func(id string, path []string) error
	visit = func(id string, path []string) error {
		if slices.Contains(path, id) {
			return notValid("Circular dependency between resources: [%s]", strings.Join(path[slices.Index(path, id):], ", "))
		}
		if begun[id] {
			return nil
		}
		r := t.Resources[id]
		var needs []string
		for _, ref := range append(references(r.Properties), named(r.DependsOn)...) {
			if _, ok := t.Resources[ref.name]; ok {
				needs = append(needs, ref.name)
			}
		}
		slices.Sort(needs)
		for _, other := range needs {
			if err := visit(other, append(path, id)); err != nil {
				return err
			}
		}
		begun[id] = true
		done = append(done, id)
		return nil
	}
	for _, id := range sorted(t.Resources) {
		if err := visit(id, nil); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// needs are the capabilities that must be acknowledged.
func (t *template) needs() types.Capability {
	var need types.Capability
	for _, r := range t.Resources {
		if strings.HasPrefix(r.Type, "AWS::IAM::") {
			if r.Properties["RoleName"] != nil {
				return types.CapabilityCapabilityNamedIam
			}
			need = types.CapabilityCapabilityIam
		}
	}
	return need
}

// values are the parameters' values: those given, those of before where asked
// for, and defaults.
func (t *template) values(given []types.Parameter, before map[string]string) (map[string]string, error) {
	values := map[string]string{}
	for _, g := range given {
		name := aws.ToString(g.ParameterKey)
		if _, ok := t.Parameters[name]; !ok {
			return nil, notValid("Parameters: [%s] do not exist in the template", name)
		}
		value, kept := before[name]
		if aws.ToBool(g.UsePreviousValue) {
			if !kept {
				return nil, notValid("Invalid input for parameter key %s. Cannot specify usePreviousValue as true for a parameter key not in the previous template", name)
			}
		} else {
			value = aws.ToString(g.ParameterValue)
		}
		values[name] = value
	}
	var unset []string
	for _, name := range sorted(t.Parameters) {
		p := t.Parameters[name]
		if _, ok := values[name]; !ok {
			if p.Default == nil {
				unset = append(unset, name)
				continue
			}
			values[name] = *p.Default
		}
		if value := values[name]; len(value) > 4096 || p.AllowedValues != nil && !slices.Contains(p.AllowedValues, value) {
			return nil, notValid("Parameter '%s' must be one of AllowedValues and at most 4096 bytes", name)
		}
	}
	if unset != nil {
		return nil, notValid("Parameters: [%s] must have values", strings.Join(unset, ", "))
	}
	return values, nil
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (r declared) String() string { return fmt.Sprintf("%s %v", r.Type, r.Properties) }
