// Package snsnotifier publishes messages to an Amazon SNS topic.
//
// A topic is for people, who get a mail or a text to read, or for chat: Amazon
// Q Developer (AWS Chatbot) shows its own JSON alone and drops everything else
// without a word, so that a chat channel needs a topic of its own.
//
// Every message has the attributes job, run, host, status (the event), severity
// (error, warning or info) and key, those that are empty left out; filter
// policies of subscriptions may use them. SNS delivers at least once, and what
// is published again arrives again: by the key a subscriber can tell. A FIFO
// topic drops repeats of the key itself, for five minutes, and keeps the
// messages of a job in order.
package snsnotifier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/solocron/solocron/notifier"
)

const (
	timeout        = 30 * time.Second // of one delivery, if the context allows more
	attributeBytes = 1000
	groupBytes     = 128 // of a FIFO topic's message group
)

// Notifier publishes to one topic.
type Notifier struct {
	client *sns.Client
	topic  arn.ARN
	chat   bool
}

// New returns the notifier for the topic's ARN; chat says that Amazon Q
// Developer reads it. It calls nobody. The hosts that messages link to are
// looked for in the topic's region.
func New(client *sns.Client, topic string, chat bool) (*Notifier, error) {
	a, err := arn.Parse(topic)
	if err != nil || a.Service != "sns" || a.Region == "" || a.AccountID == "" || !isName(a.Resource) {
		return nil, fmt.Errorf("sns topic %q: want an ARN such as arn:aws:sns:ap-northeast-1:123456789012:alerts", topic)
	}
	return &Notifier{client: client, topic: a, chat: chat}, nil
}

// isName tells a topic from a subscription, whose ARN goes on after a colon.
func isName(resource string) bool {
	return resource != "" && !strings.ContainsFunc(resource, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
	})
}

// Notify implements [notifier.Notifier].
func (n *Notifier) Notify(ctx context.Context, m notifier.Message) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	in := &sns.PublishInput{
		TopicArn:          aws.String(n.topic.String()),
		Subject:           aws.String(notifier.Subject(m)), // below 100 characters, and ASCII as SNS once demanded
		Message:           aws.String(n.message(m)),
		MessageAttributes: attributes(m),
	}
	if strings.HasSuffix(n.topic.Resource, ".fifo") {
		in.MessageGroupId = aws.String(group(m.Job))
		in.MessageDeduplicationId = aws.String(hash(m.Key))
	}
	_, err := n.client.Publish(ctx, in)
	return n.explain(ctx, err)
}

func (n *Notifier) message(m notifier.Message) string {
	if n.chat {
		return n.notification(m)
	}
	return n.text(m)
}

// text is what people read. Its parts are cut to some thousand bytes in all,
// so that the 262,144 that SNS takes are far.
func (n *Notifier) text(m notifier.Message) string {
	text := notifier.Text(m)
	if link := consoleLink(n.topic, m.Host); link != "" {
		text += "\nconsole: " + link + "\n"
	}
	return text
}

func attributes(m notifier.Message) map[string]types.MessageAttributeValue {
	list := map[string]types.MessageAttributeValue{}
	for name, value := range map[string]string{
		"job": m.Job, "run": m.Run, "host": m.Host, "key": m.Key,
		"status": string(m.Event), "severity": severity(m.Event),
	} {
		if value != "" { // SNS takes no empty ones
			list[name] = types.MessageAttributeValue{
				DataType: aws.String("String"), StringValue: aws.String(printable(value)),
			}
		}
	}
	return list
}

// severity is how much the event should trouble somebody: what was due and
// wasn't done is an error, what somebody or a rule prevented a warning.
func severity(e notifier.Event) string {
	switch e {
	case notifier.Succeeded, notifier.Recovered:
		return "info"
	case notifier.Overlapped, notifier.Cancelled:
		return "warning"
	}
	return "error"
}

// printable is s for where a machine reads it: on one line, and not too long.
func printable(s string) string {
	s = s[:min(len(s), attributeBytes)]
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// group is the message group of a job: its name, or a hash of one that could
// not be a group's, which takes ASCII without spaces.
func group(job string) string {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if job == "" || len(job) > groupBytes || strings.ContainsFunc(job, odd) {
		return hash(job)
	}
	return job
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// explain says whether a failure is final, and leaves the secrets out.
func (n *Notifier) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("sns topic %s: no answer: %w", n.topic, context.Cause(ctx))
	case refused(err):
		return fmt.Errorf("sns topic %s: %w: %s", n.topic, notifier.ErrFinal, n.clean(ctx, err))
	}
	return fmt.Errorf("sns topic %s: %s", n.topic, n.clean(ctx, err))
}

// refused reports whether SNS will always answer so: no such topic, not ours
// to publish to, or a message that it doesn't take. Anything else may pass,
// a wrong or expired credential included.
func refused(err error) bool {
	var (
		noTopic    *types.NotFoundException
		notAllowed *types.AuthorizationErrorException
		parameter  *types.InvalidParameterException
		value      *types.InvalidParameterValueException
	)
	return errors.As(err, &noTopic) || errors.As(err, &notAllowed) || errors.As(err, &parameter) || errors.As(err, &value)
}

// clean is the error's text without the credentials, which went to whoever
// answered.
func (n *Notifier) clean(ctx context.Context, err error) string {
	var secrets []string
	if provider := n.client.Options().Credentials; provider != nil {
		if c, err := provider.Retrieve(ctx); err == nil {
			secrets = []string{c.SecretAccessKey, c.SessionToken}
		}
	}
	return notifier.NewRedactor(secrets...).Clean(err.Error())
}
