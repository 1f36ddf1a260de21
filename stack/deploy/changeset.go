package deploy

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// changeSet is one that was made.
type changeSet struct {
	stack string // name
	name  string
	kind  types.ChangeSetType
}

// errNoChanges: the stack is as intended already.
var errNoChanges = errors.New("the change set is empty")

// newChangeSet makes a change set and waits until it can be read and executed.
// When it fails it leaves nothing behind. It is errNoChanges if there is
// nothing to change.
func (a *Account) newChangeSet(ctx context.Context, name string, exists bool, w intent) (*changeSet, error) {
	set := &changeSet{stack: name, name: "solocron-" + strings.ToLower(rand.Text()), kind: types.ChangeSetTypeCreate}
	if exists {
		set.kind = types.ChangeSetTypeUpdate
	}
	in := &cloudformation.CreateChangeSetInput{
		ChangeSetName: &set.name, StackName: &name, ChangeSetType: set.kind, ClientToken: &set.name,
		TemplateBody: &w.template,
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
	}
	for _, k := range slices.Sorted(maps.Keys(w.tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: &k, Value: aws.String(w.tags[k])})
	}
	for _, k := range slices.Sorted(maps.Keys(w.parameters)) {
		in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: &k, ParameterValue: aws.String(w.parameters[k])})
	}
	// The name is nobody else's, so a change set that has it already is this one,
	// made by a call whose answer was lost.
	if _, err := a.CloudFormation.CreateChangeSet(ctx, in); err != nil && errorCode(err) != "AlreadyExistsException" {
		return nil, fmt.Errorf("change set of stack %s: %w", name, err)
	}
	err := a.awaitChangeSet(ctx, set)
	if err != nil {
		err = errors.Join(err, a.dropChangeSet(ctx, set))
	}
	return set, err
}

// awaitChangeSet waits until the change set is complete.
func (a *Account) awaitChangeSet(ctx context.Context, set *changeSet) error {
	appears := a.now().Add(30 * time.Second)
	return poll(ctx, func() (bool, error) {
		out, err := a.describeChangeSet(ctx, set, nil)
		switch {
		case errorCode(err) == "ChangeSetNotFound" && a.now().Before(appears):
			return false, nil
		case err != nil:
			return false, err
		case out.Status == types.ChangeSetStatusFailed && unchanged(aws.ToString(out.StatusReason)):
			return false, errNoChanges
		case out.Status == types.ChangeSetStatusFailed:
			return false, fmt.Errorf("change set of stack %s: %s", set.stack, aws.ToString(out.StatusReason))
		}
		return out.Status == types.ChangeSetStatusCreateComplete, nil
	})
}

// unchanged tells CloudFormation's two ways to say that there is nothing to do.
// https://github.com/ansible-collections/amazon.aws/pull/507
func unchanged(reason string) bool {
	return strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed")
}

func (a *Account) describeChangeSet(ctx context.Context, set *changeSet, page *string) (*cloudformation.DescribeChangeSetOutput, error) {
	out, err := a.CloudFormation.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: &set.name, StackName: &set.stack, NextToken: page})
	if err != nil {
		return nil, fmt.Errorf("change set of stack %s: %w", set.stack, err)
	}
	return out, nil
}

// dropChangeSet removes the change set and, if that made an empty stack, the
// stack. It does so after an interruption, too.
func (a *Account) dropChangeSet(ctx context.Context, set *changeSet) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, err := a.CloudFormation.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: &set.name, StackName: &set.stack})
	if err != nil && errorCode(err) != "ChangeSetNotFound" && !noStack(err) {
		return fmt.Errorf("remove change set %s of stack %s: %w", set.name, set.stack, err)
	}
	if set.kind != types.ChangeSetTypeCreate {
		return nil
	}
	// The stack that a change set made stays, in review, when the change set
	// goes. It is removed unless somebody else has a change set for it now.
	s, err := a.describeStack(ctx, set.stack)
	if err != nil || s == nil || s.StackStatus != types.StackStatusReviewInProgress {
		return err
	}
	others, err := a.CloudFormation.ListChangeSets(ctx, &cloudformation.ListChangeSetsInput{StackName: s.StackId})
	switch {
	case noStack(err):
		return nil
	case err != nil:
		return fmt.Errorf("change sets of stack %s: %w", set.stack, err)
	}
	for _, o := range others.Summaries {
		if aws.ToString(o.ChangeSetName) != set.name {
			return nil
		}
	}
	if _, err := a.CloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: s.StackId}); err != nil && !noStack(err) {
		return fmt.Errorf("remove stack %s, which the plan's change set made: %w", set.stack, err)
	}
	return nil
}

// resources are what the change set would do, by logical ID.
func (a *Account) resources(ctx context.Context, set *changeSet) ([]Resource, error) {
	list := []Resource{}
	for page := (*string)(nil); ; {
		out, err := a.describeChangeSet(ctx, set, page)
		if err != nil {
			return nil, err
		}
		for _, c := range out.Changes {
			if c.ResourceChange != nil {
				list = append(list, readResource(c.ResourceChange))
			}
		}
		if page = out.NextToken; page == nil {
			break
		}
	}
	slices.SortFunc(list, func(a, b Resource) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

func readResource(c *types.ResourceChange) Resource {
	r := Resource{
		Action: Update, ID: aws.ToString(c.LogicalResourceId), Type: aws.ToString(c.ResourceType),
		// Conditional means that a value decides which is only known later; a
		// plan had better say too much than too little.
		Replacement: c.Replacement == types.ReplacementTrue || c.Replacement == types.ReplacementConditional,
	}
	switch c.Action {
	case types.ChangeActionAdd, types.ChangeActionImport:
		r.Action = Create
	case types.ChangeActionRemove:
		r.Action = Delete
		if c.PolicyAction == types.PolicyActionRetain {
			r.Action = Leave
		}
	default:
		for _, d := range c.Details {
			if d.Target == nil {
				continue
			}
			name := aws.ToString(d.Target.Name)
			if d.Target.Attribute != types.ResourceAttributeProperties {
				name = string(d.Target.Attribute)
			}
			r.Properties = append(r.Properties, name)
		}
		slices.Sort(r.Properties)
		r.Properties = slices.Compact(r.Properties)
	}
	return r
}
