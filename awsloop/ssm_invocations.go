package awsloop

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// getCommandInvocation is eventually consistent: what was just sent may not
// exist yet. Output is there once the command ended, its beginning only.
func (m *systemsManager) getCommandInvocation(
	_ context.Context, in *ssm.GetCommandInvocationInput,
) (*ssm.GetCommandInvocationOutput, error) {
	if id := aws.ToString(in.CommandId); !commandPattern.MatchString(id) {
		return nil, invalid("commandId", id, "must have length 36")
	}
	if id := aws.ToString(in.InstanceId); !instancePattern.MatchString(id) {
		return nil, invalid("instanceId", id, "must satisfy regular expression pattern: "+instancePattern.String())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.commands[*in.CommandId]
	if c == nil || !c.seen(time.Now()) {
		return nil, &types.InvocationDoesNotExist{}
	}
	i := slices.IndexFunc(c.invocations, func(v *ssmInvocation) bool { return v.instance.id == *in.InstanceId })
	if i < 0 {
		return nil, &types.InvocationDoesNotExist{}
	}
	v := c.invocations[i]
	if in.PluginName != nil && *in.PluginName != v.script.plugin {
		return nil, &types.InvalidPluginName{Message: in.PluginName}
	}
	r := v.result
	out := &ssm.GetCommandInvocationOutput{
		CommandId: &v.id, InstanceId: &v.instance.id, Comment: aws.String(aws.ToString(v.sent.Comment)),
		DocumentName: &v.document, DocumentVersion: aws.String(aws.ToString(v.sent.DocumentVersion)),
		PluginName: &v.script.plugin, ResponseCode: v.responseCode(),
		Status: types.CommandInvocationStatus(v.standing.status()), StatusDetails: aws.String(string(v.standing)),
		StandardOutputContent: &r.stdout, StandardErrorContent: &r.stderr,
		StandardOutputUrl: aws.String(""), StandardErrorUrl: aws.String(""),
		ExecutionStartDateTime: aws.String(""), ExecutionEndDateTime: aws.String(""), ExecutionElapsedTime: aws.String(""),
		CloudWatchOutputConfig: &types.CloudWatchOutputConfig{CloudWatchLogGroupName: aws.String("")},
	}
	if !r.ended.IsZero() {
		out.ExecutionStartDateTime, out.ExecutionEndDateTime = stamp(r.started), stamp(r.ended)
		out.ExecutionElapsedTime = aws.String(fmt.Sprintf("PT%.3fS", r.ended.Sub(r.started).Seconds()))
	}
	return out, nil
}

// stamp is the form of the times that are strings.
func stamp(t time.Time) *string {
	return aws.String(t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

// seen says whether answers mention the command yet.
func (c *command) seen(now time.Time) bool { return !now.Before(c.visible) }

// listCommands lists the newest first.
func (m *systemsManager) listCommands(_ context.Context, in *ssm.ListCommandsInput) (*ssm.ListCommandsOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found, err := m.search(in.Filters, in.CommandId, in.InstanceId, (*command).standing)
	if err != nil {
		return nil, err
	}
	limit, err := pageSize(in.MaxResults, 1, 50)
	if err != nil {
		return nil, err
	}
	some, token, err := page(found, func(c *command) int { return -c.number }, in.NextToken, limit)
	if err != nil {
		return nil, err
	}
	out := &ssm.ListCommandsOutput{Commands: []types.Command{}, NextToken: token}
	for _, c := range some {
		out.Commands = append(out.Commands, c.describe())
	}
	return out, nil
}

// listCommandInvocations lists the newest command's first.
func (m *systemsManager) listCommandInvocations(
	_ context.Context, in *ssm.ListCommandInvocationsInput,
) (*ssm.ListCommandInvocationsOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	status := wanted(in.Filters, types.CommandFilterKeyStatus)
	filters := slices.DeleteFunc(slices.Clone(in.Filters), func(f types.CommandFilter) bool {
		return f.Key == types.CommandFilterKeyStatus // here it is the invocation's own
	})
	commands, err := m.search(filters, in.CommandId, in.InstanceId, nil)
	if err != nil {
		return nil, err
	}
	type numbered struct {
		*ssmInvocation
		number int
	}
	var found []numbered
	for _, c := range commands {
		for n, v := range c.invocations {
			if (in.InstanceId == nil || *in.InstanceId == v.instance.id) && (status == "" || status == v.standing.status()) {
				found = append(found, numbered{v, -c.number<<16 + n})
			}
		}
	}
	limit, err := pageSize(in.MaxResults, 1, 50)
	if err != nil {
		return nil, err
	}
	some, token, err := page(found, func(v numbered) int { return v.number }, in.NextToken, limit)
	if err != nil {
		return nil, err
	}
	out := &ssm.ListCommandInvocationsOutput{CommandInvocations: []types.CommandInvocation{}, NextToken: token}
	for _, v := range some {
		out.CommandInvocations = append(out.CommandInvocations, v.invoked(in.Details))
	}
	return out, nil
}

// search finds the commands that pass all filters, newest first. m.mu is held.
func (m *systemsManager) search(
	filters []types.CommandFilter, id, instance *string, standing func(*command) standing,
) ([]*command, error) {
	tests, err := commandFilters(filters, standing)
	if err != nil {
		return nil, err
	}
	if id != nil {
		if !commandPattern.MatchString(*id) {
			return nil, invalid("commandId", *id, "must have length 36")
		}
		tests = append(tests, func(c *command) bool { return c.id == *id })
	}
	if instance != nil {
		if !instancePattern.MatchString(*instance) {
			return nil, invalid("instanceId", *instance, "must satisfy regular expression pattern: "+instancePattern.String())
		}
		tests = append(tests, func(c *command) bool {
			return slices.ContainsFunc(c.invocations, func(v *ssmInvocation) bool { return v.instance.id == *instance })
		})
	}
	now := time.Now()
	var found []*command
	for _, c := range slices.Backward(m.sent) {
		if c.seen(now) && !slices.ContainsFunc(tests, func(passes func(*command) bool) bool { return !passes(c) }) {
			found = append(found, c)
		}
	}
	return found, nil
}

func commandFilters(filters []types.CommandFilter, standing func(*command) standing) ([]func(*command) bool, error) {
	if len(filters) > 5 {
		return nil, invalid("filters", len(filters), "must have length less than or equal to 5")
	}
	var tests []func(*command) bool
	for _, f := range filters {
		value := aws.ToString(f.Value)
		switch f.Key {
		case types.CommandFilterKeyInvokedAfter, types.CommandFilterKeyInvokedBefore:
			at, err := time.Parse(time.RFC3339, value)
			if err != nil {
				return nil, refusal("ValidationException", "The filter "+string(f.Key)+" takes a time such as 2021-07-07T00:00:00Z.")
			}
			after := f.Key == types.CommandFilterKeyInvokedAfter
			tests = append(tests, func(c *command) bool { return after && c.requested.After(at) || !after && c.requested.Before(at) })
		case types.CommandFilterKeyStatus:
			tests = append(tests, func(c *command) bool { return strings.EqualFold(standing(c).status(), value) })
		case types.CommandFilterKeyDocumentName:
			tests = append(tests, func(c *command) bool { return c.document == value })
		default:
			return nil, &types.InvalidFilterKey{Message: aws.String("awsloop doesn't know the filter " + string(f.Key))}
		}
	}
	return tests, nil
}

// wanted is the value of a filter, or "".
func wanted(filters []types.CommandFilter, key types.CommandFilterKey) string {
	for _, f := range filters {
		if f.Key == key {
			return aws.ToString(f.Value)
		}
	}
	return ""
}
