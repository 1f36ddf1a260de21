package policy

import (
	"slices"
	"strings"
	"testing"
)

// assumption is who may assume a service's role, in which circumstances, and
// who may not.
type assumption struct{ with, without []circumstances }

func (f fixture) assumptions() map[string]assumption {
	source := func(account, arn string) circumstances {
		c := circumstances{"aws:SourceAccount": {account}}
		if arn != "" {
			c["aws:SourceArn"] = []string{f.arn(strings.ReplaceAll(arn, "{N}", f.name))}
		}
		return c
	}
	const stranger = "210987654321"
	function, group := "arn:P:lambda:R:A:function:{N}", "arn:P:scheduler:R:A:schedule-group/{N}"
	return map[string]assumption{
		lambdaService: {
			with: []circumstances{nil, source(account, ""), source(account, function), source(account, function+":live")},
			without: []circumstances{
				source(stranger, ""), source(stranger, function), source(account, "arn:P:lambda:R:A:function:payments"),
				source(account, function+"2"), source(account, "arn:P:lambda:us-west-2:A:function:{N}"),
				source(account, "arn:P:lambda:us-west-2:A:function:{N}:live"), source(account, "arn:P:lambda:R:210987654321:function:{N}"),
				source(account, "arn:P:lambda:R:210987654321:function:{N}:live"),
			},
		},
		schedulerService: {
			with: []circumstances{source(account, group)},
			without: []circumstances{
				nil, source(account, ""), source(stranger, group), source(account, "arn:P:scheduler:R:A:schedule-group/default"),
				source(account, "arn:P:scheduler:R:A:schedule/{N}/nightly"), {"aws:SourceArn": {f.arn(strings.ReplaceAll(group, "{N}", f.name))}},
			},
		},
		ssmService: {
			with: []circumstances{nil, source(account, ""), source(account, "arn:P:ssm:R:A:document/solocron")},
			without: []circumstances{
				source(stranger, ""), source(stranger, "arn:P:ssm:R:A:document/solocron"),
				source(account, "arn:P:ssm:R:210987654321:document/solocron"), source(account, "arn:P:ssm:us-west-2:A:document/solocron"),
			},
		},
	}
}

// TestFault104Trust holds the roles' trust policies against the evaluator, and every way
// to widen them.
func TestFault104Trust(t *testing.T) {
	t.Parallel()
	e := newEvaluator(t)
	for _, f := range fixtures {
		roles, err := Roles(f.load(t))
		if err != nil {
			t.Fatal(err)
		}
		p := &proof{}
		for n := range roles {
			p.trust(f, &roles[n])
		}
		p.check(t, e)
		t.Logf("%s: %d roles, %d requests (%d to be denied), %d widenings", f.name, len(roles), len(p.cases), p.denials, p.mutants)
	}
}

func (p *proof) trust(f fixture, r *Role) {
	ask := func(action, principal string, contexts []circumstances) (all []request) {
		for _, c := range contexts {
			all = append(all, request{
				Trust: true, Principal: principal, Account: account, Action: action, Context: c,
				Resource: "arn:" + f.place.Partition + ":iam::" + account + ":role/" + r.Name,
			})
		}
		return all
	}
	x := f.assumptions()[r.Service]
	trust := r.TrustPolicy(f.place)
	own := p.document(trust)
	p.add(own, r.Name, true, ask("sts:AssumeRole", r.Service, x.with))
	denied := slices.Concat(
		ask("sts:AssumeRole", r.Service, x.without), ask("sts:AssumeRole", "ec2.amazonaws.com", x.with), ask("sts:TagSession", r.Service, x.with),
		ask("sts:AssumeRole", "arn:"+f.place.Partition+":iam::210987654321:role/stranger", x.with),
	)
	p.denials += len(denied)
	numbers := p.add(own, r.Name, false, denied)
	for how, wide := range widerTrust(trust, r.Trust.At(f.place)) {
		p.mutants++
		p.try(p.document(wide), r.Name+" with "+how, numbers)
	}
}

func (p *proof) document(d Document) int {
	p.policies = append(p.policies, d)
	return len(p.policies) - 1
}

func widerTrust(d Document, c Condition) map[string]Document {
	all := map[string]Document{}
	change := func(how string, f func(*rule)) {
		wide := Document{d.Version, slices.Clone(d.Statement)}
		f(&wide.Statement[0])
		all[how] = wide
	}
	change("any principal", func(r *rule) { r.Principal = map[string]string{"AWS": "*"} })
	change("any action", func(r *rule) { r.Action = oneOrMore{"sts:*"} })
	for _, w := range widerConditions(c) {
		change(w.how, func(r *rule) { r.Condition = w.condition.written() })
	}
	return all
}
