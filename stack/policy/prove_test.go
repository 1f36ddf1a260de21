package policy

import (
	"fmt"
	"slices"
	"testing"
)

// holder is a role or somebody with a grant.
type holder struct {
	name   string
	own    []Statement
	beside []Statement // of other grants that go with it
}

func holders(t *testing.T, f fixture) []holder {
	t.Helper()
	i := f.load(t)
	roles, err := Roles(i)
	if err != nil {
		t.Fatal(err)
	}
	var all []holder
	for _, r := range roles {
		all = append(all, holder{name: r.Name, own: r.Statements})
	}
	bucket := ""
	if f.given {
		bucket = f.bucket
	}
	grants := People(i, bucket)
	for _, g := range grants {
		h := holder{name: g.Name, own: g.Statements}
		for _, name := range g.Besides {
			n := slices.IndexFunc(grants, func(g Grant) bool { return g.Name == name })
			h.beside = append(h.beside, grants[n].Statements...)
		}
		all = append(all, h)
	}
	for n := range all {
		for k, s := range all[n].own {
			all[n].own[k] = s.At(f.place)
		}
		for k, s := range all[n].beside {
			all[n].beside[k] = s.At(f.place)
		}
	}
	return all
}

// everyAction is each action that somebody has, once.
func everyAction(all []holder) []string {
	var names []string
	for _, h := range all {
		for _, s := range h.own {
			names = append(names, s.Actions...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// proof is what is put to the evaluator.
type proof struct {
	policies []Document
	cases    []request
	about    []string
	wants    []bool // of the cases, allowed
	lists    []list // statements alone, and mutants
	tries    []string
	denials  int
	mutants  int
}

func (p *proof) policy(statements ...Statement) int {
	p.policies = append(p.policies, Allow(statements, Placeholders))
	return len(p.policies) - 1
}

// add puts cases and returns their numbers.
func (p *proof) add(policy int, about string, want bool, cases []request) (numbers []int) {
	for _, c := range cases {
		c.Policy = policy
		numbers = append(numbers, len(p.cases))
		p.cases, p.about, p.wants = append(p.cases, c), append(p.about, about), append(p.wants, want)
	}
	return numbers
}

func (p *proof) try(policy int, about string, cases []int) {
	p.lists, p.tries = append(p.lists, list{policy, cases}), append(p.tries, about)
}

// statement puts a statement: what it allows alone, what all of the holder's
// rights deny, and that every way to widen it would allow some of that.
func (p *proof) statement(t *testing.T, tr *trial, whole int) {
	t.Helper()
	alone := p.policy(tr.s)
	for _, resource := range tr.ours() {
		for _, action := range tr.s.Actions {
			one := *tr
			one.s.Actions = []string{action}
			p.try(alone, tr.name+" allows "+action+" on "+resource, p.add(whole, tr.name, true, one.requests([]string{resource}, tr.expected.with)))
		}
	}
	denials := tr.denied()
	if len(denials) < 3 {
		t.Errorf("%s: only %d requests that it must deny", tr.name, len(denials))
	}
	p.denials += len(denials)
	denied := p.add(whole, tr.name, false, denials)
	for _, m := range widened(tr) {
		p.mutants++
		p.try(p.policy(m.s), tr.name+" with "+m.how, denied)
	}
}

// TestFault103Statements holds every statement of every role and grant against an
// independent evaluator.
func TestFault103Statements(t *testing.T) {
	t.Parallel()
	e := newEvaluator(t)
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			all := holders(t, f)
			table := e.table(t, everyAction(all))
			expected := f.expected(f.load(t))
			p := &proof{}
			count := 0
			for _, h := range all {
				whole := p.policy(append(slices.Clone(h.own), h.beside...)...)
				for _, s := range h.own {
					x, ok := expected[s.Sid]
					if !ok || len(x.ours) == 0 {
						t.Errorf("%s of %s: the table says nothing of it", s.Sid, h.name)
						continue
					}
					count++
					p.statement(t, &trial{h.name + "/" + s.Sid, h, s, x, table, f}, whole)
				}
			}
			p.check(t, e)
			t.Logf("%d statements, %d requests (%d to be denied), %d widenings", count, len(p.cases), p.denials, p.mutants)
		})
	}
}

// check asks the evaluator for everything.
func (p *proof) check(t *testing.T, e *evaluator) {
	t.Helper()
	for n, verdict := range e.judge(t, p.policies, p.cases) {
		c := p.cases[n]
		if want := map[bool]string{true: allowed, false: "ImplicitlyDenied"}[p.wants[n]]; verdict != want {
			t.Errorf("%s: %s on %s with %v is %s, want %s", p.about[n], c.Action, c.Resource, c.Context, verdict, want)
		}
	}
	if len(p.lists) == 0 {
		return
	}
	for n, first := range e.allowed(t, p.policies, p.cases, p.lists) {
		if first < 0 {
			t.Errorf("%s: no request shows it", p.tries[n])
		}
	}
}

// mutant is a statement that allows more than it should.
type mutant struct {
	how string
	s   Statement
}

// widened is every way to widen a statement by one step, but for those that
// AWS's table says are none.
func widened(tr *trial) []mutant {
	var all []mutant
	for n, resource := range tr.s.Resources {
		for _, wider := range tr.widerARNs(resource) {
			m := tr.s
			m.Resources = slices.Clone(m.Resources)
			m.Resources[n] = wider
			all = append(all, mutant{fmt.Sprintf("%s for %s", wider, resource), m})
		}
	}
	for n, action := range tr.s.Actions {
		service := services([]string{action})
		if len(tr.siblings(service)) == 0 {
			continue // the holder has all that the service knows to do with it
		}
		m := tr.s
		m.Actions = slices.Clone(m.Actions)
		m.Actions[n] = service[0] + ":*"
		all = append(all, mutant{fmt.Sprintf("%s for %s", m.Actions[n], action), m})
	}
	for _, c := range widerConditions(tr.s.Condition) {
		m := tr.s
		m.Condition = c.condition
		all = append(all, mutant{c.how, m})
	}
	return all
}

// widerARNs puts * for each part of an ARN that says which. What a part is,
// the formats of the resource types tell that the actions know.
func (tr *trial) widerARNs(arn string) []string {
	if arn == "*" {
		return nil
	}
	all := []string{"*"}
	for _, action := range tr.s.Actions {
		for _, typ := range tr.table.Actions[action].Types {
			for _, span := range match(typ.ARN, arn) {
				if part := arn[span[0]:span[1]]; part != "*" && part != "" {
					all = append(all, arn[:span[0]]+"*"+arn[span[1]:])
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
