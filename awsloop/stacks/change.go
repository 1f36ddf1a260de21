package stacks

import (
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// noChanges is why a change set that changes nothing fails.
const noChanges = "The submitted information didn't contain changes. Submit different information to create a change set."

// symbols resolves what is known without the resources.
func (c *CloudFormation) symbols(s *stack, in state) scope {
	return func(r reference) (any, bool) {
		if value, ok := in.parameters[r.name]; ok && r.attribute == "" {
			return value, true
		}
		return c.pseudo(s, r.name)
	}
}

// known are a resource's properties as far as they're known beforehand, with
// the stack's tags.
func (c *CloudFormation) known(s *stack, in state, id string) (properties, error) {
	d := in.template.Resources[id]
	v, err := resolve(d.Properties, c.symbols(s, in))
	if err != nil {
		return nil, err
	}
	p, _ := v.(map[string]any)
	return withTags(d.Type, p, in.tags), nil
}

// withTags adds the stack's tags to a resource that can have some. Its own ones
// are stronger.
func withTags(kind string, p properties, tags []types.Tag) properties {
	if p == nil {
		p = properties{}
	}
	if len(tags) == 0 || !slices.Contains(kinds[kind].properties, "Tags") {
		return p
	}
	own := p.tags()
	all, _ := p["Tags"].([]any)
	all = slices.Clone(all)
	for _, t := range tags {
		if _, ok := own[*t.Key]; !ok {
			all = append(all, map[string]any{"Key": *t.Key, "Value": *t.Value})
		}
	}
	p["Tags"] = all
	return p
}

// compare tells what becomes of each resource when the stack goes to the new
// state. c.mu is held.
func (c *CloudFormation) compare(s *stack, to state) ([]types.Change, error) {
	var all []types.Change
	add := func(r types.ResourceChange) {
		all = append(all, types.Change{Type: types.ChangeTypeResource, ResourceChange: &r})
	}
	order, err := to.template.order()
	if err != nil {
		return nil, err
	}
	changed := map[string]types.Replacement{}
	for _, id := range order {
		d := to.template.Resources[id]
		properties, err := c.known(s, to, id)
		if err != nil {
			return nil, err
		}
		r := s.resources[id]
		if r == nil {
			add(types.ResourceChange{Action: types.ChangeActionAdd, LogicalResourceId: &id, ResourceType: &d.Type, Scope: []types.ResourceAttribute{}, Details: []types.ResourceChangeDetail{}})
			continue
		}
		if r.kind != d.Type {
			return nil, notValid("Update of resource type is not permitted. The new template modifies resource type of the following resources: [%s]", id)
		}
		before, err := c.known(s, s.state, id)
		if err != nil {
			return nil, err
		}
		m := modification{s: s, to: to, id: id, before: before, after: properties, changed: changed}
		if details := m.details(); len(details) > 0 {
			changed[id] = m.replacement(details)
			add(types.ResourceChange{
				Action: types.ChangeActionModify, LogicalResourceId: &id, PhysicalResourceId: &r.ID, ResourceType: &d.Type,
				Replacement: changed[id], Scope: scopeOf(details), Details: details,
			})
		}
	}
	for _, id := range sorted(s.resources) {
		r := s.resources[id]
		if _, ok := to.template.Resources[id]; !ok {
			add(types.ResourceChange{
				Action: types.ChangeActionRemove, LogicalResourceId: &id, PhysicalResourceId: &r.ID, ResourceType: &r.kind,
				Scope: []types.ResourceAttribute{}, Details: []types.ResourceChangeDetail{}, PolicyAction: policyAction(r.policy),
			})
		}
	}
	return all, nil
}

func policyAction(policy string) types.PolicyAction {
	if policy == "Retain" || policy == "RetainExceptOnCreate" {
		return types.PolicyActionRetain
	}
	return types.PolicyActionDelete
}

// modification is a resource that is in the stack before and after.
type modification struct {
	s             *stack
	to            state
	id            string
	before, after properties
	changed       map[string]types.Replacement // of the resources that it may refer to
}

// details are what is known to change, then what may change because something
// does that the resource refers to, then what isn't a property.
func (m modification) details() []types.ResourceChangeDetail {
	static := differing(m.before, m.after)
	return slices.Concat(m.static(static), m.dynamic(static), m.attributes())
}

// static tells of properties that differ. If a parameter differs that one refers
// to, that is the cause; whether the template is one, too, shows then.
func (m modification) static(names []string) (all []types.ResourceChangeDetail) {
	was, is := m.s.template.Resources[m.id], m.to.template.Resources[m.id]
	for _, name := range names {
		direct := types.EvaluationTypeStatic
		for _, ref := range references(is.Properties[name]) {
			if value, ok := m.to.parameters[ref.name]; ok && value != m.s.parameters[ref.name] {
				all = append(all, m.detail(name, types.ChangeSourceParameterReference, ref.name, types.EvaluationTypeStatic))
				direct = types.EvaluationTypeDynamic
			}
		}
		if !reflect.DeepEqual(was.Properties[name], is.Properties[name]) {
			direct = types.EvaluationTypeStatic
		}
		all = append(all, m.detail(name, types.ChangeSourceDirectModification, "", direct))
	}
	return all
}

// dynamic tells of properties that have an attribute of a resource that changes,
// or refer to one that may be replaced.
func (m modification) dynamic(static []string) (all []types.ResourceChangeDetail) {
	is := m.to.template.Resources[m.id]
	for _, name := range sorted(is.Properties) {
		for _, ref := range references(is.Properties[name]) {
			replacement, isChanged := m.changed[ref.name]
			switch {
			case slices.Contains(static, name) || !isChanged:
			case ref.attribute != "":
				all = append(all, m.detail(name, types.ChangeSourceResourceAttribute, ref.name+"."+ref.attribute, types.EvaluationTypeDynamic))
			case replacement != types.ReplacementFalse:
				all = append(all, m.detail(name, types.ChangeSourceResourceReference, ref.name, types.EvaluationTypeDynamic))
			}
		}
	}
	return all
}

// detail is a property that changes, or may.
func (m modification) detail(name string, source types.ChangeSource, cause string, evaluation types.EvaluationType) types.ResourceChangeDetail {
	target := &types.ResourceTargetDefinition{Attribute: types.ResourceAttributeProperties, Name: &name, RequiresRecreation: types.RequiresRecreationNever}
	replaces := slices.Contains(kinds[m.to.template.Resources[m.id].Type].replaces(m.after), name)
	switch {
	case name == "Tags":
		target.Attribute, target.Name = types.ResourceAttributeTags, nil
	case replaces && evaluation == types.EvaluationTypeStatic:
		target.RequiresRecreation = types.RequiresRecreationAlways
	case replaces:
		target.RequiresRecreation = types.RequiresRecreationConditionally
	}
	return types.ResourceChangeDetail{ChangeSource: source, Evaluation: evaluation, CausingEntity: optional(cause), Target: target}
}

// attributes tells of what differs beside the properties.
func (m modification) attributes() (all []types.ResourceChangeDetail) {
	was, is := m.s.template.Resources[m.id], m.to.template.Resources[m.id]
	for _, attribute := range []struct {
		name    types.ResourceAttribute
		differs bool
	}{
		{types.ResourceAttributeDeletionPolicy, was.DeletionPolicy != is.DeletionPolicy},
		{types.ResourceAttributeUpdateReplacePolicy, was.UpdateReplacePolicy != is.UpdateReplacePolicy},
		{types.ResourceAttributeMetadata, !reflect.DeepEqual(was.Metadata, is.Metadata)},
	} {
		if attribute.differs {
			all = append(all, types.ResourceChangeDetail{
				ChangeSource: types.ChangeSourceDirectModification, Evaluation: types.EvaluationTypeStatic,
				Target: &types.ResourceTargetDefinition{Attribute: attribute.name, RequiresRecreation: types.RequiresRecreationNever},
			})
		}
	}
	return all
}

func (m modification) replacement(details []types.ResourceChangeDetail) types.Replacement {
	worst := types.ReplacementFalse
	for _, d := range details {
		switch d.Target.RequiresRecreation {
		case types.RequiresRecreationAlways:
			return types.ReplacementTrue
		case types.RequiresRecreationConditionally:
			worst = types.ReplacementConditional
		}
	}
	return worst
}

func scopeOf(details []types.ResourceChangeDetail) []types.ResourceAttribute {
	var all []types.ResourceAttribute
	for _, d := range details {
		if !slices.Contains(all, d.Target.Attribute) {
			all = append(all, d.Target.Attribute)
		}
	}
	return all
}

// changesNothing: outputs alone are a change, too; a description isn't.
func changesNothing(s *stack, to state, changes []types.Change) bool {
	return len(changes) == 0 && s.template != nil &&
		reflect.DeepEqual(s.template.Outputs, to.template.Outputs) && reflect.DeepEqual(tagMap(s.tags), tagMap(to.tags))
}

func tagMap(tags []types.Tag) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}
