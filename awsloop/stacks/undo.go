package stacks

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// undoCreation removes what was made, but for what is to be retained.
func (d *deployment) undoCreation(ctx context.Context) {
	var stuck []string
	for _, p := range slices.Backward(d.done) {
		if !d.remove(ctx, p.after, "Retain") {
			stuck = append(stuck, p.after.id)
		}
	}
	if stuck != nil {
		d.set(d.s, types.StackStatusRollbackFailed, fmt.Sprintf("The following resource(s) failed to delete: %v. ", stuck))
		return
	}
	d.set(d.s, types.StackStatusRollbackComplete, "")
}

// undoUpdate changes back what was changed, and removes what was made.
func (d *deployment) undoUpdate(ctx context.Context) {
	var made []*resource
	for _, p := range slices.Backward(d.done) {
		if p.before == nil || p.replaced() {
			made = append(made, p.after)
			d.putBack(p)
			continue
		}
		again := *p.before
		d.setResource(d.s, &again, types.ResourceStatusUpdateInProgress, "")
		m, err := kinds[again.kind].update(ctx, d.services, p.after.physical, again.physical)
		if err == nil {
			d.keep(&again, m)
		}
		if d.end(&again, err, types.ResourceStatusUpdateComplete, types.ResourceStatusUpdateFailed) != nil {
			d.set(d.s, types.StackStatusUpdateRollbackFailed, fmt.Sprintf("The following resource(s) failed to update: [%s]. ", again.id))
			return
		}
	}
	d.mu.Lock()
	d.s.state = d.before
	d.mu.Unlock()
	d.set(d.s, types.StackStatusUpdateRollbackCompleteCleanupInProgress, "")
	for _, r := range made {
		d.remove(ctx, r)
	}
	d.set(d.s, types.StackStatusUpdateRollbackComplete, "")
}

// putBack has the stack know the resource of before, if there was one.
func (d *deployment) putBack(p step) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.s.resources, p.after.id)
	if p.before != nil {
		d.s.resources[p.before.id] = p.before
	}
}

// cleanUp removes what was replaced and what the template no longer has. What
// can't be removed stays behind, and the update is complete nevertheless.
func (d *deployment) cleanUp(ctx context.Context) {
	for _, p := range slices.Backward(d.done) {
		if p.replaced() && d.before.template.Resources[p.before.id].UpdateReplacePolicy != "Retain" {
			d.remove(ctx, p.before)
		}
	}
	order, _ := d.before.template.order() // it was checked when it came
	for _, id := range slices.Backward(order) {
		d.mu.Lock()
		r := d.s.resources[id]
		d.mu.Unlock()
		if _, ok := d.s.template.Resources[id]; !ok && r != nil {
			d.remove(ctx, r, "Retain", "RetainExceptOnCreate")
			d.mu.Lock()
			delete(d.s.resources, id)
			d.mu.Unlock()
		}
	}
}

// remove deletes a resource, unless its policy is one of those to skip, and
// reports whether it is gone from the stack.
func (d *deployment) remove(ctx context.Context, r *resource, skip ...string) bool {
	if slices.Contains(skip, r.policy) {
		d.forget(r)
		d.setResource(d.s, r, types.ResourceStatusDeleteSkipped, "")
		return true
	}
	d.setResource(d.s, r, types.ResourceStatusDeleteInProgress, "")
	if err := kinds[r.kind].remove(ctx, d.services, r.physical); err != nil {
		return d.end(r, err, "", types.ResourceStatusDeleteFailed) == nil
	}
	d.forget(r)
	d.setResource(d.s, r, types.ResourceStatusDeleteComplete, "")
	return true
}

// forget takes the resource out of the stack, if it is still the one there.
func (d *deployment) forget(r *resource) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.s.resources, func(_ string, other *resource) bool { return other == r })
}

// destroy removes a stack's resources, the last made first. The retained IDs
// are left alone.
func (c *CloudFormation) destroy(ctx context.Context, s *stack, retain []string) {
	d := &deployment{CloudFormation: c, s: s}
	var stuck []string
	for _, r := range d.reversed() {
		if slices.Contains(retain, r.id) {
			r.policy = "Retain"
		}
		if !d.remove(ctx, r, "Retain", "RetainExceptOnCreate") {
			stuck = append(stuck, r.id)
		}
		if ctx.Err() != nil {
			return
		}
	}
	if stuck != nil {
		c.set(s, types.StackStatusDeleteFailed, fmt.Sprintf("The following resource(s) failed to delete: %v. ", stuck))
		return
	}
	c.set(s, types.StackStatusDeleteComplete, "")
}

func (d *deployment) reversed() []*resource {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*resource
	if d.s.template != nil {
		order, _ := d.s.template.order() // it was checked when it came
		for _, id := range slices.Backward(order) {
			if r := d.s.resources[id]; r != nil {
				all = append(all, r)
			}
		}
	}
	for _, id := range sorted(d.s.resources) {
		if r := d.s.resources[id]; !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}
