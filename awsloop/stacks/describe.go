package stacks

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

// pageSize is how many changes, events or resources are on a page.
const pageSize = 100

// page cuts out what comes after the token, which is the number of those that
// came before.
func page[T any](all []T, token *string) (part []T, next *string, err error) {
	from := 0
	if token != nil {
		if from, err = strconv.Atoi(*token); err != nil || from < 0 || from > len(all) {
			return nil, nil, notValid("NextToken %s is not one", *token)
		}
	}
	part = all[from:]
	if len(part) > pageSize {
		part, next = part[:pageSize], aws.String(strconv.Itoa(from+pageSize))
	}
	return append([]T{}, part...), next, nil
}

func message(err error) string {
	var known smithy.APIError
	if errors.As(err, &known) {
		return known.ErrorMessage()
	}
	return err.Error()
}

func (c *CloudFormation) describeChangeSet(in *cfn.DescribeChangeSetInput) (*cfn.DescribeChangeSetOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, set, err := c.findChangeSet(in.ChangeSetName, in.StackName)
	if err != nil {
		return nil, err
	}
	changes, next, err := page(set.changes, in.NextToken)
	return &cfn.DescribeChangeSetOutput{
		ChangeSetId: &set.id, ChangeSetName: &set.name, StackId: &s.id, StackName: &s.name,
		Status: set.status, StatusReason: optional(set.reason), ExecutionStatus: set.execution,
		CreationTime: &set.created, Description: optional(set.description), Capabilities: set.capabilities,
		Parameters: set.parametersOf(), Tags: set.tags, Changes: changes, NextToken: next,
		IncludeNestedStacks: aws.Bool(false),
	}, err
}

func (c *CloudFormation) listChangeSets(in *cfn.ListChangeSetsInput) (*cfn.ListChangeSetsOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.find(in.StackName)
	if err != nil {
		return nil, err
	}
	all := []types.ChangeSetSummary{}
	for _, set := range s.changeSets {
		all = append(all, types.ChangeSetSummary{
			ChangeSetId: &set.id, ChangeSetName: &set.name, StackId: &s.id, StackName: &s.name,
			Status: set.status, StatusReason: optional(set.reason), ExecutionStatus: set.execution,
			CreationTime: &set.created, Description: optional(set.description),
		})
	}
	part, next, err := page(all, in.NextToken)
	return &cfn.ListChangeSetsOutput{Summaries: part, NextToken: next}, err
}

// describeStacks leaves deleted stacks out of the list of all.
func (c *CloudFormation) describeStacks(in *cfn.DescribeStacksInput) (*cfn.DescribeStacksOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	some := c.stacks
	if in.StackName != nil {
		s, err := c.find(in.StackName)
		if err != nil {
			return nil, err
		}
		some = []*stack{s}
	}
	all := []types.Stack{}
	for _, s := range some {
		if in.StackName != nil || s.status != types.StackStatusDeleteComplete {
			all = append(all, s.describe())
		}
	}
	part, next, err := page(all, in.NextToken)
	return &cfn.DescribeStacksOutput{Stacks: part, NextToken: next}, err
}

func (s *stack) describe() types.Stack {
	d := types.Stack{
		StackId: &s.id, StackName: &s.name, StackStatus: s.status, StackStatusReason: optional(s.reason),
		CreationTime: &s.created, LastUpdatedTime: optionalTime(s.updated), DeletionTime: optionalTime(s.deleted),
		ChangeSetId: optional(s.changeSet), Capabilities: s.capabilities, Outputs: slices.Clone(s.outputs), Tags: append([]types.Tag{}, s.tags...),
		DisableRollback: aws.Bool(false), EnableTerminationProtection: aws.Bool(false), NotificationARNs: []string{},
		RollbackConfiguration: &types.RollbackConfiguration{},
		DriftInformation:      &types.StackDriftInformation{StackDriftStatus: types.StackDriftStatusNotChecked},
	}
	if s.template != nil {
		d.Description, d.Parameters = optional(s.template.Description), s.parametersOf()
	}
	return d
}

func (c *CloudFormation) describeStackEvents(in *cfn.DescribeStackEventsInput) (*cfn.DescribeStackEventsOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.find(in.StackName)
	if err != nil {
		return nil, notValid("Stack [%s] does not exist", aws.ToString(in.StackName))
	}
	newest := slices.Clone(s.events)
	slices.Reverse(newest)
	part, next, err := page(newest, in.NextToken)
	return &cfn.DescribeStackEventsOutput{StackEvents: part, NextToken: next}, err
}

func (c *CloudFormation) describeStackResources(in *cfn.DescribeStackResourcesInput) (*cfn.DescribeStackResourcesOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.find(in.StackName)
	if err != nil {
		return nil, err
	}
	all := []types.StackResource{}
	for _, id := range sorted(s.resources) {
		if r := s.resources[id]; in.LogicalResourceId == nil || *in.LogicalResourceId == id {
			all = append(all, types.StackResource{
				StackId: &s.id, StackName: &s.name, LogicalResourceId: &r.id, PhysicalResourceId: &r.ID, ResourceType: &r.kind,
				ResourceStatus: r.status, ResourceStatusReason: optional(r.reason), Timestamp: aws.Time(r.at),
			})
		}
	}
	return &cfn.DescribeStackResourcesOutput{StackResources: all}, nil
}

func (c *CloudFormation) describeStackResource(in *cfn.DescribeStackResourceInput) (*cfn.DescribeStackResourceOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.find(in.StackName)
	if err != nil {
		return nil, err
	}
	r := s.resources[aws.ToString(in.LogicalResourceId)]
	if r == nil {
		return nil, notValid("Resource %s does not exist for stack %s", aws.ToString(in.LogicalResourceId), s.name)
	}
	return &cfn.DescribeStackResourceOutput{StackResourceDetail: &types.StackResourceDetail{
		StackId: &s.id, StackName: &s.name, LogicalResourceId: &r.id, PhysicalResourceId: &r.ID, ResourceType: &r.kind,
		ResourceStatus: r.status, ResourceStatusReason: optional(r.reason), LastUpdatedTimestamp: aws.Time(r.at),
	}}, nil
}

func (c *CloudFormation) listStackResources(in *cfn.ListStackResourcesInput) (*cfn.ListStackResourcesOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.find(in.StackName)
	if err != nil {
		return nil, err
	}
	all := []types.StackResourceSummary{}
	for _, id := range sorted(s.resources) {
		r := s.resources[id]
		all = append(all, types.StackResourceSummary{
			LogicalResourceId: &r.id, PhysicalResourceId: &r.ID, ResourceType: &r.kind,
			ResourceStatus: r.status, ResourceStatusReason: optional(r.reason), LastUpdatedTimestamp: aws.Time(r.at),
		})
	}
	part, next, err := page(all, in.NextToken)
	return &cfn.ListStackResourcesOutput{StackResourceSummaries: part, NextToken: next}, err
}

// getTemplate gives the template as it was sent, byte for byte.
func (c *CloudFormation) getTemplate(in *cfn.GetTemplateInput) (*cfn.GetTemplateOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var t *template
	if in.ChangeSetName != nil {
		_, set, err := c.findChangeSet(in.ChangeSetName, in.StackName)
		if err != nil {
			return nil, err
		}
		t = set.template
	} else {
		s, err := c.find(in.StackName)
		if err != nil {
			return nil, err
		}
		t = s.template
	}
	if t == nil {
		return nil, notValid("Stack %s has no template yet", aws.ToString(in.StackName))
	}
	return &cfn.GetTemplateOutput{
		TemplateBody: &t.body, StagesAvailable: []types.TemplateStage{types.TemplateStageOriginal, types.TemplateStageProcessed},
	}, nil
}

func (c *CloudFormation) getTemplateSummary(in *cfn.GetTemplateSummaryInput) (*cfn.GetTemplateSummaryOutput, error) {
	t, err := parse(aws.ToString(in.TemplateBody))
	if in.TemplateBody == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		s, missing := c.find(in.StackName)
		if missing != nil {
			return nil, missing
		}
		t, err = s.template, nil
	}
	if err != nil {
		return nil, err
	}
	out := &cfn.GetTemplateSummaryOutput{Description: optional(t.Description), Parameters: []types.ParameterDeclaration{}}
	for _, name := range sorted(t.Parameters) {
		p := t.Parameters[name]
		out.Parameters = append(out.Parameters, types.ParameterDeclaration{
			ParameterKey: &name, ParameterType: &p.Type, DefaultValue: p.Default, NoEcho: &p.NoEcho, Description: optional(p.Description),
		})
	}
	for _, id := range sorted(t.Resources) {
		out.ResourceTypes = append(out.ResourceTypes, t.Resources[id].Type)
	}
	if need := t.needs(); need != "" {
		out.Capabilities = []types.Capability{need}
	}
	return out, nil
}

// deleteStack begins to remove a stack. That it isn't there is fine.
func (c *CloudFormation) deleteStack(in *cfn.DeleteStackInput) (*cfn.DeleteStackOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.find(in.StackName)
	switch {
	case err != nil || s.status == types.StackStatusDeleteComplete || s.status == types.StackStatusDeleteInProgress:
		return &cfn.DeleteStackOutput{}, nil
	case s.inProgress():
		return nil, notValid("Stack [%s] cannot be deleted while in status %s", s.name, s.status)
	case len(in.RetainResources) > 0 && s.status != types.StackStatusDeleteFailed:
		return nil, notValid("Invalid operation on stack [%s]. RetainResources is for stacks in DELETE_FAILED", s.id)
	}
	s.status, s.reason, s.token, s.deleted = types.StackStatusDeleteInProgress, "User Initiated", aws.ToString(in.ClientRequestToken), time.Now()
	s.changes++
	c.event(s, s.name, "AWS::CloudFormation::Stack", s.id, types.ResourceStatus(s.status), s.reason)
	c.o.Go(func(ctx context.Context) { c.destroy(ctx, s, in.RetainResources) })
	return &cfn.DeleteStackOutput{}, nil
}
