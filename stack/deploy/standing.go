package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/policy"
	"github.com/solocron/solocron/stack/template"
)

// standing is a stack that is there.
type standing struct {
	id         string
	status     string
	changed    time.Time
	parameters map[string]string
	tags       map[string]string
	template   string // as it was deployed
}

// StateError says that the stack is in a state in which it can't be changed.
type StateError struct {
	Name, Status string
	Remedy       string
}

func (e *StateError) Error() string {
	return fmt.Sprintf("stack %s is %s: %s", e.Name, e.Status, e.Remedy)
}

// standing returns the stack, or nil if there is none. One of which no more is
// there than an unexecuted change set counts as none.
func (a *Account) standing(ctx context.Context, name string) (*standing, error) {
	s, err := a.describeStack(ctx, name)
	if err != nil || s == nil || s.StackStatus == types.StackStatusReviewInProgress || s.StackStatus == types.StackStatusDeleteComplete {
		return nil, err
	}
	found := &standing{id: aws.ToString(s.StackId), status: string(s.StackStatus), changed: aws.ToTime(s.CreationTime), parameters: map[string]string{}, tags: map[string]string{}}
	if s.LastUpdatedTime != nil {
		found.changed = *s.LastUpdatedTime
	}
	for _, p := range s.Parameters {
		found.parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, t := range s.Tags {
		found.tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	if found.tags[template.Tag] != name {
		return nil, fmt.Errorf("stack %s is there, but it is not solocron's (it has no tag %s=%s): give the ledger's table another name", name, template.Tag, name)
	}
	out, err := a.CloudFormation.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &found.id, TemplateStage: types.TemplateStageOriginal})
	if err != nil {
		return nil, fmt.Errorf("template of stack %s: %w", name, err)
	}
	found.template = aws.ToString(out.TemplateBody)
	return found, nil
}

// describeStack returns the stack of a name or an ID; nil if there is none.
func (a *Account) describeStack(ctx context.Context, stack string) (*types.Stack, error) {
	out, err := a.CloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack})
	switch {
	case noStack(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("stack %s: %w", stack, err)
	case len(out.Stacks) == 0:
		return nil, nil
	}
	return &out.Stacks[0], nil
}

// noStack tells CloudFormation's "Stack with id NAME does not exist", which has
// no code of its own.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
func noStack(err error) bool {
	return errorCode(err) == "ValidationError" && strings.Contains(err.Error(), "does not exist")
}

func busy(status string) bool { return strings.HasSuffix(status, "_IN_PROGRESS") }

// ready reports why the stack can't be changed now, if it can't.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html lists the states.
func (s *standing) ready(name string) error {
	refuse := func(remedy string) error { return &StateError{Name: name, Status: s.status, Remedy: remedy} }
	switch types.StackStatus(s.status) {
	case types.StackStatusCreateComplete, types.StackStatusUpdateComplete, types.StackStatusUpdateRollbackComplete,
		types.StackStatusImportComplete, types.StackStatusImportRollbackComplete:
		return nil
	case types.StackStatusCreateFailed, types.StackStatusRollbackComplete, types.StackStatusRollbackFailed:
		return refuse("its creation failed, and nothing can be done to it but removing it: solocron destroy --confirm " + name + ", then apply again")
	case types.StackStatusDeleteFailed:
		return refuse("its removal failed: solocron destroy --confirm " + name + " goes on with it")
	case types.StackStatusUpdateRollbackFailed:
		return refuse("going back to the last good state failed; once the cause is gone: aws cloudformation continue-update-rollback --stack-name " + name)
	case types.StackStatusUpdateFailed:
		return refuse("an update failed and was left as it was; aws cloudformation rollback-stack --stack-name " + name + " takes it back")
	}
	if busy(s.status) {
		return refuse("CloudFormation is at work on it; try again when it has ended")
	}
	return refuse("nothing that solocron does leads there; CloudFormation's console says what can be done")
}

// serves reports whether the function is there.
func (s *standing) serves() bool {
	return s != nil && !strings.HasPrefix(s.status, "ROLLBACK_") && !strings.HasPrefix(s.status, "DELETE_") && !strings.HasPrefix(s.status, "CREATE_FAILED")
}

// hasTable reports whether the stack made the ledger's table.
func (s *standing) hasTable() bool {
	if s == nil {
		return false
	}
	var t struct {
		Resources map[string]struct{ Type string }
	}
	if json.Unmarshal([]byte(s.template), &t) != nil {
		return false
	}
	for _, r := range t.Resources {
		if r.Type == "AWS::DynamoDB::Table" {
			return true
		}
	}
	return false
}

// intent is what the stack is to be.
type intent struct {
	template   string
	parameters map[string]string
	tags       map[string]string
	roles      []policy.Role // of the template
}

// intent is what the stack is to be in the place of the one that is there, if
// any, whose further tags it keeps.
func (a *Account) intent(i *stack.Installation, s *standing, adopt bool, bucket string) (intent, error) {
	w := intent{parameters: map[string]string{template.CodeBucket: bucket, template.CodeKey: a.Code.Key()}, tags: map[string]string{template.Tag: i.Name}}
	if s != nil {
		w.tags = s.tags
	}
	roles, err := policy.Roles(i)
	if err != nil {
		return w, err
	}
	made, err := template.New(i, roles, template.Options{Architecture: a.Code.Architecture, Adopt: adopt})
	if err != nil {
		return w, err
	}
	text, err := made.CloudFormation()
	w.template, w.roles = string(text), roles
	return w, err
}

// is reports whether the stack is as intended, so that there is no need to ask
// CloudFormation for a change set.
func (s *standing) is(w intent) bool {
	return maps.Equal(s.parameters, w.parameters) && sameJSON(s.template, w.template)
}

// sameJSON is quick where nothing was written anew.
func sameJSON(a, b string) bool { return a == b || stack.SameJSON([]byte(a), []byte(b)) }
