package awsloop

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// command is what one SendCommand made.
type command struct {
	number      int
	id          string
	sent        *ssm.SendCommandInput
	document    string
	content     *content
	arguments   map[string][]string
	script      script
	timeout     time.Duration // from the request to the last delivery
	requested   time.Time
	expires     time.Time
	visible     time.Time // until then no answer mentions it
	invocations []*ssmInvocation
	cancelling  bool
	told        standing // as the last event had it
}

// ssmInvocation is the command on one instance.
type ssmInvocation struct {
	*command
	instance *Instance
	standing standing
	result   result
	expiry   *time.Timer
}

// standing is a StatusDetails, in the spelling without blanks.
type standing string

// The standings. Their meaning is AWS's; nothing follows a final one.
const (
	ssmPending          standing = "Pending"
	ssmDelayed          standing = "Delayed"
	ssmInProgress       standing = "InProgress"
	ssmCancelling       standing = "Cancelling"
	ssmSuccess          standing = "Success"
	ssmFailed           standing = "Failed"
	ssmCancelled        standing = "Cancelled"
	ssmExecutionTimeout standing = "ExecutionTimedOut"
	ssmDeliveryTimeout  standing = "DeliveryTimedOut"
)

func (s standing) final() bool {
	return slices.Contains([]standing{ssmSuccess, ssmFailed, ssmCancelled, ssmExecutionTimeout, ssmDeliveryTimeout}, s)
}

// status is the coarser word of it.
func (s standing) status() string {
	if s == ssmExecutionTimeout || s == ssmDeliveryTimeout {
		return "TimedOut"
	}
	return string(s)
}

// move takes the invocation on, unless it ended before. m.mu is held.
func (v *ssmInvocation) move(to standing) {
	if v.standing.final() || v.standing == to {
		return
	}
	m := v.instance.manager
	v.standing = to
	if to.final() {
		m.forget(v.expiry)
	}
	m.tell(v.invocationEvent())
	if now := v.command.standing(); now != v.told {
		v.told = now
		m.tell(v.commandEvent())
	}
}

// expire is what comes at ExpiresAfter to an invocation without an answer,
// however far it came [W].
func (v *ssmInvocation) expire() { v.move(ssmDeliveryTimeout) }

// standing sums up the invocations. m.mu is held.
func (c *command) standing() standing {
	count := map[standing]int{}
	for _, v := range c.invocations {
		count[v.standing]++
	}
	all := len(c.invocations)
	for s, n := range count { // all alike
		if n == all && s != ssmDelayed {
			return s
		}
	}
	ended := c.ended()
	switch {
	case ended < all && c.cancelling:
		return ssmCancelling
	case ended < all && count[ssmPending]+count[ssmDelayed] == all:
		return ssmPending
	case ended < all:
		return ssmInProgress
	case count[ssmCancelled] > 0 && c.cancelling:
		return ssmCancelled
	}
	return ssmFailed
}

func (c *command) ended() (n int) {
	for _, v := range c.invocations {
		if v.standing.final() {
			n++
		}
	}
	return n
}

// describe is the command as the API gives it. m.mu is held.
func (c *command) describe() types.Command {
	s := c.standing()
	out := types.Command{
		CommandId: &c.id, Comment: aws.String(aws.ToString(c.sent.Comment)),
		DocumentName: &c.document, DocumentVersion: aws.String(aws.ToString(c.sent.DocumentVersion)),
		ExpiresAfter: &c.expires, RequestedDateTime: &c.requested,
		InstanceIds: c.sent.InstanceIds, Targets: c.sent.Targets, Parameters: c.sent.Parameters,
		MaxConcurrency: c.sent.MaxConcurrency, MaxErrors: c.sent.MaxErrors,
		NotificationConfig: c.sent.NotificationConfig, ServiceRole: aws.String(aws.ToString(c.sent.ServiceRoleArn)),
		Status: types.CommandStatus(s.status()), StatusDetails: aws.String(string(s)),
		TargetCount: int32(len(c.invocations)), CompletedCount: int32(c.ended()), //nolint:gosec // few
		TimeoutSeconds: aws.Int32(int32(c.timeout / time.Second)),
	}
	if out.InstanceIds == nil {
		out.InstanceIds = []string{}
	}
	if out.Targets == nil {
		out.Targets = []types.Target{}
	}
	for _, v := range c.invocations {
		switch v.standing {
		case ssmFailed, ssmExecutionTimeout:
			out.ErrorCount++
		case ssmDeliveryTimeout:
			out.DeliveryTimedOutCount++
		}
	}
	return out
}

// invoked is the invocation as ListCommandInvocations gives it. m.mu is held.
func (v *ssmInvocation) invoked(details bool) types.CommandInvocation {
	out := types.CommandInvocation{
		CommandId: &v.id, InstanceId: &v.instance.id, InstanceName: aws.String(v.instance.options.Name),
		Comment: aws.String(aws.ToString(v.sent.Comment)), DocumentName: &v.document,
		DocumentVersion:   aws.String(aws.ToString(v.sent.DocumentVersion)),
		RequestedDateTime: &v.requested, NotificationConfig: v.sent.NotificationConfig,
		Status: types.CommandInvocationStatus(v.standing.status()), StatusDetails: aws.String(string(v.standing)),
		StandardOutputUrl: aws.String(""), StandardErrorUrl: aws.String(""),
		ServiceRole: aws.String(aws.ToString(v.sent.ServiceRoleArn)), CommandPlugins: []types.CommandPlugin{},
	}
	if details {
		out.CommandPlugins = append(out.CommandPlugins, v.plugin())
	}
	return out
}

// plugin is the document's only step. m.mu is held.
func (v *ssmInvocation) plugin() types.CommandPlugin {
	status := v.standing.status()
	if v.standing == ssmDelayed || v.standing == ssmCancelling {
		status = "Pending" // the enumeration has no such words
	}
	out := types.CommandPlugin{
		Name: &v.script.plugin, ResponseCode: v.responseCode(), Output: aws.String(v.result.combined()),
		Status: types.CommandPluginStatus(status), StatusDetails: aws.String(string(v.standing)),
		StandardOutputUrl: aws.String(""), StandardErrorUrl: aws.String(""),
	}
	if r := v.result; !r.ended.IsZero() {
		out.ResponseStartDateTime, out.ResponseFinishDateTime = &r.started, &r.ended
	}
	return out
}

// responseCode is -1 until there is a result, and where there never is one.
func (v *ssmInvocation) responseCode() int32 {
	if v.result.ended.IsZero() {
		return -1
	}
	return int32(v.result.code) //nolint:gosec // an exit code
}
