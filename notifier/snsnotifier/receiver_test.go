package snsnotifier

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/notifier/notifiertest"
)

const (
	anyTopic = "arn:aws:sns:ap-northeast-1:123456789012:alerts"
	secret   = "wJalrXUtnFEMI/K7MDENG"
	session  = "FwoGZXIvYXdzEBYaD+token"
)

// subscriber is an SQS queue behind a topic of moto's.
type subscriber struct {
	sqs   *sqs.Client
	queue string
	all   []envelope
}

// envelope is what SNS makes of a message for a queue.
type envelope struct {
	Type, TopicArn, Subject, Message string
	MessageAttributes                map[string]struct{ Type, Value string }

	Attributes map[string]string `json:"-"` // the queue's own
}

var topics atomic.Int32

// open returns a notifier for a new topic, and who is subscribed to it.
func open(t *testing.T, suffix string, chat bool) (*Notifier, *subscriber) {
	t.Helper()
	config := mototest.Config(t, mototest.Start(t))
	client, queues := sns.NewFromConfig(config), sqs.NewFromConfig(config)
	name := aws.String(fmt.Sprintf("alerts-%d%s", topics.Add(1), suffix))
	attributes := map[string]string{}
	if suffix == ".fifo" {
		attributes["FifoTopic"] = "true"
	}
	topic, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: name, Attributes: fifoQueue(suffix)})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := arn.Parse(*topic.TopicArn)
	a.Service = "sqs"
	if _, err := client.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(a.String()),
	}); err != nil {
		t.Fatal(err)
	}
	n, err := New(client, *topic.TopicArn, chat)
	if err != nil {
		t.Fatal(err)
	}
	return n, &subscriber{sqs: queues, queue: *queue.QueueUrl}
}

func fifoQueue(suffix string) map[string]string {
	if suffix == ".fifo" {
		return map[string]string{"FifoQueue": "true"}
	}
	return nil
}

// received returns all that has arrived so far. A queue that is asked without being
// waited for may say that it is empty when it isn't, so the first is waited for.
func (s *subscriber) received(t *testing.T) []envelope {
	t.Helper()
	for {
		wait := int32(0)
		if len(s.all) == 0 {
			wait = 1 // second
		}
		out, err := s.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &s.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameAll},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return s.all
		}
		for _, m := range out.Messages {
			var e envelope
			if err := json.Unmarshal([]byte(*m.Body), &e); err != nil {
				t.Fatalf("%v in %s", err, *m.Body)
			}
			e.Attributes = m.Attributes
			s.all = append(s.all, e)
			if _, err := s.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &s.queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// delivery is the message as a subscriber reads it.
func delivery(t *testing.T, e envelope, chat bool) notifiertest.Delivery {
	t.Helper()
	d := notifiertest.Delivery{
		Key: e.MessageAttributes["key"].Value, Text: e.Message,
		Headers: map[string][]string{"Subject": {e.Subject}},
	}
	for name, a := range e.MessageAttributes {
		d.Headers[name] = []string{a.Value}
	}
	if len(e.Subject) > 99 || strings.ContainsFunc(e.Subject, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("subject %q", e.Subject)
	}
	if chat {
		note := parse(t, e.Message)
		if key := printable(d.Key); note.ID != key {
			t.Errorf("id %q, want the key %q", note.ID, key)
		}
		d.Text = unescape.Replace(strings.Join(append([]string{note.Content.Title, note.Content.Description}, note.Content.NextSteps...), "\n"))
	}
	return d
}

var unescape = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")

// parse reads what Amazon Q Developer would show.
func parse(t *testing.T, message string) notification {
	t.Helper()
	var note notification
	d := json.NewDecoder(strings.NewReader(message))
	d.DisallowUnknownFields()
	if err := d.Decode(&note); err != nil {
		t.Fatalf("%v in %s", err, message)
	}
	if note.Version != "1.0" || note.Source != "custom" || note.Content.TextType != "client-markdown" {
		t.Errorf("not a custom notification: %+v", note)
	}
	return note
}

// client talks to the endpoint with credentials that are secret.
func client(t *testing.T, endpoint string) *sns.Client {
	t.Helper()
	config := mototest.Config(t, endpoint)
	config.Credentials = credentials.NewStaticCredentialsProvider("AKIATEST", secret, session)
	config.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
		})
	}
	return sns.NewFromConfig(config)
}

// serve returns a notifier whose topic is at the handler.
func serve(t *testing.T, chat bool, h http.HandlerFunc) *Notifier {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	n, err := New(client(t, s.URL), anyTopic, chat)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// saying answers with the error, and with everything it was sent.
func saying(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		said, _ := httputil.DumpRequest(q, false)
		w.WriteHeader(status)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s ", code, q.Header.Get("X-Amz-Security-Token"))
		_ = xml.EscapeText(w, said)
		fmt.Fprint(w, "</Message></Error></ErrorResponse>")
	}
}

func hangUp(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

// moody opens an adapter whose receiver is in any mood but the accepting one.
func moody(t *testing.T, mood notifiertest.Mood, chat bool) *Notifier {
	t.Helper()
	switch mood {
	case notifiertest.Refusing:
		return serve(t, chat, saying(http.StatusForbidden, "AuthorizationError"))
	case notifiertest.Overloaded:
		return serve(t, chat, saying(http.StatusServiceUnavailable, "ServiceUnavailable"))
	case notifiertest.HangingUp:
		return serve(t, chat, hangUp)
	case notifiertest.Silent:
		over := make(chan struct{})
		n := serve(t, chat, func(http.ResponseWriter, *http.Request) { <-over })
		t.Cleanup(func() { close(over) })
		return n
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody listens once the notifier is used
	n, err := New(client(t, "http://"+l.Addr().String()), anyTopic, chat)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
