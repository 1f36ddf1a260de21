package deploy

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/cost"
)

// Plan says what Apply would do. It changes nothing but that it makes a change
// set, where the stack differs, and removes it again. A stack that can't be
// changed now is a [*StateError].
func (a *Account) Plan(ctx context.Context, i *stack.Installation, o Options) (*Plan, error) {
	s, err := a.survey(ctx, i, o)
	if err != nil {
		return nil, err
	}
	p := &Plan{
		Name: i.Name, Region: i.Region, Account: s.place.Account,
		Stack: StackChange{
			Action: s.action, Resources: []Resource{}, Elsewhere: o.JobsOnly, Adopted: s.adopt,
			Bucket: s.bucket.name, Code: a.Code.Key(), Document: s.document,
		},
		Paused: s.ledger.paused,
		Jobs:   s.ledger.changes, Unchanged: s.ledger.unchanged, Schedules: s.group.counted(),
		Rights: []Right{}, Warnings: []string{}, Base: s.base,
	}
	if s.stack != nil {
		p.Stack.Status = s.stack.status
	}
	if s.action != None {
		if err := a.planStack(ctx, i, s, p); err != nil {
			return nil, err
		}
	}
	p.Hosts = a.hosts(ctx, i)
	p.Cost = cost.Of(i, a.now())
	p.Warnings = append(p.Warnings, a.warnings(i, s, p.Hosts)...)
	return p, nil
}

// planStack fills in what a change of the stack comes to.
func (a *Account) planStack(ctx context.Context, i *stack.Installation, s *survey, p *Plan) error {
	set, err := a.newChangeSet(ctx, i.Name, s.stack != nil, s.intent)
	if errors.Is(err, errNoChanges) {
		p.Stack.Action = None
		return nil
	}
	if err != nil {
		return err
	}
	p.Stack.Make, p.Stack.Upload = !s.bucket.made, !s.bucket.holds
	p.Stack.Resources, err = a.resources(ctx, set)
	if dropErr := a.dropChangeSet(ctx, set); dropErr != nil {
		p.Warnings = append(p.Warnings, dropErr.Error())
	}
	if err != nil {
		return err
	}
	before := ""
	if s.stack != nil {
		before = s.stack.template
	}
	p.Rights, err = diffRights(before, s.intent.template, s.intent.roles)
	return err
}

// counted is the difference as a plan shows it.
func (d scheduleDiff) counted() Schedules {
	s := Schedules{Create: len(d.create), Delete: len(d.remove), Keep: d.keep, Foreign: d.foreign, Disabled: d.off}
	for _, w := range d.remake {
		s.Edited = append(s.Edited, w.Name)
	}
	return s
}

// hosts is the fleet as each selector of the file's jobs sees it now.
func (a *Account) hosts(ctx context.Context, i *stack.Installation) []Hosts {
	groups := []Hosts{}
	if a.Hosts == nil {
		return groups
	}
	at := map[string]int{}
	for _, j := range i.File.Jobs {
		key := j.Hosts.String()
		if _, ok := at[key]; !ok {
			at[key] = len(groups)
			groups = append(groups, Hosts{Selector: j.Hosts, Match: []string{}, Others: []Rejected{}})
		}
		g := &groups[at[key]]
		g.Jobs = append(g.Jobs, j.Name)
	}
	list, err := a.Hosts.Hosts(ctx)
	for n := range groups {
		if err != nil {
			groups[n].Error = err.Error()
			continue
		}
		groups[n].sort(list)
	}
	slices.SortFunc(groups, func(a, b Hosts) int {
		return cmp.Compare(fleet.Selector(a.Selector).String(), fleet.Selector(b.Selector).String())
	})
	return groups
}

// sort tells the hosts that match from the others.
func (h *Hosts) sort(list []fleet.Host) {
	for _, host := range list {
		reason, ok := fleet.Selector(h.Selector).Match(host.Tags)
		if ok {
			reason = host.Refused
		}
		if reason == "" {
			h.Match = append(h.Match, host.ID)
			continue
		}
		h.Others = append(h.Others, Rejected{host.ID, reason})
	}
	slices.Sort(h.Jobs)
}
