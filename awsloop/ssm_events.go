package awsloop

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// statusChange is a status change, as both ways of telling it have it.
type statusChange struct {
	kind      types.NotificationType
	resources []string
	instance  string // empty for a command's
	*command
	standing standing
}

func (v *ssmInvocation) invocationEvent() statusChange {
	return statusChange{types.NotificationTypeInvocation, []string{v.instance.arn()}, v.instance.id, v.command, v.standing}
}

func (c *command) commandEvent() statusChange {
	var arns []string
	for _, v := range c.invocations {
		arns = append(arns, v.instance.arn())
	}
	return statusChange{types.NotificationTypeCommand, arns, "", c, c.told}
}

// tell emits the change to EventBridge and, if the command asks for it, to SNS.
func (m *systemsManager) tell(c statusChange) {
	if event, err := json.Marshal(c.event(m.server)); err == nil { // plain strings always marshal
		m.server.emit(event)
	}
	n := c.sent.NotificationConfig
	if n == nil || n.NotificationArn == nil || n.NotificationType != c.kind && (n.NotificationType != "" || c.kind != types.NotificationTypeCommand) {
		return
	}
	event := types.NotificationEvent(c.standing.status())
	wants := slices.Contains(n.NotificationEvents, types.NotificationEventAll) || slices.Contains(n.NotificationEvents, event)
	if wants && slices.Contains(event.Values(), event) { // never Pending nor Cancelling
		m.server.publish(*n.NotificationArn, c.notification())
	}
}

const eventTime = "2006-01-02T15:04:05.000Z"

// event is the change in EventBridge's form.
func (c statusChange) event(s *Server) map[string]any {
	detail := map[string]any{
		"command-id":          c.id,
		"document-name":       c.document,
		"requested-date-time": c.requested.UTC().Format(eventTime),
		"status":              c.standing.status(),
	}
	kind := "EC2 Command Invocation Status-change Notification"
	if c.instance == "" {
		kind = "EC2 Command Status-change Notification"
		detail["expire-after"] = c.expires.UTC().Format(eventTime)
		detail["parameters"] = c.sent.Parameters
	} else {
		detail["instance-id"] = c.instance
	}
	return map[string]any{
		"version": "0", "id": s.uuid(), "detail-type": kind, "source": "aws.ssm",
		"account": s.options.Account, "region": s.options.Region,
		"time": time.Now().UTC().Format(time.RFC3339), "resources": c.resources, "detail": detail,
	}
}

// notification is the change in the form that SSM itself gives to SNS.
func (c statusChange) notification() map[string]any {
	out := map[string]any{
		"commandId":         c.id,
		"documentName":      c.document,
		"requestedDateTime": c.requested.UTC().Format(eventTime),
		"status":            c.standing.status(),
		"eventTime":         time.Now().UTC().Format(eventTime),
	}
	if c.instance != "" {
		out["instanceId"] = c.instance
		return out
	}
	out["instanceIds"] = append([]string{}, c.sent.InstanceIds...)
	out["expiresAfter"] = c.expires.UTC().Format(eventTime)
	out["outputS3BucketName"], out["outputS3KeyPrefix"] = "", ""
	return out
}

// publish sends a message to the topic in moto, in the service's own name, for
// which no signature is needed here.
func (s *Server) publish(topic string, message map[string]any) {
	if s.moto == nil {
		s.log.Warn("publish: there is no moto", "topic", topic)
		return
	}
	text, err := json.Marshal(message)
	if err != nil {
		s.log.Error("publish", "topic", topic, "err", err)
		return
	}
	form := url.Values{"Action": {"Publish"}, "Version": {"2010-03-31"}, "TopicArn": {topic}, "Message": {string(text)}}
	s.spawn(func(ctx context.Context) {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		scope := credential{date: time.Now().UTC().Format("20060102"), region: s.options.Region, service: "sns"}.scope()
		r.Header.Set("Authorization", algorithm+" Credential=AWSLOOP/"+scope+", SignedHeaders=host, Signature=0")
		w := httptest.NewRecorder()
		s.moto.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			s.log.Error("publish", "topic", topic, "status", w.Code, "answer", aws.String(w.Body.String()))
		}
	})
}
