package stacks

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// stack is a stack with all that happened to it. The lock of CloudFormation
// guards it; while it is in progress one goroutine changes its resources.
type stack struct {
	id, name                  string
	created, updated, deleted time.Time // zero if it wasn't
	status                    types.StackStatus
	reason                    string
	state                     // in force
	resources                 map[string]*resource
	outputs                   []types.Output
	events                    []types.StackEvent // oldest first
	changeSets                []*changeSet
	changes                   int    // counts what was executed
	changeSet                 string // the ID of what was executed last
	token                     string // of the request that is being carried out
}

// state is what a stack is made from. The template is nil before the first
// change set is executed.
type state struct {
	template     *template
	parameters   map[string]string
	tags         []types.Tag
	capabilities []types.Capability
}

// resource is a resource that was made.
type resource struct {
	physical
	id, kind   string
	attributes map[string]string
	policy     string // its DeletionPolicy
	status     types.ResourceStatus
	reason     string
	at         time.Time
}

// changeSet is a change set, and once it is made what it would change.
type changeSet struct {
	id, name, description string
	kind                  types.ChangeSetType
	created               time.Time
	status                types.ChangeSetStatus
	reason                string
	execution             types.ExecutionStatus
	basis                 int // the stack's count of changes when it was made
	state
	changes []types.Change
}

func (s *stack) inProgress() bool {
	return strings.HasSuffix(string(s.status), "_IN_PROGRESS") && s.status != types.StackStatusReviewInProgress
}

// set changes the stack's status and tells so in an event.
func (c *CloudFormation) set(s *stack, status types.StackStatus, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.status, s.reason = status, reason
	c.event(s, s.name, "AWS::CloudFormation::Stack", s.id, types.ResourceStatus(status), reason)
}

// setResource changes a resource's status and tells so in an event.
func (c *CloudFormation) setResource(s *stack, r *resource, status types.ResourceStatus, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.status, r.reason, r.at = status, reason, time.Now()
	c.event(s, r.id, r.kind, r.ID, status, reason)
}

// event notes what happened. c.mu is held.
func (c *CloudFormation) event(s *stack, id, kind, physicalID string, status types.ResourceStatus, reason string) {
	e := types.StackEvent{
		EventId: aws.String(c.id()), StackId: &s.id, StackName: &s.name, Timestamp: aws.Time(time.Now()),
		LogicalResourceId: &id, ResourceType: &kind, PhysicalResourceId: &physicalID, ResourceStatus: status,
		ResourceStatusReason: optional(reason), ClientRequestToken: optional(s.token),
	}
	s.events = append(s.events, e)
	c.o.Log.Debug("stack event", "stack", s.name, "resource", id, "status", status, "reason", reason)
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// find returns the stack of that name, or of that ID even if it was deleted.
// c.mu is held.
func (c *CloudFormation) find(nameOrID *string) (*stack, error) {
	asked := aws.ToString(nameOrID)
	for _, s := range slices.Backward(c.stacks) {
		if s.id == asked || s.name == asked && s.status != types.StackStatusDeleteComplete {
			return s, nil
		}
	}
	return nil, notValid("Stack with id %s does not exist", asked)
}

// findChangeSet finds one by its ID, or by its name and its stack. c.mu is held.
func (c *CloudFormation) findChangeSet(asked, stackName *string) (*stack, *changeSet, error) {
	for _, s := range slices.Backward(c.stacks) {
		for _, set := range s.changeSets {
			mine := stackName == nil || s.id == *stackName || s.name == *stackName && s.status != types.StackStatusDeleteComplete
			if set.id == aws.ToString(asked) || stackName != nil && mine && set.name == aws.ToString(asked) {
				return s, set, nil
			}
		}
	}
	return nil, nil, refused("ChangeSetNotFound", "ChangeSet ["+aws.ToString(asked)+"] does not exist")
}

// parametersOf are a state's parameters, secret ones hidden.
func (s state) parametersOf() []types.Parameter {
	var all []types.Parameter
	for _, name := range sorted(s.parameters) {
		value := s.parameters[name]
		if s.template.Parameters[name].NoEcho {
			value = "****"
		}
		all = append(all, types.Parameter{ParameterKey: &name, ParameterValue: &value})
	}
	return all
}
