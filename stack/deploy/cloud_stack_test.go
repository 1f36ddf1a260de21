package deploy

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

func itoa(n int) string { return strconv.Itoa(n) }

type fakeStack struct {
	name, id   string
	status     types.StackStatus
	created    time.Time
	updated    *time.Time
	template   string
	parameters []types.Parameter
	tags       []types.Tag
	sets       map[string]*fakeSet
	events     []types.StackEvent // the oldest first
	ends       time.Time          // when what is under way has ended
	finish     func()
}

type fakeSet struct {
	in       *cloudformation.CreateChangeSetInput
	ready    time.Time
	executed types.ExecutionStatus
}

type fakeCloudFormation struct{ *cloud }

func errNoStack(name string) error {
	return apiError("ValidationError", "Stack with id "+name+" does not exist")
}

// pass lets happen what takes time and has taken it.
func (c *cloud) pass() {
	for _, s := range c.stacks {
		if finish := s.finish; finish != nil && !time.Now().Before(s.ends) {
			s.finish = nil
			finish()
		}
	}
}

// find returns the stack of a name, if it isn't deleted, or of an ID.
func (c *cloud) find(name *string) (*fakeStack, error) {
	for _, s := range c.stacks {
		if s.id == *name || s.name == *name && s.status != types.StackStatusDeleteComplete {
			return s, nil
		}
	}
	return nil, errNoStack(*name)
}

func (s *fakeStack) event(id, kind, status, reason string) {
	physical := id
	if kind == "AWS::CloudFormation::Stack" {
		physical, s.status = s.id, types.StackStatus(status)
	}
	e := types.StackEvent{
		EventId: aws.String(itoa(len(s.events))), LogicalResourceId: &id, PhysicalResourceId: &physical, ResourceType: &kind, ResourceStatus: types.ResourceStatus(status), Timestamp: aws.Time(time.Now()),
	}
	if reason != "" {
		e.ResourceStatusReason = &reason
	}
	s.events = append(s.events, e)
}

func (s *fakeStack) own(status, reason string) {
	s.event(s.name, "AWS::CloudFormation::Stack", status, reason)
}

func (f fakeCloudFormation) DescribeStacks(_ context.Context, in *cloudformation.DescribeStacksInput, _ ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	return call(f.cloud, "DescribeStacks", func() (*cloudformation.DescribeStacksOutput, error) {
		s, err := f.find(in.StackName)
		if err != nil {
			return nil, err
		}
		return &cloudformation.DescribeStacksOutput{Stacks: []types.Stack{{
			StackName: &s.name, StackId: &s.id, StackStatus: s.status, CreationTime: &s.created, LastUpdatedTime: s.updated, Parameters: s.parameters, Tags: s.tags,
		}}}, nil
	})
}

func (f fakeCloudFormation) GetTemplate(_ context.Context, in *cloudformation.GetTemplateInput, _ ...func(*cloudformation.Options)) (*cloudformation.GetTemplateOutput, error) {
	return call(f.cloud, "GetTemplate", func() (*cloudformation.GetTemplateOutput, error) {
		s, err := f.find(in.StackName)
		if err != nil {
			return nil, err
		}
		return &cloudformation.GetTemplateOutput{TemplateBody: &s.template}, nil
	})
}

func (f fakeCloudFormation) CreateChangeSet(_ context.Context, in *cloudformation.CreateChangeSetInput, _ ...func(*cloudformation.Options)) (*cloudformation.CreateChangeSetOutput, error) {
	return call(f.cloud, "CreateChangeSet", func() (*cloudformation.CreateChangeSetOutput, error) {
		s, err := f.find(in.StackName)
		switch {
		case err != nil && in.ChangeSetType == types.ChangeSetTypeUpdate:
			return nil, err
		case err != nil:
			id := "arn:aws:cloudformation:eu-central-1:123456789012:stack/" + *in.StackName + "/" + itoa(len(f.stacks))
			s = &fakeStack{name: *in.StackName, id: id, created: time.Now(), sets: map[string]*fakeSet{}}
			s.own("REVIEW_IN_PROGRESS", "User Initiated")
			f.stacks[id] = s
		case in.ChangeSetType == types.ChangeSetTypeCreate && s.status != types.StackStatusReviewInProgress:
			return nil, apiError("ValidationError", "Stack already exists and cannot be created again with the changeSet")
		case s.sets[*in.ChangeSetName] != nil:
			return nil, apiError("AlreadyExistsException", "ChangeSet already exists")
		}
		s.sets[*in.ChangeSetName] = &fakeSet{in: in, ready: time.Now().Add(2 * time.Second), executed: types.ExecutionStatusAvailable}
		return &cloudformation.CreateChangeSetOutput{Id: in.ChangeSetName, StackId: &s.id}, nil
	})
}

// findSet returns a change set and its stack.
func (c *cloud) findSet(stack, name *string) (*fakeStack, *fakeSet, error) {
	s, err := c.find(stack)
	if err != nil {
		return nil, nil, err
	}
	set := s.sets[*name]
	if set == nil {
		return nil, nil, apiError("ChangeSetNotFound", "ChangeSet ["+*name+"] does not exist")
	}
	return s, set, nil
}

// kinds are the types of a template's resources.
func kinds(template string) map[string]string {
	var t struct {
		Resources map[string]struct{ Type string }
	}
	_ = json.Unmarshal([]byte(template), &t)
	all := map[string]string{}
	for id, r := range t.Resources {
		all[id] = r.Type
	}
	return all
}

// DescribeChangeSet has pages of one change, and knows nothing of a change set
// in its first second.
func (f fakeCloudFormation) DescribeChangeSet(_ context.Context, in *cloudformation.DescribeChangeSetInput, _ ...func(*cloudformation.Options)) (*cloudformation.DescribeChangeSetOutput, error) {
	return call(f.cloud, "DescribeChangeSet", func() (*cloudformation.DescribeChangeSetOutput, error) {
		s, set, err := f.findSet(in.StackName, in.ChangeSetName)
		if err != nil {
			return nil, err
		}
		out := &cloudformation.DescribeChangeSetOutput{Status: types.ChangeSetStatusCreateInProgress, ExecutionStatus: set.executed}
		switch left := time.Until(set.ready); {
		case left > time.Second:
			return nil, apiError("ChangeSetNotFound", "not yet")
		case left > 0:
			return out, nil
		}
		out.Status = types.ChangeSetStatusCreateComplete
		was, is := kinds(s.template), kinds(*set.in.TemplateBody)
		var all []types.Change
		for id, kind := range is {
			r := &types.ResourceChange{Action: types.ChangeActionAdd, LogicalResourceId: &id, ResourceType: &kind}
			if was[id] != "" {
				r.Action, r.Replacement = types.ChangeActionModify, types.ReplacementFalse
				r.Details = []types.ResourceChangeDetail{{Target: &types.ResourceTargetDefinition{Attribute: types.ResourceAttributeProperties, Name: aws.String("Code")}}}
			}
			all = append(all, types.Change{ResourceChange: r})
		}
		for id, kind := range was {
			if is[id] == "" {
				all = append(all, types.Change{ResourceChange: &types.ResourceChange{Action: types.ChangeActionRemove, LogicalResourceId: &id, ResourceType: &kind}})
			}
		}
		if s.template == *set.in.TemplateBody && len(set.in.Parameters) == len(s.parameters) && *set.in.Parameters[1].ParameterValue == *s.parameters[1].ParameterValue {
			out.Status, out.StatusReason = types.ChangeSetStatusFailed, aws.String("The submitted information didn't contain changes. Submit different information to create a change set.")
			return out, nil
		}
		slices.SortFunc(all, func(a, b types.Change) int {
			return strings.Compare(*a.ResourceChange.LogicalResourceId, *b.ResourceChange.LogicalResourceId)
		})
		half := len(all) / 2
		if in.NextToken == nil {
			out.Changes, out.NextToken = all[:half], aws.String("more")
		} else {
			out.Changes = all[half:]
		}
		return out, nil
	})
}

func (f fakeCloudFormation) ListChangeSets(_ context.Context, in *cloudformation.ListChangeSetsInput, _ ...func(*cloudformation.Options)) (*cloudformation.ListChangeSetsOutput, error) {
	return call(f.cloud, "ListChangeSets", func() (*cloudformation.ListChangeSetsOutput, error) {
		s, err := f.find(in.StackName)
		if err != nil {
			return nil, err
		}
		out := &cloudformation.ListChangeSetsOutput{}
		for _, name := range slices.Sorted(maps.Keys(s.sets)) {
			out.Summaries = append(out.Summaries, types.ChangeSetSummary{ChangeSetName: &name})
		}
		return out, nil
	})
}

func (f fakeCloudFormation) DeleteChangeSet(_ context.Context, in *cloudformation.DeleteChangeSetInput, _ ...func(*cloudformation.Options)) (*cloudformation.DeleteChangeSetOutput, error) {
	return call(f.cloud, "DeleteChangeSet", func() (*cloudformation.DeleteChangeSetOutput, error) {
		s, err := f.find(in.StackName)
		if err != nil {
			return nil, err
		}
		delete(s.sets, *in.ChangeSetName)
		return &cloudformation.DeleteChangeSetOutput{}, nil
	})
}

func (f fakeCloudFormation) ExecuteChangeSet(_ context.Context, in *cloudformation.ExecuteChangeSetInput, _ ...func(*cloudformation.Options)) (*cloudformation.ExecuteChangeSetOutput, error) {
	return call(f.cloud, "ExecuteChangeSet", func() (*cloudformation.ExecuteChangeSetOutput, error) {
		s, set, err := f.findSet(in.StackName, in.ChangeSetName)
		if err != nil {
			return nil, err
		}
		if set.executed != types.ExecutionStatusAvailable || s.finish != nil {
			return nil, apiError("InvalidChangeSetStatus", "ChangeSet cannot be executed in its current status")
		}
		set.executed, s.tags = types.ExecutionStatusExecuteInProgress, set.in.Tags
		verb := "UPDATE"
		if s.status == types.StackStatusReviewInProgress {
			verb = "CREATE"
		}
		for _, other := range s.sets {
			if other != set {
				other.executed = types.ExecutionStatusObsolete
			}
		}
		s.own(verb+"_IN_PROGRESS", "User Initiated")
		s.ends, s.finish = time.Now().Add(20*time.Second), func() { f.finish(s, set, verb) }
		return &cloudformation.ExecuteChangeSetOutput{}, nil
	})
}

// finish is what CloudFormation has done by the end.
func (c *cloud) finish(s *fakeStack, set *fakeSet, verb string) {
	if kind := kinds(*set.in.TemplateBody)[c.breaks]; kind != "" {
		s.event(c.breaks, kind, verb+"_FAILED", "it can't be made")
		s.event("Other", "AWS::SNS::Topic", verb+"_FAILED", "Resource creation cancelled")
		rolled := strings.TrimPrefix(verb+"_ROLLBACK", "CREATE_")
		s.own(rolled+"_IN_PROGRESS", "The following resource(s) failed to create: ["+c.breaks+"].")
		s.own(rolled+"_COMPLETE", "")
		if verb == "CREATE" {
			s.template, s.parameters, s.tags = *set.in.TemplateBody, set.in.Parameters, set.in.Tags
		}
		return
	}
	s.template, s.parameters, s.tags, s.sets = *set.in.TemplateBody, set.in.Parameters, set.in.Tags, map[string]*fakeSet{}
	set.executed = types.ExecutionStatusExecuteComplete
	s.updated = aws.Time(time.Now())
	for id, kind := range kinds(s.template) {
		s.event(id, kind, verb+"_COMPLETE", "")
		switch kind {
		case "AWS::DynamoDB::Table":
			c.table, c.protected = true, true
		case "AWS::Scheduler::ScheduleGroup":
			c.group = true
		case "AWS::Lambda::Function":
			c.function = true
		case "AWS::SSM::Document":
			c.putDocument()
		}
	}
	s.own(verb+"_COMPLETE_CLEANUP_IN_PROGRESS", "")
	s.own(verb+"_COMPLETE", "")
}

// DescribeStackEvents has pages of ten.
func (f fakeCloudFormation) DescribeStackEvents(_ context.Context, in *cloudformation.DescribeStackEventsInput, _ ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error) {
	return call(f.cloud, "DescribeStackEvents", func() (*cloudformation.DescribeStackEventsOutput, error) {
		s, err := f.find(in.StackName)
		if err != nil {
			return nil, err
		}
		events := slices.Clone(s.events)
		slices.Reverse(events)
		from, _ := strconv.Atoi(aws.ToString(in.NextToken))
		to := min(from+10, len(events))
		out := &cloudformation.DescribeStackEventsOutput{StackEvents: events[min(from, to):to]}
		if to < len(events) {
			out.NextToken = aws.String(itoa(to))
		}
		return out, nil
	})
}

func (f fakeCloudFormation) DeleteStack(_ context.Context, in *cloudformation.DeleteStackInput, _ ...func(*cloudformation.Options)) (*cloudformation.DeleteStackOutput, error) {
	return call(f.cloud, "DeleteStack", func() (*cloudformation.DeleteStackOutput, error) {
		s, _ := f.find(in.StackName)
		if s == nil || s.status == types.StackStatusDeleteComplete {
			return &cloudformation.DeleteStackOutput{}, nil // what isn't there is deleted
		}
		if s.status == types.StackStatusReviewInProgress {
			s.own("DELETE_COMPLETE", "")
			return &cloudformation.DeleteStackOutput{}, nil
		}
		s.own("DELETE_IN_PROGRESS", "User Initiated")
		s.ends, s.finish = time.Now().Add(20*time.Second), func() {
			if kind := kinds(s.template)[f.breaks]; kind != "" {
				s.event(f.breaks, kind, "DELETE_FAILED", "it can't be deleted")
				s.own("DELETE_FAILED", "")
				return
			}
			f.group, f.function, f.schedules, f.documents = false, false, map[string]*fakeSchedule{}, nil
			s.own("DELETE_COMPLETE", "")
		}
		return &cloudformation.DeleteStackOutput{}, nil
	})
}
