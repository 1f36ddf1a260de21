package template

import (
	"encoding/json"
	"strings"

	"github.com/solocron/solocron/stack"
)

// value is what CloudFormation and Terraform find out when they make a stack.
type value interface {
	json.Marshaler
	tokener
}

// text may hold the placeholders of package stack. A ${ that is none of them is
// written as ${!, as Fn::Sub wants it.
type text string

func (t text) MarshalJSON() ([]byte, error) {
	if placeholders[string(t)] != nil {
		return encode(map[string]string{"Ref": strings.Trim(string(t), "${}")})
	}
	plain := strings.ReplaceAll(string(t), "${!", "")
	if strings.Contains(plain, "${") {
		return encode(map[string]string{"Fn::Sub": string(t)})
	}
	return encode(strings.ReplaceAll(string(t), "${!", "${"))
}

func texts[S ~string](list []S) []text {
	var all []text
	for _, s := range list {
		all = append(all, text(s))
	}
	return all
}

// reference is a resource of the same template, or an attribute of it. What
// refers to a resource is made after it.
type reference struct {
	to        *Resource
	attribute string // none for what Ref gives: the name, mostly
}

func (r *Resource) ref() reference { return reference{to: r} }
func (r *Resource) arn() reference { return reference{r, "Arn"} }

func (r reference) MarshalJSON() ([]byte, error) {
	if r.attribute == "" {
		return encode(map[string]string{"Ref": r.to.ID})
	}
	return encode(map[string][]string{"Fn::GetAtt": {r.to.ID, r.attribute}})
}

// parameter is the value of a parameter.
type parameter string

func (p parameter) MarshalJSON() ([]byte, error) {
	return encode(map[string]string{"Ref": string(p)})
}

// parameters are what has to be given when the stack is made.
var parameters = []struct{ name, description string }{
	{CodeBucket, "Bucket of the function's code, in the stack's region"},
	{CodeKey, "Key of the function's code in the bucket; another key for other code"},
}

// embedded is JSON in a text, such as a target's input.
type embedded struct{ any }

func (e embedded) MarshalJSON() ([]byte, error) {
	inner, err := encode(e.any)
	if err != nil {
		return nil, err
	}
	return encode(string(inner))
}

// raw is JSON from elsewhere in this program.
type raw json.RawMessage

func (d raw) MarshalJSON() ([]byte, error) { return d, nil }

// document is a policy of IAM.
type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Principal *principal `json:",omitempty"`
	Action    []string
	Resource  []text    `json:",omitempty"`
	Condition condition `json:",omitempty"`
}

type principal struct{ Service string }

type condition map[string]map[string][]text

// policyVersion is the current version of IAM's language.
const policyVersion = "2012-10-17"

// placeholders and what stands for them in Terraform.
var placeholders = map[string][]string{
	stack.Partition: {"data", "aws_partition", "current", "partition"},
	stack.Region:    {"data", "aws_region", "current", "region"},
	stack.Account:   {"data", "aws_caller_identity", "current", "account_id"},
}
