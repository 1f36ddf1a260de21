package awsloop

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// sendCommand makes a command, twice if the knob says so, and answers with the
// last.
func (m *systemsManager) sendCommand(_ context.Context, in *ssm.SendCommandInput) (*ssm.SendCommandOutput, error) {
	if err := checkSend(in); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	knobs := m.server.Knobs().SSM
	if m.server.roll(knobs.Twice) {
		if _, err := m.send(in, knobs); err != nil {
			return nil, err
		}
	}
	c, err := m.send(in, knobs)
	if err != nil {
		return nil, err
	}
	described := c.described
	return &ssm.SendCommandOutput{Command: &described}, nil
}

var (
	concurrency = regexp.MustCompile(`^([1-9][0-9]*|[1-9][0-9]%|[1-9]%|100%)$`)
	tolerance   = regexp.MustCompile(`^([1-9][0-9]*|0|[1-9][0-9]%|[0-9]%|100%)$`)
)

// checkSend checks what needs no knowledge of documents and instances.
func checkSend(in *ssm.SendCommandInput) error {
	if n := in.TimeoutSeconds; n != nil && (*n < 30 || *n > 2592000) {
		return invalid("timeoutSeconds", *n, "must be from 30 to 2592000")
	}
	if c := aws.ToString(in.Comment); len([]rune(c)) > 100 {
		return invalid("comment", c, "must have length less than or equal to 100")
	}
	if c := in.MaxConcurrency; c != nil && !concurrency.MatchString(*c) {
		return invalid("maxConcurrency", *c, "must satisfy regular expression pattern: "+concurrency.String())
	}
	if e := in.MaxErrors; e != nil && !tolerance.MatchString(*e) {
		return invalid("maxErrors", *e, "must satisfy regular expression pattern: "+tolerance.String())
	}
	if in.OutputS3BucketName != nil || in.CloudWatchOutputConfig != nil && in.CloudWatchOutputConfig.CloudWatchOutputEnabled {
		return refusal("ValidationException", "awsloop sends output neither to S3 nor to CloudWatch")
	}
	if err := checkNotification(in); err != nil {
		return err
	}
	return checkTargets(in)
}

func checkNotification(in *ssm.SendCommandInput) error {
	n := in.NotificationConfig
	switch {
	case n == nil || n.NotificationArn == nil:
		return nil
	case !strings.HasPrefix(*n.NotificationArn, "arn:"):
		return &types.InvalidNotificationConfig{Message: aws.String("The notification ARN isn't valid.")}
	case !strings.HasPrefix(aws.ToString(in.ServiceRoleArn), "arn:"):
		return &types.InvalidRole{Message: aws.String("ServiceRoleArn is required for notifications.")}
	}
	return nil
}

func checkTargets(in *ssm.SendCommandInput) error {
	switch {
	case (len(in.InstanceIds) == 0) == (len(in.Targets) == 0):
		return refusal("ValidationException", "Specify either InstanceIds or Targets.")
	case len(in.InstanceIds) > 50:
		return invalid("instanceIds", len(in.InstanceIds), "must have length less than or equal to 50")
	case len(in.Targets) > 5:
		return invalid("targets", len(in.Targets), "must have length less than or equal to 5")
	}
	for i, id := range in.InstanceIds {
		if !instancePattern.MatchString(id) {
			return invalid("instanceIds", id, "must satisfy regular expression pattern: "+instancePattern.String())
		}
		if slices.Contains(in.InstanceIds[:i], id) {
			return &types.DuplicateInstanceId{Message: aws.String("Instance " + id + " is named twice.")}
		}
	}
	for _, t := range in.Targets {
		if key := aws.ToString(t.Key); key != "InstanceIds" && !strings.HasPrefix(key, "tag:") || len(t.Values) > 50 {
			return invalid("targets", key, "must be InstanceIds or tag:…, with 50 values at most")
		}
	}
	return nil
}

// send makes the command and delivers it. m.mu is held.
func (m *systemsManager) send(in *ssm.SendCommandInput, knobs AgentKnobs) (*sentCommand, error) {
	c, err := m.compose(in)
	if err != nil {
		return nil, err
	}
	instances, err := m.targets(in)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	c.id, c.number, c.told = m.server.uuid(), m.next(), ssmPending
	c.requested, c.visible = now, now
	c.expires = now.Add(c.timeout + time.Duration(c.script.asked)*time.Second)
	if m.server.roll(knobs.Unseen) {
		c.visible = now.Add(knobs.Unseen.For)
	}
	m.commands[c.id] = c
	m.sent = append(m.sent, c)
	for _, i := range instances {
		v := &ssmInvocation{command: c, instance: i, standing: ssmPending}
		v.expiry = m.after(c.expires.Sub(now), v.expire)
		c.invocations = append(c.invocations, v)
	}
	answer := &sentCommand{c, c.describe()}
	for _, v := range c.invocations {
		v.dispatch(knobs)
	}
	return answer, nil
}

// sentCommand is a command with what the answer says: as it was before anything
// came of it.
type sentCommand struct {
	*command
	described types.Command
}

// compose finds the document and puts the parameters in place. m.mu is held.
func (m *systemsManager) compose(in *ssm.SendCommandInput) (*command, error) {
	d, err := m.document(in.DocumentName)
	if err != nil {
		return nil, err
	}
	v, err := d.version(in.DocumentVersion)
	if err != nil {
		return nil, err
	}
	if h := aws.ToString(in.DocumentHash); h != "" && h != v.hash() {
		return nil, &types.InvalidDocument{Message: aws.String("The document's hash is another.")}
	}
	stored := func(name string) (string, bool) { value, ok := m.parameters[name]; return value, ok }
	args, err := v.content.arguments(in.Parameters, stored)
	if err != nil {
		return nil, &types.InvalidParameters{Message: aws.String(err.Error())}
	}
	c := &command{sent: in, document: d.name, content: v.content, arguments: args, script: v.content.script(args), timeout: time.Hour}
	if in.TimeoutSeconds != nil {
		c.timeout = time.Duration(*in.TimeoutSeconds) * time.Second
	}
	if len(c.script.text) > documentLimit {
		return nil, &types.MaxDocumentSizeExceeded{Message: aws.String("The document with its parameters is larger than 64 KB.")}
	}
	return c, nil
}

// targets finds the instances. One that isn't registered, or stopped, makes the
// whole call fail. m.mu is held.
func (m *systemsManager) targets(in *ssm.SendCommandInput) ([]*Instance, error) {
	if len(in.Targets) > 0 {
		return m.matching(in.Targets), nil
	}
	var found []*Instance
	for _, id := range in.InstanceIds {
		i := m.find(id)
		if i == nil || i.stopped {
			return nil, &types.InvalidInstanceId{Message: aws.String(
				fmt.Sprintf("Instances [[%s]] not in a valid state for account %s", id, m.server.options.Account))}
		}
		if i.options.Platform == types.PlatformTypeWindows && *in.DocumentName == "AWS-RunShellScript" {
			return nil, &types.UnsupportedPlatformType{Message: aws.String("The document doesn't run on Windows.")}
		}
		found = append(found, i)
	}
	return found, nil
}

// matching are the running instances that fit all targets. m.mu is held.
func (m *systemsManager) matching(targets []types.Target) []*Instance {
	filters := map[string][]string{}
	for _, t := range targets {
		filters[*t.Key] = t.Values
	}
	var found []*Instance
	for _, i := range m.instances {
		if !i.terminated && !i.stopped && i.fits(filters) {
			found = append(found, i)
		}
	}
	return found
}

// cancelCommand asks for the end of what hasn't ended; there is no guarantee.
func (m *systemsManager) cancelCommand(_ context.Context, in *ssm.CancelCommandInput) (*ssm.CancelCommandOutput, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.command(in.CommandId)
	if err != nil {
		return nil, err
	}
	for _, id := range in.InstanceIds {
		if !slices.ContainsFunc(c.invocations, func(v *ssmInvocation) bool { return v.instance.id == id }) {
			return nil, &types.InvalidInstanceId{Message: aws.String("The command wasn't sent to " + id + ".")}
		}
	}
	c.cancelling = true
	for _, v := range c.invocations {
		if len(in.InstanceIds) == 0 || slices.Contains(in.InstanceIds, v.instance.id) {
			v.cancel()
		}
	}
	return &ssm.CancelCommandOutput{}, nil
}

// command finds one by its ID. m.mu is held.
func (m *systemsManager) command(id *string) (*command, error) {
	c := m.commands[aws.ToString(id)]
	if c == nil {
		return nil, &types.InvalidCommandId{Message: aws.String("The command " + aws.ToString(id) + " doesn't exist.")}
	}
	return c, nil
}
