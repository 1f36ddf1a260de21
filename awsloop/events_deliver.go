package awsloop

import (
	"context"
	"errors"
	"strings"
)

// deliver sends the event to each target of a rule, under the knobs for Events.
// The function's queue is all that has to accept it; there is no other attempt.
func (b *Events) deliver(rule string, text []byte, targets []ruleTarget) {
	for _, t := range targets {
		payload := text
		if t.Input != "" {
			payload = []byte(t.Input)
		}
		b.mail.send(func() {
			if code, err := b.handOver(rule, t, payload); err != nil {
				b.server.log.Error("event not delivered", "rule", rule, "target", t.Arn, "event", string(payload), "err", err)
				b.server.spawn(func(ctx context.Context) { b.bury(ctx, rule, t, payload, code, err) })
			}
		})
	}
}

// handOver has the function accept the event, or returns EventBridge's code for
// why it doesn't.
func (b *Events) handOver(rule string, t ruleTarget, payload []byte) (code string, err error) {
	f, err := b.lambda.Find(t.Arn)
	if err != nil {
		return "NO_RESOURCE", err
	}
	if b.inside != nil {
		if err := f.lets("events.amazonaws.com", b.ruleARN(rule)); err != nil {
			return "NO_PERMISSIONS", err
		}
	}
	if err := checkAsync(payload); err != nil {
		return "INVALID_PARAMETER", err
	}
	f.accept(b.server.guid(), payload)
	return "", nil
}

// bury puts the event into the target's queue, if it has one and that lets the
// rule do so. Without the permission to invoke, or without a function, nothing is
// tried again.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func (b *Events) bury(ctx context.Context, rule string, t ruleTarget, payload []byte, code string, cause error) {
	if b.inside == nil || t.DeadLetterConfig == nil {
		return
	}
	queue := *t.DeadLetterConfig.Arn
	policy, err := b.inside.queuePolicy(ctx, queue)
	if err == nil {
		err = allows(policy, "events.amazonaws.com", "sqs:SendMessage", map[string]string{
			"aws:SourceArn": b.ruleARN(rule), "aws:SourceAccount": b.server.options.Account,
		})
	}
	if err == nil {
		err = b.inside.send(ctx, queue, payload, map[string]string{
			"RULE_ARN": b.ruleARN(rule), "TARGET_ARN": t.Arn, "ERROR_CODE": code, "ERROR_MESSAGE": oneLine(cause), "RETRY_ATTEMPTS": "0",
		})
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		b.server.log.Error("undelivered event lost", "rule", rule, "queue", queue, "err", err)
	}
}

// oneLine is an error's text, for an attribute of a message.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
