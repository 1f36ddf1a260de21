package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"go.uber.org/goleak"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/deploy"
)

func TestMain(m *testing.M) {
	code := mototest.Run(m)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// function is a scheduler that answers as the test wants.
type function struct {
	release        string
	down, rehearse error
	rehearsed      []string
}

func (f *function) Release(context.Context) (string, error) { return f.release, f.down }

func (f *function) Rehearse(_ context.Context, host string, _ bool) error {
	f.rehearsed = append(f.rehearsed, host)
	return f.rehearse
}

// patient is an installation in which all is well, in an account of its own.
type patient struct {
	*Doctor
	t        *testing.T
	plan     *deploy.Plan
	function *function
	sns      *sns.Client
	sqs      *sqs.Client
	topic    string
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	name := "p" + strings.ToLower(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, strings.TrimPrefix(t.Name(), "TestExamine")))
	name = name[:min(len(name), 25)]
	f, err := job.Decode("jobs.yaml", []byte(`
ledger: dynamodb://`+mototest.Region+"/"+name+`
fleet: {region: `+mototest.Region+`}
notify: {targets: {ops: {sns: {topic: `+name+`}}}}
jobs: {nightly: {schedule: "@daily", hosts: {cron: "true"}, command: x}}
`))
	if err != nil {
		t.Fatal(err)
	}
	i := &stack.Installation{Name: name, Region: mototest.Region, File: f}
	loop := awsloop.New(awsloop.Options{Moto: mototest.Start(t), Region: mototest.Region, Dir: t.TempDir()})
	t.Cleanup(func() {
		if err := loop.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := loop.Config(mototest.Region)
	p := &patient{
		t: t, function: &function{release: "v1"}, sns: sns.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg),
		plan: &deploy.Plan{
			Stack: deploy.StackChange{Action: deploy.None, Status: "CREATE_COMPLETE"}, Unchanged: 1, Schedules: deploy.Schedules{Keep: 1},
			Hosts: []deploy.Hosts{{Selector: map[string]string{"cron": "true"}, Jobs: []string{"nightly"}, Match: []string{"i-1", "i-2"}}},
		},
	}
	p.Doctor = &Doctor{
		Installation: i, Release: "v1", Scheduler: p.function, Now: time.Now,
		STS: sts.NewFromConfig(cfg), SSM: ssm.NewFromConfig(cfg), SNS: p.sns, SQS: p.sqs,
		Plan: func(context.Context) (*deploy.Plan, error) { return p.plan, nil },
	}
	p.must(p.SSM.CreateDocument(t.Context(), &ssm.CreateDocumentInput{
		Name: aws.String("solocron"), Content: aws.String(string(guard.Document())), DocumentType: types.DocumentTypeCommand, DocumentFormat: types.DocumentFormatJson,
	}))
	for _, queue := range []string{i.ScheduleQueue(), i.EventQueue()} {
		p.must(p.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &queue}))
	}
	made, err := p.sns.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	p.must(made, err)
	p.topic = *made.TopicArn
	p.must(p.sns.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: &p.topic, Protocol: aws.String("email"), Endpoint: aws.String("a@example.com")}))
	return p
}

func (p *patient) must(_ any, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// step finds a step in the tree.
func step(f *Finding, name string) *Finding {
	if f.Step == name {
		return f
	}
	for i := range f.Below {
		if found := step(&f.Below[i], name); found != nil {
			return found
		}
	}
	return nil
}

func TestExamineOne(t *testing.T) {
	p := newPatient(t)
	found := p.Examine(t.Context())
	if found.Worst() != OK {
		t.Errorf("%+v", found)
	}
	if !slices.Equal(p.function.rehearsed, []string{"i-1"}) {
		t.Errorf("rehearsed on %v", p.function.rehearsed)
	}
}

// Whatever is wrong is found at its step, with a remedy, and what rests on it is
// not looked at.
func TestExamineSick(t *testing.T) {
	tests := []struct {
		name    string
		spoil   func(p *patient)
		step    string
		health  Health
		says    string
		unknown []string
	}{
		{"clock", func(p *patient) { p.Now = func() time.Time { return time.Now().Add(2 * time.Minute) } },
			"clock", Warning, "ahead of AWS's", nil},
		{"stale", func(p *patient) { p.Now = func() time.Time { return time.Now().Add(-2 * time.Minute) } },
			"clock", Warning, "behind AWS's", nil},
		{"none", func(p *patient) { p.plan.Stack.Status, p.plan.Stack.Action = "", deploy.Create },
			"stack", Bad, "there is none", []string{"function", "claim", "topics", "undelivered"}},
		{"unreadable", func(p *patient) {
			p.Plan = func(context.Context) (*deploy.Plan, error) { return nil, errors.New("AccessDenied") }
		}, "stack", Bad, "AccessDenied", []string{"function", "jobs", "hosts"}},
		{"changed", func(p *patient) {
			p.plan.Stack.Action, p.plan.Stack.Resources = deploy.Update, make([]deploy.Resource, 3)
		},
			"stack", Warning, "3 resources would change", nil},
		{"down", func(p *patient) { p.function.down = errors.New("no answer") }, "function", Bad, "no answer", []string{"claim"}},
		{"elsewhere", func(p *patient) { p.plan.Stack.Status, p.plan.Stack.Elsewhere = "", true }, "stack", OK, "left to", nil},
		{"old", func(p *patient) { p.function.release = "v0" }, "function", Warning, "solocron v0, and this is v1", nil},
		{"edited", func(p *patient) { p.plan.Jobs = []deploy.JobChange{{Action: deploy.Update, Name: "nightly"}} }, "jobs", Warning, "1 to change", nil},
		{"paused", func(p *patient) {
			p.plan.Paused = []string{"nightly, by ann"}
		}, "nightly", Warning, "paused by ann", nil},
		{"unscheduled", func(p *patient) { p.plan.Schedules.Create = 2 }, "schedules", Warning, "2 are missing", nil},
		{"disabled", func(p *patient) { p.plan.Schedules.Disabled = []string{"nightly.x"} }, "nightly.x", Warning, "switched off", nil},
		{"lonely", func(p *patient) {
			p.plan.Hosts[0].Match, p.plan.Hosts[0].Others = nil, []deploy.Rejected{{Host: "i-9", Reason: "SSM agent ConnectionLost"}}
		}, "i-9", Warning, "ConnectionLost", nil},
		{"unlisted", func(p *patient) { p.plan.Hosts[0].Match, p.plan.Hosts[0].Error = nil, "AccessDenied" }, "hosts", Bad, "could not be listed", nil},
		{"document", func(p *patient) {
			p.must(p.SSM.DeleteDocument(p.t.Context(), &ssm.DeleteDocumentInput{Name: aws.String("solocron")}))
		}, "document", Bad, "InvalidDocument", nil},
		{"foreign", func(p *patient) {
			p.must(p.SSM.UpdateDocument(p.t.Context(), &ssm.UpdateDocumentInput{Name: aws.String("solocron"), DocumentVersion: aws.String("$LATEST"), DocumentFormat: types.DocumentFormatJson,
				Content: aws.String(strings.Replace(string(guard.Document()), "Linux", "MacOS", 1))}))
			p.must(p.SSM.UpdateDocumentDefaultVersion(p.t.Context(), &ssm.UpdateDocumentDefaultVersionInput{Name: aws.String("solocron"), DocumentVersion: aws.String("2")}))
		}, "document", Bad, "version 2", nil},
		{"claimless", func(p *patient) { p.function.rehearse = errors.New("the claim was not made: curl: (28)") }, "claim", Bad, "curl: (28)", nil},
		{"deaf", func(p *patient) {
			subs, err := p.sns.ListSubscriptionsByTopic(p.t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: &p.topic})
			p.must(subs, err)
			p.must(p.sns.Unsubscribe(p.t.Context(), &sns.UnsubscribeInput{SubscriptionArn: subs.Subscriptions[0].SubscriptionArn}))
		}, "topics", Warning, "tell nobody", nil},
		{"topicless", func(p *patient) { p.must(p.sns.DeleteTopic(p.t.Context(), &sns.DeleteTopicInput{TopicArn: &p.topic})) }, "topics", Bad, "tell nobody", nil},
		{"undelivered", func(p *patient) {
			queue, err := p.sqs.GetQueueUrl(p.t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(p.Installation.EventQueue())})
			p.must(queue, err)
			p.must(p.sqs.SendMessage(p.t.Context(), &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws.String("{}")}))
		}, "undelivered", Warning, "something", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			test.spoil(p)
			root := p.Examine(t.Context())
			found := step(&root, test.step)
			if found == nil || found.Health != test.health || !strings.Contains(found.Says, test.says) {
				t.Fatalf("%+v in %+v", found, root)
			}
			if root.Worst() != test.health && !(test.step == "i-9" && root.Worst() == Bad) {
				t.Errorf("the worst is %s", root.Worst())
			}
			for _, name := range test.unknown {
				if other := step(&root, name); other == nil || other.Health != Unknown {
					t.Errorf("%s: %+v", name, other)
				}
			}
			remedies(t, root)
		})
	}
}

// remedies: what is bad or to be warned of says what to do, itself or below.
func remedies(t *testing.T, f Finding) {
	t.Helper()
	for _, below := range f.Below {
		remedies(t, below)
	}
	if f.Health == Bad && f.Remedy == "" && len(f.Below) == 0 && f.Step != "stack" {
		t.Errorf("%+v has no remedy", f)
	}
}
