package deploy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/solocron/solocron/stack/policy"
)

// roleType is what a template calls a role.
const roleType = "AWS::IAM::Role"

// roleJSON is a role in a template. Text in it may be a function of
// CloudFormation's.
type roleJSON struct {
	Type       string
	Properties struct {
		RoleName                 json.RawMessage
		AssumeRolePolicyDocument policyJSON
		Policies                 []struct{ PolicyDocument policyJSON }
	}
}

type policyJSON struct {
	Statement []struct {
		Sid       string
		Principal json.RawMessage
		Action    texts
		Resource  texts
		Condition map[string]map[string]texts
	}
}

// texts is one text or a list of them.
type texts []string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *texts) UnmarshalJSON(data []byte) error {
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil {
		list = []json.RawMessage{data}
	}
	*t = nil
	for _, item := range list {
		*t = append(*t, text(item))
	}
	return nil
}

// text is a text, with the placeholders of one in Fn::Sub; of any other
// function its JSON.
func text(data json.RawMessage) string {
	var plain string
	var sub struct {
		Text string `json:"Fn::Sub"`
	}
	switch {
	case json.Unmarshal(data, &plain) == nil:
		return plain
	case json.Unmarshal(data, &sub) == nil && sub.Text != "":
		return sub.Text
	}
	return string(data)
}

// trustSid names the statement of who may assume a role.
const trustSid = "Trust"

// rights are the statements of a template's roles, by role and Sid. An empty
// template has none.
func rights(template string) (map[string]map[string]policy.Statement, error) {
	all := map[string]map[string]policy.Statement{}
	if template == "" {
		return all, nil
	}
	var t struct{ Resources map[string]json.RawMessage }
	if err := json.Unmarshal([]byte(template), &t); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	for id, raw := range t.Resources {
		var kind struct{ Type string }
		if err := json.Unmarshal(raw, &kind); err != nil || kind.Type != roleType {
			continue
		}
		var r roleJSON
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, fmt.Errorf("template: role %s: %w", id, err)
		}
		name := id
		if len(r.Properties.RoleName) > 0 {
			name = text(r.Properties.RoleName)
		}
		all[name] = r.statements()
	}
	return all, nil
}

func (r *roleJSON) statements() map[string]policy.Statement {
	all := map[string]policy.Statement{}
	for _, s := range r.Properties.AssumeRolePolicyDocument.Statement {
		t := policy.Statement{Sid: trustSid, Needs: "who may assume the role: " + principals(s.Principal), Actions: s.Action, Condition: condition(s.Condition)}
		for n := 2; all[t.Sid].Sid != ""; n++ {
			t.Sid = fmt.Sprint(trustSid, n)
		}
		all[t.Sid] = t
	}
	for _, p := range r.Properties.Policies {
		for n, s := range p.PolicyDocument.Statement {
			sid := cmp.Or(s.Sid, fmt.Sprint("Statement", n+1))
			all[sid] = policy.Statement{Sid: sid, Actions: s.Action, Resources: s.Resource, Condition: condition(s.Condition)}
		}
	}
	return all
}

// principals are the services, or whatever else, of a trust policy.
func principals(data json.RawMessage) string {
	var p struct{ Service texts }
	if json.Unmarshal(data, &p) == nil && len(p.Service) > 0 {
		return strings.Join(p.Service, ", ")
	}
	return string(data)
}

func condition(c map[string]map[string]texts) policy.Condition {
	if len(c) == 0 {
		return nil
	}
	all := policy.Condition{}
	for operator, keys := range c {
		all[operator] = map[string][]string{}
		for key, values := range keys {
			all[operator][key] = values
		}
	}
	return all
}

// diffRights compares the rights of two templates, by role and Sid. Roles say
// what a statement is needed for, which a template doesn't.
func diffRights(before, after string, roles []policy.Role) ([]Right, error) {
	old, err := rights(before)
	if err != nil {
		return nil, fmt.Errorf("deployed %w", err)
	}
	now, err := rights(after)
	if err != nil {
		return nil, err
	}
	list := []Right{}
	for _, role := range names(old, now) {
		for _, sid := range names(old[role], now[role]) {
			was, had := old[role][sid]
			is, has := now[role][sid]
			is.Needs, was.Needs = cmp.Or(is.Needs, needs(roles, role, sid)), cmp.Or(was.Needs, needs(roles, role, sid))
			switch {
			case !had:
				list = append(list, Right{Action: Create, Role: role, Statement: is})
			case !has:
				list = append(list, Right{Action: Delete, Role: role, Statement: was})
			case !reflect.DeepEqual(was, is):
				list = append(list, Right{Action: Update, Role: role, Statement: is, Before: &was})
			}
		}
	}
	return list, nil
}

// names are the keys of both, sorted.
func names[V any](a, b map[string]V) []string {
	both := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(both)
	return slices.Compact(both)
}

func needs(roles []policy.Role, role, sid string) string {
	for _, r := range roles {
		if r.Name != role {
			continue
		}
		for _, s := range r.Statements {
			if s.Sid == sid {
				return s.Needs
			}
		}
	}
	return ""
}
