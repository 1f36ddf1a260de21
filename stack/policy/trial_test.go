package policy

import (
	"slices"
	"strings"
)

// trial is one statement held against the evaluator.
type trial struct {
	name     string
	holder   holder
	s        Statement
	expected expectation
	table    authorization
	f        fixture
}

// requests is the statement's actions on the resources, in each of the contexts.
func (tr *trial) requests(resources []string, contexts []circumstances) []request {
	if len(contexts) == 0 {
		contexts = []circumstances{nil}
	}
	var all []request
	for _, action := range tr.s.Actions {
		for _, resource := range resources {
			for _, c := range contexts {
				all = append(all, tr.request(action, resource, c))
			}
		}
	}
	return all
}

func (tr *trial) request(action, resource string, c circumstances) request {
	return request{
		Principal: "arn:" + tr.f.place.Partition + ":iam::" + account + ":role/somebody", Account: account,
		Action: action, Resource: resource, Context: c, Unchecked: strings.Contains(resource, "::document/"),
	}
}

func (tr *trial) ours() []string   { return tr.arns(tr.expected.ours) }
func (tr *trial) theirs() []string { return tr.arns(tr.expected.theirs) }

func (tr *trial) arns(short []string) []string {
	full := make([]string, len(short))
	for n, s := range short {
		full[n] = tr.f.arn(s)
	}
	return full
}

// denied is everything that the statement must not allow: other resources, other
// circumstances, and other actions of the same services.
func (tr *trial) denied() []request {
	resources := tr.theirs()
	for _, arn := range tr.ours() {
		resources = append(resources, elsewhere(arn, tr.f.name)...)
	}
	all := tr.siblings(services(tr.s.Actions)) // first, as what most widenings let through
	if len(tr.expected.without) > 0 {
		all = append(all, tr.requests(tr.ours(), tr.expected.without)...)
	}
	return append(all, tr.requests(resources, tr.expected.with)...)
}

// elsewhere is the same in another account, region and partition, and what has
// a name like it.
func elsewhere(arn, name string) []string {
	var all []string
	fields := strings.SplitN(arn, ":", 6)
	if len(fields) < 6 {
		return nil
	}
	change := func(n int, value string) {
		if fields[n] != "" && fields[n] != value {
			other := slices.Clone(fields)
			other[n] = value
			all = append(all, strings.Join(other, ":"))
		}
	}
	change(1, "aws-iso")
	change(3, "us-west-2")
	change(4, "210987654321")
	if strings.Contains(fields[5], name) {
		change(5, strings.Replace(fields[5], name, name+"2", 1))
		change(5, strings.Replace(fields[5], name, "my"+name, 1))
	}
	return all
}

// siblings are other actions of the services on what is ours, by AWS's table,
// unless the holder has them anyway.
func (tr *trial) siblings(services []string) []request {
	var all []request
	held := append(everyAction([]holder{tr.holder}), everyAction([]holder{{own: tr.holder.beside}})...)
	for _, service := range services {
		found := 0
		for _, a := range tr.table.Services[service] {
			if found == 3 || slices.Contains(held, a.Name) {
				continue
			}
			for _, arn := range tr.ours() {
				if !tr.takes(a.Types, arn) {
					continue
				}
				found++
				for _, c := range append(slices.Clone(tr.expected.with), nil) {
					r := tr.request(a.Name, arn, c)
					r.Unchecked = true // the context may be none of this action's
					all = append(all, r)
				}
				break
			}
		}
	}
	return all
}

// takes reports whether an action on resources of the types can be one on the ARN.
func (tr *trial) takes(types []string, arn string) bool {
	if arn == "*" {
		return len(types) == 0
	}
	for _, action := range tr.s.Actions {
		for _, typ := range tr.table.Actions[action].Types {
			if slices.Contains(types, typ.Name) && match(typ.ARN, arn) != nil {
				return true
			}
		}
	}
	return false
}

func services(actions []string) []string {
	var all []string
	for _, a := range actions {
		service, _, _ := strings.Cut(a, ":")
		all = append(all, service)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
