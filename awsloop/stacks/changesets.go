package stacks

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

var nameForm = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]{0,127}$`)

// createChangeSet begins to make a change set; for a stack that isn't there yet
// it makes that, without any resource.
func (c *CloudFormation) createChangeSet(in *cfn.CreateChangeSetInput) (*cfn.CreateChangeSetOutput, error) {
	if err := checkRequest(in); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.stackFor(in)
	if err != nil {
		return nil, err
	}
	to, err := c.stateFor(s, in)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(s.changeSets, func(other *changeSet) bool { return other.name == *in.ChangeSetName }) {
		return nil, &types.AlreadyExistsException{Message: aws.String("ChangeSet " + *in.ChangeSetName + " already exists")}
	}
	if s.id == "" {
		s.id, s.created = c.arn("stack", s.name), time.Now()
		s.status = types.StackStatusReviewInProgress
		c.stacks = append(c.stacks, s)
		c.event(s, s.name, "AWS::CloudFormation::Stack", s.id, types.ResourceStatus(s.status), "User Initiated")
	}
	set := &changeSet{
		id: c.arn("changeSet", *in.ChangeSetName), name: *in.ChangeSetName, description: aws.ToString(in.Description),
		kind: in.ChangeSetType, created: time.Now(), state: to, basis: s.changes,
		status: types.ChangeSetStatusCreatePending, execution: types.ExecutionStatusUnavailable,
	}
	s.changeSets = append(s.changeSets, set)
	c.o.Go(func(ctx context.Context) { c.make(ctx, s, set) })
	return &cfn.CreateChangeSetOutput{Id: &set.id, StackId: &s.id}, nil
}

func checkRequest(in *cfn.CreateChangeSetInput) error {
	switch {
	case !nameForm.MatchString(aws.ToString(in.ChangeSetName)):
		return notValid("1 validation error detected: Value '%s' at 'changeSetName' failed to satisfy constraint", aws.ToString(in.ChangeSetName))
	case !nameForm.MatchString(aws.ToString(in.StackName)) && !stackARN.MatchString(aws.ToString(in.StackName)):
		return notValid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint", aws.ToString(in.StackName))
	case in.TemplateURL != nil || in.ResourcesToImport != nil || in.RoleARN != nil || in.OnStackFailure != "" || in.RollbackConfiguration != nil ||
		in.NotificationARNs != nil || in.ResourceTypes != nil || in.DeploymentMode != "" || in.DeploymentConfig != nil ||
		aws.ToBool(in.IncludeNestedStacks) || aws.ToBool(in.ImportExistingResources):
		return notValid("TemplateURL, ResourcesToImport, RoleARN, OnStackFailure, RollbackConfiguration, NotificationARNs, ResourceTypes, " +
			"nested stacks, imports and modes of deployment are not known here")
	case (in.TemplateBody == nil) == !aws.ToBool(in.UsePreviousTemplate):
		return notValid("Either Template URL or Template Body must be specified.")
	}
	return nil
}

var stackARN = regexp.MustCompile(`^arn:aws:cloudformation:[a-z0-9-]+:\d{12}:stack/[-a-zA-Z0-9]+/[-0-9a-f]+$`)

// stackFor is the stack that a change set is for; one without an ID is new.
// c.mu is held.
func (c *CloudFormation) stackFor(in *cfn.CreateChangeSetInput) (*stack, error) {
	s, err := c.find(in.StackName)
	there := err == nil
	switch in.ChangeSetType {
	case types.ChangeSetTypeCreate:
		if there && s.status != types.StackStatusReviewInProgress {
			return nil, notValid("Stack [%s] already exists and cannot be created again with the changeSet [%s].", *in.StackName, *in.ChangeSetName)
		}
		if !there {
			s = &stack{name: *in.StackName, resources: map[string]*resource{}}
		}
		return s, nil
	case "", types.ChangeSetTypeUpdate:
		if !there {
			return nil, notValid("Stack [%s] does not exist", *in.StackName)
		}
		if s.status == types.StackStatusReviewInProgress || s.inProgress() || !slices.Contains(updatable, s.status) {
			return nil, notValid("Stack:%s is in %s state and can not be updated.", s.id, s.status)
		}
		return s, nil
	}
	return nil, notValid("ChangeSetType %s is not known here", in.ChangeSetType)
}

// updatable are the statuses of which a stack can be updated.
var updatable = []types.StackStatus{
	types.StackStatusCreateComplete, types.StackStatusUpdateComplete, types.StackStatusUpdateRollbackComplete,
}

// stateFor reads what the stack is to become. c.mu is held.
func (c *CloudFormation) stateFor(s *stack, in *cfn.CreateChangeSetInput) (state, error) {
	to := state{template: s.template, tags: in.Tags, capabilities: in.Capabilities}
	if in.TemplateBody != nil {
		var err error
		if to.template, err = parse(*in.TemplateBody); err != nil {
			return state{}, err
		}
	} else if s.template == nil {
		return state{}, notValid("UsePreviousTemplate: there is no template yet")
	}
	if in.Tags == nil {
		to.tags = s.tags
	}
	need := to.template.needs()
	given := func(c types.Capability) bool { return slices.Contains(in.Capabilities, c) }
	if need != "" && !given(need) && !(need == types.CapabilityCapabilityIam && given(types.CapabilityCapabilityNamedIam)) {
		return state{}, &types.InsufficientCapabilitiesException{Message: aws.String("Requires capabilities : [" + string(need) + "]")}
	}
	var err error
	to.parameters, err = to.template.values(in.Parameters, s.parameters)
	return to, err
}

// make finds what the change set changes, after a moment.
func (c *CloudFormation) make(ctx context.Context, s *stack, set *changeSet) {
	timer := time.NewTimer(c.o.Moment)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	changes, err := c.compare(s, set.state)
	if err == nil && changesNothing(s, set.state, changes) {
		err = notValid("%s", noChanges)
	}
	if err != nil {
		set.status, set.reason = types.ChangeSetStatusFailed, message(err)
		return
	}
	set.changes, set.status = changes, types.ChangeSetStatusCreateComplete
	set.execution = types.ExecutionStatusAvailable
	if set.basis != s.changes {
		set.execution = types.ExecutionStatusObsolete
	}
}

// executeChangeSet begins to carry a change set out; all others are obsolete
// then.
func (c *CloudFormation) executeChangeSet(in *cfn.ExecuteChangeSetInput) (*cfn.ExecuteChangeSetOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, set, err := c.findChangeSet(in.ChangeSetName, in.StackName)
	if err != nil {
		return nil, err
	}
	if set.status != types.ChangeSetStatusCreateComplete || set.execution != types.ExecutionStatusAvailable || s.inProgress() {
		return nil, refused("InvalidChangeSetStatus", "ChangeSet ["+set.id+"] cannot be executed in its current status of ["+string(set.status)+
			"] and its current execution status of ["+string(set.execution)+"], its stack being in "+string(s.status))
	}
	before := s.state
	for _, other := range s.changeSets {
		other.execution = types.ExecutionStatusObsolete
	}
	set.execution = types.ExecutionStatusExecuteInProgress
	s.changes++
	s.state, s.changeSet, s.token = set.state, set.id, aws.ToString(in.ClientRequestToken)
	s.status, s.reason = types.StackStatusCreateInProgress, "User Initiated"
	if before.template != nil {
		s.status, s.updated = types.StackStatusUpdateInProgress, time.Now()
	}
	c.event(s, s.name, "AWS::CloudFormation::Stack", s.id, types.ResourceStatus(s.status), s.reason)
	c.o.Go(func(ctx context.Context) {
		c.deploy(ctx, s, before)
		c.mu.Lock()
		defer c.mu.Unlock()
		set.execution = types.ExecutionStatusExecuteComplete
		if !slices.Contains(updatable[:2], s.status) {
			set.execution = types.ExecutionStatusExecuteFailed
		}
	})
	return &cfn.ExecuteChangeSetOutput{}, nil
}

// deleteChangeSet takes one away; that it isn't there is fine, that its stack
// isn't there is not.
func (c *CloudFormation) deleteChangeSet(in *cfn.DeleteChangeSetInput) (*cfn.DeleteChangeSetOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, set, err := c.findChangeSet(in.ChangeSetName, in.StackName)
	if err != nil {
		if in.StackName != nil {
			_, err = c.find(in.StackName)
		}
		return &cfn.DeleteChangeSetOutput{}, err
	}
	if set.execution == types.ExecutionStatusExecuteInProgress {
		return nil, refused("InvalidChangeSetStatus", "An operation on this ChangeSet is currently in progress.")
	}
	s.changeSets = slices.DeleteFunc(s.changeSets, func(other *changeSet) bool { return other == set })
	return &cfn.DeleteChangeSetOutput{}, nil
}
