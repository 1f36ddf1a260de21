package stacks

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// deployment carries a change set out.
type deployment struct {
	*CloudFormation
	s      *stack
	before state
	done   []step
}

// step is what became of one resource.
type step struct {
	before *resource // nil if it wasn't there
	after  *resource
}

func (p step) replaced() bool { return p.before != nil && p.before.ID != p.after.ID }

// deploy makes the stack what its state says. before is what it was.
func (c *CloudFormation) deploy(ctx context.Context, s *stack, before state) {
	d := &deployment{CloudFormation: c, s: s, before: before}
	failed, err := d.apply(ctx)
	if ctx.Err() != nil {
		return // the account is closed
	}
	first := before.template == nil
	switch {
	case err != nil && first:
		c.set(s, types.StackStatusRollbackInProgress, fmt.Sprintf("The following resource(s) failed to create: [%s]. Rollback requested by user.", failed))
		d.undoCreation(ctx)
	case err != nil:
		c.set(s, types.StackStatusUpdateRollbackInProgress, fmt.Sprintf("The following resource(s) failed to update: [%s]. ", failed))
		d.undoUpdate(ctx)
	case first:
		c.set(s, types.StackStatusCreateComplete, "")
	default:
		c.set(s, types.StackStatusUpdateCompleteCleanupInProgress, "")
		d.cleanUp(ctx)
		c.set(s, types.StackStatusUpdateComplete, "")
	}
}

// apply makes and changes resources one after the other. If that fails it names
// the one at fault.
func (d *deployment) apply(ctx context.Context) (failed string, err error) {
	order, err := d.s.template.order()
	if err != nil {
		return "", err
	}
	for _, id := range order {
		if err := d.applyOne(ctx, id); err != nil {
			return id, err
		}
	}
	outputs, err := d.outputs()
	if err != nil {
		return "Outputs", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.s.outputs = outputs
	return "", nil
}

func (d *deployment) applyOne(ctx context.Context, id string) error {
	declared := d.s.template.Resources[id]
	d.mu.Lock()
	old := d.s.resources[id]
	want, err := d.properties(id)
	d.mu.Unlock()
	kind := kinds[declared.Type]
	next := &resource{id: id, kind: declared.Type, policy: declared.DeletionPolicy, physical: physical{properties: want}}
	if err == nil {
		err = kind.check(id, want)
	}
	if err != nil {
		d.setResource(d.s, next, types.ResourceStatusCreateFailed, err.Error())
		return err
	}
	if old == nil {
		return d.create(ctx, next)
	}
	changed := differing(old.properties, want)
	if len(changed) == 0 {
		old.policy = declared.DeletionPolicy
		return nil
	}
	for _, name := range kind.replaces(want) {
		if slices.Contains(changed, name) {
			return d.replace(ctx, old, next)
		}
	}
	next.ID = old.ID
	return d.update(ctx, old, next)
}

// properties are a resource's, all resolved. d.mu is held.
func (d *deployment) properties(id string) (properties, error) {
	declared := d.s.template.Resources[id]
	v, err := resolve(declared.Properties, d.scope())
	if err != nil {
		return nil, err
	}
	p, _ := v.(map[string]any)
	return withTags(declared.Type, p, d.s.tags), nil
}

// scope knows what was made so far; the order sees to it that this is enough.
func (d *deployment) scope() scope {
	symbols := d.symbols(d.s, d.s.state)
	return func(to reference) (any, bool) {
		r := d.s.resources[to.name]
		switch {
		case r == nil:
			return symbols(to)
		case to.attribute == "":
			return r.ID, true
		}
		value, ok := r.attributes[to.attribute]
		return value, ok
	}
}

func (d *deployment) outputs() ([]types.Output, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []types.Output
	for _, name := range sorted(d.s.template.Outputs) {
		o := d.s.template.Outputs[name]
		v, err := resolve(o.Value, d.scope())
		if err != nil {
			return nil, err
		}
		text, ok := scalarText(v)
		if !ok {
			return nil, notValid("Output %s is no text", name)
		}
		all = append(all, types.Output{OutputKey: &name, OutputValue: &text, Description: optional(o.Description)})
	}
	return all, nil
}

func (d *deployment) create(ctx context.Context, r *resource) error {
	kind := kinds[r.kind]
	if r.ID = r.text(kind.name); r.ID == "" && kind.limit > 0 {
		r.ID = madeUp(d.s.name, r.id, d.id(), kind.limit)
	}
	name := r.ID
	r.ID = ""
	d.setResource(d.s, r, types.ResourceStatusCreateInProgress, "")
	m, err := kind.create(ctx, d.services, physical{name, r.properties})
	if m.ID != "" {
		d.keep(r, m)
		d.done = append(d.done, step{after: r})
		d.setResource(d.s, r, types.ResourceStatusCreateInProgress, "Resource creation Initiated")
	}
	return d.end(r, err, types.ResourceStatusCreateComplete, types.ResourceStatusCreateFailed)
}

// replace makes another in the place of the old one, which is removed when the
// update is complete.
func (d *deployment) replace(ctx context.Context, old, next *resource) error {
	if name := kinds[next.kind].name; name != "" && old.text(name) != "" && old.text(name) == next.text(name) {
		next.ID = old.ID
		err := fmt.Errorf("CloudFormation cannot update a stack when a custom-named resource requires replacing. "+ //nolint:staticcheck // CloudFormation's words
			"Rename %s and update the stack again.", old.text(name))
		return d.end(next, err, "", types.ResourceStatusUpdateFailed)
	}
	d.setResource(d.s, old, types.ResourceStatusUpdateInProgress, "Requested update requires the creation of a new physical resource; hence creating one.")
	err := d.create(ctx, next)
	if n := len(d.done); n > 0 && d.done[n-1].after == next {
		d.done[n-1].before = old
	}
	return err
}

func (d *deployment) update(ctx context.Context, old, next *resource) error {
	d.setResource(d.s, next, types.ResourceStatusUpdateInProgress, "")
	d.done = append(d.done, step{old, next})
	m, err := kinds[next.kind].update(ctx, d.services, old.physical, next.physical)
	if err == nil {
		d.keep(next, m)
	}
	return d.end(next, err, types.ResourceStatusUpdateComplete, types.ResourceStatusUpdateFailed)
}

// keep notes what was made.
func (d *deployment) keep(r *resource, m made) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r.ID, r.attributes = m.ID, m.attributes
	d.s.resources[r.id] = r
}

func (d *deployment) end(r *resource, err error, well, ill types.ResourceStatus) error {
	if err != nil {
		d.setResource(d.s, r, ill, fmt.Sprintf("Resource handler returned message: %q", err))
		return err
	}
	d.setResource(d.s, r, well, "")
	return nil
}
