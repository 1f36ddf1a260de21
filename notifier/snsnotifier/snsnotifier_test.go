package snsnotifier

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/notifier/notifiertest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	code := mototest.Run(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func TestNotifier(t *testing.T) {
	for name, chat := range map[string]bool{"people": false, "chat": true} {
		t.Run(name, func(t *testing.T) {
			notifiertest.Run(t, notifiertest.Subject{
				Secrets: []string{secret, session},
				Open: func(t *testing.T, mood notifiertest.Mood) notifiertest.Receiver {
					if mood != notifiertest.Accepting {
						nothing := func() []notifiertest.Delivery { return nil }
						return notifiertest.Receiver{Notifier: moody(t, mood, chat), Received: nothing}
					}
					n, s := open(t, "", chat)
					return notifiertest.Receiver{Notifier: n, Received: func() (list []notifiertest.Delivery) {
						for _, e := range s.received(t) {
							list = append(list, delivery(t, e, chat))
						}
						return list
					}}
				},
			})
		})
	}
}

// message is an ordinary one, from an instance.
func message() notifier.Message {
	m := notifiertest.Message()
	m.Host = "i-0123456789abcdef0"
	return m
}

// publish delivers m and returns what arrived of it.
func publish(t *testing.T, n *Notifier, s *subscriber, m notifier.Message) envelope {
	t.Helper()
	if err := n.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := s.received(t)
	if len(got) != 1 {
		t.Fatalf("%d messages arrived, want 1", len(got))
	}
	return got[0]
}

func TestAsASubscriberSeesIt(t *testing.T) {
	n, s := open(t, "", false)
	got := publish(t, n, s, message())
	if got.Type != "Notification" || got.TopicArn != n.topic.String() {
		t.Errorf("arrived: %+v", got)
	}
	golden(t, "failed.txt", "Subject: "+got.Subject+"\n\n"+got.Message)
	attributes := map[string]string{}
	for name, a := range got.MessageAttributes {
		if a.Type != "String" {
			t.Errorf("attribute %s is a %s", name, a.Type)
		}
		attributes[name] = a.Value
	}
	want := map[string]string{
		"job": "nightly", "run": "nightly@20261122T023000Z", "host": "i-0123456789abcdef0",
		"status": "failed", "severity": "error", "key": "nightly@20261122T023000Z/2/failed",
	}
	if diff := cmp.Diff(want, attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("go test ./notifier/snsnotifier -update accepts (-want +got):\n%s", diff)
	}
}

func TestFIFO(t *testing.T) {
	n, s := open(t, ".fifo", false)
	for range 2 {
		if err := n.Notify(t.Context(), message()); err != nil {
			t.Fatal(err)
		}
	}
	got := s.received(t)
	if len(got) != 1 {
		t.Fatalf("%d messages arrived, want the repeat dropped", len(got))
	}
	if id := got[0].Attributes["MessageGroupId"]; id != "nightly" {
		t.Errorf("group %q, want the job", id)
	}
}

func TestGroup(t *testing.T) {
	for job, want := range map[string]string{
		"nightly": "nightly", "a.b_c-d:e": "a.b_c-d:e", strings.Repeat("x", 128): strings.Repeat("x", 128),
		"": hash(""), "two words": hash("two words"), "日本": hash("日本"), strings.Repeat("x", 129): hash(strings.Repeat("x", 129)),
	} {
		if got := group(job); got != want || len(got) > 128 {
			t.Errorf("group(%q) = %q, want %q", job, got, want)
		}
	}
}

// Everything that a message may hold, as long and as odd as it comes, stays
// below what SNS takes, attributes included.
func TestSize(t *testing.T) {
	for _, piece := range []string{"x", "\x00", "\xff", "\u202e", "日", "<", "`", "&\n"} {
		long := strings.Repeat(piece, 300_000)
		m := message()
		m.Key, m.Job, m.Run, m.Host, m.State, m.Reason, m.Tail, m.More = long, long, long, "i-"+long, long, long, long, long
		for _, event := range []notifier.Event{notifier.Failed, notifier.Event(long)} {
			m.Event = event
			for _, chat := range []bool{false, true} {
				n := &Notifier{topic: arn.ARN{Partition: "aws", Region: "ap-northeast-1"}, chat: chat}
				size := len(n.message(m))
				for name, a := range attributes(m) {
					size += len(name) + len(*a.DataType) + len(*a.StringValue)
				}
				if size > 64<<10 { // of 256 KiB
					t.Errorf("%q, %.20q, chat %t: %d bytes", piece, event, chat, size)
				}
			}
		}
	}
}

func TestSeverity(t *testing.T) {
	want := map[notifier.Event]string{
		notifier.Failed: "error", notifier.TimedOut: "error", notifier.Lost: "error", notifier.Skipped: "error",
		notifier.Overlapped: "warning", notifier.Cancelled: "warning", notifier.Succeeded: "info", notifier.Recovered: "info",
	}
	for _, e := range notifier.Events {
		if severity(e) != want[e] {
			t.Errorf("severity(%s) = %q, want %q", e, severity(e), want[e])
		}
	}
}

func TestRefused(t *testing.T) {
	for code, want := range map[string]bool{
		"NotFound": true, "AuthorizationError": true, "InvalidParameter": true, "ParameterValueInvalid": true,
		"Throttled": false, "InternalError": false, "KMSAccessDenied": false, "KMSDisabled": false, "EndpointDisabled": false,
		"ExpiredToken": false, "InvalidClientTokenId": false, "SignatureDoesNotMatch": false,
	} {
		err := serve(t, false, saying(http.StatusBadRequest, code)).Notify(t.Context(), message())
		if err == nil || errors.Is(err, notifier.ErrFinal) != want || !strings.Contains(err.Error(), anyTopic) || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v; want final %t", code, err, want)
		}
	}
}

func TestTopicThatIsGone(t *testing.T) {
	n, _ := open(t, "", false)
	if _, err := n.client.DeleteTopic(t.Context(), &sns.DeleteTopicInput{TopicArn: aws.String(n.topic.String())}); err != nil {
		t.Fatal(err)
	}
	if err := n.Notify(t.Context(), message()); !errors.Is(err, notifier.ErrFinal) {
		t.Errorf("Notify = %v, want ErrFinal", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, topic := range []string{
		"", "alerts", "arn:aws:sns", "arn:aws:sqs:ap-northeast-1:123456789012:alerts", "arn:aws:sns:ap-northeast-1:123456789012:",
		"arn:aws:sns::123456789012:alerts", "arn:aws:sns:ap-northeast-1::alerts",
		"arn:aws:sns:ap-northeast-1:123456789012:alerts:6b0e71bd-7e97-4d97-80ce-4a0994e55286", "arn:aws:sns:ap-northeast-1:123456789012:al erts",
	} {
		if _, err := New(nil, topic, false); err == nil || !strings.Contains(err.Error(), "want an ARN") {
			t.Errorf("New(%q): %v", topic, err)
		}
	}
}

func TestConsoleLink(t *testing.T) {
	const page = "/systems-manager/run-command/executed-commands?region="
	for _, c := range []struct{ partition, region, host, want string }{
		{"aws", "ap-northeast-1", "i-0123456789abcdef0", "https://console.aws.amazon.com" + page + "ap-northeast-1"},
		{"aws", "eu-central-1", "mi-0123456789abcdef0", "https://console.aws.amazon.com" + page + "eu-central-1"},
		{"aws-cn", "cn-north-1", "i-0123456789abcdef0", "https://console.amazonaws.cn" + page + "cn-north-1"},
		{"aws-us-gov", "us-gov-west-1", "i-0123456789abcdef0", "https://console.amazonaws-us-gov.com" + page + "us-gov-west-1"},
		{"aws-iso", "us-iso-east-1", "i-0123456789abcdef0", ""},
		{"aws", "ap-northeast-1", "web-2", ""},
		{"aws", "ap-northeast-1", "", ""},
	} {
		if got := consoleLink(arn.ARN{Partition: c.partition, Region: c.region}, c.host); got != c.want {
			t.Errorf("%s, %s, %s: %q, want %q", c.partition, c.region, c.host, got, c.want)
		}
	}
}
