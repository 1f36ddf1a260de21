// Package template makes the stack of an installation: its resources with all
// their properties, written for CloudFormation or for Terraform.
//
// Jobs are not in it, except for the tags of their hosts, to which the rights are
// limited. What a jobs file asks of the account beside them decides, so that a
// thousand jobs make the template of one.
// The same installation, rights and options make the same bytes.
//
// Everything has its name beforehand, hence a second stack of the same name in
// the same region fails, and so does one whose table is there already; see
// [Options].Adopt.
package template

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/policy"
)

// The parameters of the template: where the function's code is. The bucket is in
// the stack's region.
const (
	CodeBucket = "CodeBucket"
	CodeKey    = "CodeKey"
)

// The names of Lambda's architectures.
const (
	ARM64 = "arm64"
	X8664 = "x86_64"
)

// Options are what a jobs file doesn't say.
type Options struct {
	// Architecture is the one that the function's code is for: ARM64, the
	// default, or X8664.
	Architecture string
	// Adopt leaves the table out, since it is there already: kept from an earlier
	// stack, or made by hand.
	Adopt bool
	// Release is the program's version, for people to see in the description.
	// Without it two programs that would make the same stack make the same
	// template.
	Release string
}

// CloudFormation's limits.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const (
	MaxBytes     = 51_200 // of a template that is not in a bucket
	maxResources = 500
)

// Template is the stack of an installation.
type Template struct {
	installation *stack.Installation
	options      Options
	resources    []*Resource
	outputs      []output
	topics       map[string]*Resource // those that the stack makes, by ARN
}

// Resource is one resource of a stack.
type Resource struct {
	ID string // logical: letters and digits
	properties
	keep bool // when the stack is deleted, and with all it holds
}

// Type is CloudFormation's: AWS::Lambda::Function.
func (r *Resource) Type() string { return r.kind().cloudFormation }

// properties are what a resource is like. Their JSON is CloudFormation's.
type properties interface {
	kind() kind
	// terraform writes the resource as one or more of Terraform's.
	terraform(m *module, r *Resource)
}

// kind is a type of resources.
type kind struct {
	cloudFormation string
	terraform      string
	ref            string // the attribute in Terraform that CloudFormation's Ref stands for
}

// output is what a stack tells of itself.
type output struct {
	ID          string
	Description string
	Value       value
}

// New makes the template of an installation whose roles are as given.
func New(i *stack.Installation, roles []policy.Role, o Options) (*Template, error) {
	o.Architecture = cmp.Or(o.Architecture, ARM64)
	if o.Architecture != ARM64 && o.Architecture != X8664 {
		return nil, fmt.Errorf("there is no Lambda for %s: use %s or %s", o.Architecture, ARM64, X8664)
	}
	t := &Template{installation: i, options: o, topics: map[string]*Resource{}}
	if err := t.build(roles); err != nil {
		return nil, fmt.Errorf("template of stack %s: %w", i.Name, err)
	}
	if n := len(t.resources); n > maxResources {
		return nil, fmt.Errorf("the stack has %d resources, and CloudFormation takes %d: let fewer addresses subscribe to its topics", n, maxResources)
	}
	return t, nil
}

// Resources are those of the stack, in the order in which they are made.
func (t *Template) Resources() []*Resource { return t.resources }

// add puts a resource into the template.
func (t *Template) add(id string, p properties) *Resource {
	r := &Resource{ID: id, properties: p}
	t.resources = append(t.resources, r)
	return r
}

func (t *Template) description() string {
	made := strings.TrimSpace("solocron " + t.options.Release)
	return "Cron that runs on exactly one server of a fleet (" + made + ")"
}
