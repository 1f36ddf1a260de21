package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
)

// fileOf is a jobs file with a job for each selector.
func fileOf(tags fleet.Selector, selectors ...fleet.Selector) *job.File {
	f := &job.File{Fleet: job.Fleet{EC2: &job.EC2{Region: "eu-central-1", Document: "solocron", Tags: tags, Claims: "cron"}}}
	for n, s := range selectors {
		f.Jobs = append(f.Jobs, job.Job{Name: fmt.Sprintf("job%d", n), Hosts: s})
	}
	return f
}

func TestReach(t *testing.T) {
	t.Parallel()
	type sel = fleet.Selector
	for name, c := range map[string]struct {
		fleet sel
		jobs  []sel
		want  []string
	}{
		"no jobs":             {sel{"a": "1"}, nil, nil},
		"one":                 {nil, []sel{{"cron": "true"}}, []string{"cron=true"}},
		"twice":               {nil, []sel{{"cron": "true"}, {"cron": "true"}}, []string{"cron=true"}},
		"the fleet's too":     {sel{"shop": "x"}, []sel{{"role": "web"}, nil}, []string{"shop=x"}},
		"values of a key":     {nil, []sel{{"role": "web"}, {"role": "api"}}, []string{"role=api or web"}},
		"each with the fleet": {sel{"shop": "x"}, []sel{{"role": "web"}, {"role": "api"}}, []string{"role=api or web, shop=x"}},
		"a square":            {nil, []sel{{"a": "1", "b": "1"}, {"a": "1", "b": "2"}, {"a": "2", "b": "1"}, {"a": "2", "b": "2"}}, []string{"a=1 or 2, b=1 or 2"}},
		"a diagonal":          {nil, []sel{{"a": "1", "b": "1"}, {"a": "2", "b": "2"}}, []string{"a=1, b=1", "a=2, b=2"}},
		"other keys":          {nil, []sel{{"a": "1"}, {"b": "1"}}, []string{"a=1", "b=1"}},
		"any value":           {nil, []sel{{"a": "*"}, {"a": "1"}, {"a": "2", "b": "1"}}, []string{"a=*"}},
		"any job":             {nil, []sel{{"a": "1"}, nil, {"b": "2"}}, []string{""}},
		"narrower":            {sel{"a": "*"}, []sel{{"a": "1"}}, []string{"a=1"}},
		"wider":               {sel{"a": "1"}, []sel{{"a": "*"}}, []string{"a=1"}},
		"nowhere":             {sel{"a": "1"}, []sel{{"a": "2"}}, nil},
		"a value with or":     {nil, []sel{{"a": "x, b=y"}, {"a": "x", "b": "y"}}, []string{"a=x, b=y", "a=x, b=y"}},
	} {
		r, err := reachOf(fileOf(c.fleet, c.jobs...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, b := range r.boxes {
			got = append(got, b.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReachRefuses(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]fleet.Selector{
		"hosts of job job0: tag a=${b}: IAM has no policy for a tag with ${ in it":            {"a": "${b}"},
		"hosts of job job0: tags Role and role: IAM takes them for the same":                  {"role": "web", "Role": "web"},
		"hosts of job job0: tag ${aws:username}=1: IAM has no policy for a tag with ${ in it": {"${aws:username}": "1"},
	} {
		if _, err := reachOf(fileOf(nil, s)); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %s", s, err, want)
		}
	}
}

// Statements have names of their own, which a further value doesn't change.
func TestStartNames(t *testing.T) {
	t.Parallel()
	sids := func(selectors ...fleet.Selector) (all []string) {
		r, err := reachOf(fileOf(nil, selectors...))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.statements(installation(fileOf(nil, selectors...))) {
			all = append(all, s.Sid)
		}
		return all
	}
	if got := sids(fleet.Selector{"cost-center 7": "a"}, fleet.Selector{"äöü": "x"}); !slices.Equal(got, []string{"StartOnCostCenter7", "StartOn"}) {
		t.Errorf("names %q", got)
	}
	before, after := sids(fleet.Selector{"role": "web"}), sids(fleet.Selector{"role": "web"}, fleet.Selector{"role": "api"})
	if !slices.Equal(before, after) {
		t.Errorf("%q became %q", before, after)
	}
	twins := sids(fleet.Selector{"a": "1", "b": "1"}, fleet.Selector{"a": "2", "b": "2"})
	if len(twins) != 2 || twins[0] == twins[1] || !strings.HasPrefix(twins[0], "StartOnAB") {
		t.Errorf("names %q", twins)
	}
}

// selectors are drawn from few keys and values, so that they overlap.
func drawSelector(t *rapid.T, label string) fleet.Selector {
	return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.SampledFrom([]string{"1", "2", "3", "*"}), 0, 3).Draw(t, label)
}

// The merged statements match exactly the hosts that jobs may be picked for.
func TestReachIsExact(t *testing.T) {
	t.Parallel()
	hosts := everyHost()
	rapid.Check(t, func(rt *rapid.T) {
		tags := drawSelector(rt, "fleet")
		var selectors []fleet.Selector
		for n := range rapid.IntRange(0, 12).Draw(rt, "jobs") {
			selectors = append(selectors, drawSelector(rt, fmt.Sprint("job", n)))
		}
		r, err := reachOf(fileOf(tags, selectors...))
		if err != nil {
			rt.Fatal(err)
		}
		for _, h := range hosts {
			_, ofFleet := tags.Match(h)
			want := ofFleet && slices.ContainsFunc(selectors, func(s fleet.Selector) bool { _, ok := s.Match(h); return ok })
			if got := slices.ContainsFunc(r.boxes, func(b box) bool { return b.has(h) }); got != want {
				rt.Errorf("host %v: may start is %t, want %t, by %v", h, got, want, r.boxes)
			}
		}
		for _, b := range r.boxes {
			if slices.ContainsFunc(r.boxes, func(other box) bool { return other.id() != b.id() && other.holds(b) }) {
				rt.Errorf("%s is within another of %v", b, r.boxes)
			}
		}
	})
}

// has is what a policy's condition would say.
func (b box) has(tags map[string]string) bool {
	for key, values := range b {
		if got, ok := tags[key]; !ok || values[0] != "*" && !slices.Contains(values, got) {
			return false
		}
	}
	return true
}

// everyHost has hosts with each combination of tags.
func everyHost() []map[string]string {
	hosts := []map[string]string{{}}
	for _, key := range []string{"a", "b", "c"} {
		for _, h := range slices.Clone(hosts) {
			for _, value := range []string{"1", "2", "3", "*", ""} {
				with := maps.Clone(h)
				with[key] = value
				hosts = append(hosts, with)
			}
		}
	}
	return hosts
}

// The same, but judged by the evaluator and from the documents.
func TestReachIsExactInIAM(t *testing.T) {
	t.Parallel()
	e := newEvaluator(t)
	type sel = fleet.Selector
	selectors := []sel{{"a": "1", "b": "*"}, {"a": "2", "b": "1"}, {"a": "2", "b": "2"}, {"c": "3"}, {"a": "3", "c": "1"}, {"a": "3", "c": "2"}}
	i := installation(fileOf(nil, selectors...))
	r, err := reachOf(i.File)
	if err != nil {
		t.Fatal(err)
	}
	p := &proof{}
	policy := p.document(Allow(r.statements(i), fixtures[1].place))
	for _, h := range everyHost() {
		c := circumstances{}
		for key, value := range h {
			c["aws:ResourceTag/"+key] = []string{value}
		}
		want := slices.ContainsFunc(selectors, func(s sel) bool { _, ok := s.Match(h); return ok })
		p.add(policy, fmt.Sprint(h), want, []request{{
			Principal: "arn:aws:iam::123456789012:role/x", Account: account, Action: "ssm:SendCommand", Context: c,
			Resource: fixtures[1].arn("arn:P:ec2:R:A:instance/i-0123456789abcdef0"), Unchecked: true,
		}})
	}
	p.check(t, e)
}
