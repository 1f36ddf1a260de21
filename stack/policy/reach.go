package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
)

// reach is which hosts commands may be started on.
type reach struct {
	selectors int // of the jobs, different ones
	boxes     []box
}

// box is a set of hosts: those that carry each of the keys with one of its
// values, sorted. The value "*" alone stands for any; no key at all, for every
// host.
type box map[string][]string

// reachOf is exactly what the jobs of the file select in its fleet.
func reachOf(f *job.File) (reach, error) {
	var r reach
	seen := map[string]bool{}
	for k := range f.Jobs {
		b, ok := selected(f.Fleet.EC2.Tags, f.Jobs[k].Hosts)
		if !ok || seen[b.id()] {
			continue
		}
		if err := b.check(); err != nil {
			return reach{}, fmt.Errorf("hosts of job %s: %w", f.Jobs[k].Name, err)
		}
		seen[b.id()] = true
		r.boxes = append(r.boxes, b)
	}
	r.selectors = len(r.boxes)
	slices.SortFunc(r.boxes, func(a, b box) int { return strings.Compare(a.id(), b.id()) })
	r.boxes = merge(r.boxes)
	return r, nil
}

// whole is the reach to all of the fleet.
func (r reach) whole(f *job.File) reach {
	b, _ := selected(f.Fleet.EC2.Tags, nil)
	return reach{r.selectors, []box{b}}
}

// selected is what both selectors match; ok is false if nothing can.
func selected(a, b fleet.Selector) (_ box, ok bool) {
	both := box{}
	for _, s := range []fleet.Selector{a, b} {
		for key, value := range s {
			had := both[key]
			switch {
			case len(had) == 0 || had[0] == "*":
				both[key] = []string{value}
			case value != "*" && value != had[0]:
				return nil, false
			}
		}
	}
	return both, true
}

// check refuses what a policy can't say: IAM reads ${ as a variable's beginning,
// and doesn't tell upper from lower case in the names of tags.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
func (b box) check() error {
	lower := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if strings.Contains(key+b[key][0], "${") {
			return fmt.Errorf("tag %s=%s: IAM has no policy for a tag with ${ in it", key, b[key][0])
		}
		if other, ok := lower[strings.ToLower(key)]; ok {
			return fmt.Errorf("tags %s and %s: IAM takes them for the same", other, key)
		}
		lower[strings.ToLower(key)] = key
	}
	return nil
}

// id is the same for the same box alone.
func (b box) id() string {
	text, err := encode(b)
	if err != nil {
		panic(err) // strings alone
	}
	return string(text)
}

// String is the box for people.
func (b box) String() string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(b)) {
		parts = append(parts, key+"="+strings.Join(b[key], " or "))
	}
	return strings.Join(parts, ", ")
}

// merge makes few boxes of many that hold the same hosts: those that differ in
// the values of a single key become one, and those within another go.
func merge(boxes []box) []box {
	for {
		before := len(boxes)
		for _, key := range keys(boxes) {
			boxes = join(boxes, key)
		}
		boxes = outermost(boxes)
		if len(boxes) == before {
			return boxes
		}
	}
}

func keys(boxes []box) []string {
	all := map[string]bool{}
	for _, b := range boxes {
		for key := range b {
			all[key] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// join unites the boxes that differ in the values of the key alone.
func join(boxes []box, key string) []box {
	var joined []box
	at := map[string]int{} // by the rest of the box
	for _, b := range boxes {
		values, has := b[key]
		if !has {
			joined = append(joined, b)
			continue
		}
		rest := maps.Clone(b)
		delete(rest, key)
		n, ok := at[rest.id()]
		if !ok {
			at[rest.id()] = len(joined)
			joined = append(joined, b)
			continue
		}
		rest[key] = union(joined[n][key], values)
		joined[n] = rest
	}
	return joined
}

func union(a, b []string) []string {
	if a[0] == "*" || b[0] == "*" {
		return []string{"*"}
	}
	both := slices.Concat(a, b)
	slices.Sort(both)
	return slices.Compact(both)
}

// outermost drops the boxes that lie within another.
func outermost(boxes []box) []box {
	var kept []box
	for _, b := range boxes {
		if slices.ContainsFunc(kept, func(k box) bool { return k.holds(b) }) {
			continue
		}
		kept = slices.DeleteFunc(kept, b.holds)
		kept = append(kept, b)
	}
	return kept
}

// holds reports whether every host of the other box is in this one.
func (b box) holds(other box) bool {
	for key, values := range b {
		if !cover(values, other[key]) {
			return false
		}
	}
	return true
}

// cover reports whether the values are those that are asked for, or more. A box
// without the key has hosts without the tag, too.
func cover(values, asked []string) bool {
	switch {
	case len(asked) == 0:
		return false
	case values[0] == "*":
		return true
	}
	return !slices.ContainsFunc(asked, func(v string) bool { return v == "*" || !slices.Contains(values, v) })
}

// statements allow starting commands on the hosts.
func (r reach) statements(i *stack.Installation) []Statement {
	hosts := []string{arn("ec2", "instance/*")}
	if i.File.Fleet.EC2.Hybrid {
		hosts = append(hosts, arn("ssm", "managed-instance/*"))
	}
	var all []Statement
	for _, b := range r.boxes {
		needs := "starting commands on hosts with " + b.String()
		if len(b) == 0 {
			needs = "starting commands on every instance of the account and region"
		}
		all = append(all, Statement{
			Sid: b.sid(), Needs: needs, Actions: []string{"ssm:SendCommand"}, Resources: hosts, Condition: b.condition(),
		})
	}
	return distinct(all, r.boxes)
}

// condition asks for the tags. SSM knows them as aws:ResourceTag, of instances
// and of other nodes alike.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/run-command-setting-up.html
func (b box) condition() Condition {
	if len(b) == 0 {
		return nil
	}
	c := Condition{}
	for key, values := range b {
		operator := "StringEquals"
		if values[0] == "*" {
			operator = "StringLike"
		}
		if c[operator] == nil {
			c[operator] = map[string][]string{}
		}
		c[operator]["aws:ResourceTag/"+key] = values
	}
	return c
}

// sid names the box by its keys, so that a value more leaves the name.
func (b box) sid() string {
	if len(b) == 0 {
		return "StartOnAnyHost"
	}
	var sid strings.Builder
	sid.WriteString("StartOn")
	for _, key := range slices.Sorted(maps.Keys(b)) {
		sid.WriteString(word(key))
	}
	return sid.String()
}

// word is what a Sid can hold of a text.
func word(text string) string {
	fields := strings.FieldsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for n, f := range fields {
		fields[n] = strings.ToUpper(f[:1]) + f[1:]
	}
	return strings.Join(fields, "")
}

// distinct tells statements of the same name apart by the hash of their boxes.
func distinct(all []Statement, boxes []box) []Statement {
	count := map[string]int{}
	for _, s := range all {
		count[s.Sid]++
	}
	for n := range all {
		if count[all[n].Sid] > 1 {
			sum := sha256.Sum256([]byte(boxes[n].id()))
			all[n].Sid += hex.EncodeToString(sum[:4])
		}
	}
	return all
}
