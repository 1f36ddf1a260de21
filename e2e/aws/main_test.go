// Package aws_test drives the whole way of a due time through AWS: the real
// Lambda binary under a Runtime API, the real guard run by sh on instances that
// awsloop stands in for, and moto for DynamoDB, EC2, SNS and SQS.
package aws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/dynamoledger"
	"github.com/solocron/solocron/run"
)

// The binaries under test, built by TestMain.
var bootstrap, solocron string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "solocron-aws-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bootstrap, solocron = filepath.Join(dir, "bootstrap"), filepath.Join(dir, "solocron")
		for path, args := range map[string][]string{
			bootstrap: {"-tags", "lambda.norpc", "-ldflags", "-s -w", "../../cmd/bootstrap"},
			solocron:  {"../../cmd/solocron"},
		} {
			build := exec.Command("go", append([]string{"build", "-trimpath", "-o", path}, args...)...)
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "build %s: %v\n%s", filepath.Base(path), err, out)
				return 1
			}
		}
		return mototest.Run(m)
	}())
}

const (
	region = "ap-northeast-1"
	image  = "ami-785db401" // one of moto's that is not Windows
)

// account is an AWS account with solocron installed in it.
type account struct {
	t        testing.TB
	loop     *awsloop.Server
	cfg      awssdk.Config
	ledger   *dynamoledger.Ledger
	function *awsloop.Function
	settings job.Settings
	tag      string // of this account's fleet: moto is shared
	queue    string // behind the topic
	witness  string // what the commands write to
	hosts    map[string]*awsloop.Instance
}

// newAccount sets everything up but the hosts and the jobs. tune may change
// what the function is told.
func newAccount(t testing.TB, tune func(*job.Settings)) *account {
	t.Helper()
	dir := guardtest.Dir(t)
	log, output := slog.New(slog.DiscardHandler), io.Discard
	if os.Getenv("SOLOCRON_TEST_LOG") != "" {
		log, output = slog.New(slog.NewTextHandler(os.Stderr, nil)), os.Stderr
	}
	a := &account{
		t: t, tag: strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())),
		witness: filepath.Join(dir, "witness"), hosts: map[string]*awsloop.Instance{},
	}
	a.loop = awsloop.New(awsloop.Options{Moto: mototest.Start(t), Region: region, Dir: dir, Log: log, Seed: 1})
	t.Cleanup(func() {
		if err := a.loop.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := a.loop.Start(); err != nil {
		t.Fatal(err)
	}
	a.cfg = a.loop.Config(region)
	a.settings = job.Settings{
		Table: a.name("table"), Retention: 30 * 24 * time.Hour,
		EC2: job.EC2{
			Region: region, Document: "solocron", Claims: a.name("table"), ClaimWithin: 2 * time.Minute,
			Tags: map[string]string{"account": a.tag},
		},
		Topics: map[string]job.SNS{"people": {Topic: a.topic()}},
	}
	if tune != nil {
		tune(&a.settings)
	}
	a.table()
	_, err := ssm.NewFromConfig(a.cfg).CreateDocument(t.Context(), &ssm.CreateDocumentInput{
		Name: awssdk.String("solocron"), Content: awssdk.String(string(guard.Document())),
		DocumentType: ssmtypes.DocumentTypeCommand, DocumentFormat: ssmtypes.DocumentFormatJson,
	})
	if err != nil {
		t.Fatal(err)
	}
	a.install(output)
	return a
}

func (a *account) name(of string) string { return a.tag + "-" + of }

func (a *account) table() {
	a.t.Helper()
	client := dynamodb.NewFromConfig(a.cfg)
	if _, err := client.CreateTable(a.t.Context(), dynamoledger.Schema(a.settings.Table)); err != nil {
		a.t.Fatal(err)
	}
	a.ledger = dynamoledger.New(client, a.settings.Table, dynamoledger.Options{Keep: a.settings.Retention})
	a.t.Cleanup(func() { _ = a.ledger.Close() })
}

// topic makes a topic with a queue behind it, and returns its ARN.
func (a *account) topic() string {
	a.t.Helper()
	queues, topics := sqs.NewFromConfig(a.cfg), sns.NewFromConfig(a.cfg)
	q, err := queues.CreateQueue(a.t.Context(), &sqs.CreateQueueInput{QueueName: awssdk.String(a.name("queue"))})
	if err != nil {
		a.t.Fatal(err)
	}
	a.queue = *q.QueueUrl
	at, err := queues.GetQueueAttributes(a.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: q.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	topic, err := topics.CreateTopic(a.t.Context(), &sns.CreateTopicInput{Name: awssdk.String(a.name("topic"))})
	if err != nil {
		a.t.Fatal(err)
	}
	_, err = topics.Subscribe(a.t.Context(), &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: awssdk.String("sqs"), Endpoint: awssdk.String(at.Attributes["QueueArn"]),
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return *topic.TopicArn
}

// install makes the function, and SSM's events reach it.
func (a *account) install(output io.Writer) {
	a.t.Helper()
	settings, err := json.Marshal(a.settings)
	if err != nil {
		a.t.Fatal(err)
	}
	lambda := awsloop.NewLambda(a.loop)
	a.function, err = lambda.Create(awsloop.FunctionOptions{
		Name: "solocron", Bootstrap: bootstrap, Env: []string{"SOLOCRON_SETTINGS=" + string(settings)},
		Speed: 60, Output: output,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	rules := awsloop.NewEvents(a.loop, lambda, awsloop.NewClock(time.Now(), 1))
	if err := rules.AddRule("commands", `{"source":["aws.ssm"],"detail":{"document-name":["solocron"]}}`, a.function); err != nil {
		a.t.Fatal(err)
	}
}

// host starts a tagged instance with an agent on it.
func (a *account) host(tags map[string]string) *awsloop.Instance {
	a.t.Helper()
	all := []ec2types.Tag{{Key: awssdk.String("account"), Value: awssdk.String(a.tag)}}
	for k, v := range tags {
		all = append(all, ec2types.Tag{Key: awssdk.String(k), Value: awssdk.String(v)})
	}
	out, err := ec2.NewFromConfig(a.cfg).RunInstances(a.t.Context(), &ec2.RunInstancesInput{
		ImageId: awssdk.String(image), MinCount: awssdk.Int32(1), MaxCount: awssdk.Int32(1),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeInstance, Tags: all}},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	i, err := a.loop.AddInstance(*out.Instances[0].InstanceId, awsloop.InstanceOptions{Online: true})
	if err != nil {
		a.t.Fatal(err)
	}
	a.hosts[i.ID()] = i
	return i
}

// terminate ends an instance, in EC2 and in fact.
func (a *account) terminate(i *awsloop.Instance) {
	a.t.Helper()
	i.Terminate()
	_, err := ec2.NewFromConfig(a.cfg).TerminateInstances(a.t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{i.ID()}})
	if err != nil {
		a.t.Fatal(err)
	}
}

// jobs decodes a jobs file for this account and puts its jobs into the ledger,
// as apply does. WITNESS stands for the witness file.
func (a *account) jobs(text string) {
	a.t.Helper()
	head := "ledger: dynamodb://" + region + "/" + a.settings.Table + "\nfleet: {region: " + region + "}\n" +
		"notify: {targets: {people: {sns: {topic: \"" + a.settings.Topics["people"].Topic + "\"}}}}\n"
	f, err := job.Decode("jobs.yaml", []byte(head+strings.ReplaceAll(text, "WITNESS", a.witness)))
	if err != nil {
		a.t.Fatal(err)
	}
	var specs []ledger.JobSpec
	for _, j := range f.Jobs {
		specs = append(specs, ledger.JobSpec{Name: j.Name, Hash: j.Hash(), When: j.WhenHash(), Body: j.Body()})
	}
	if err := a.ledger.PutJobs(a.t.Context(), time.Now(), specs...); err != nil {
		a.t.Fatal(err)
	}
}

// due is what a schedule of EventBridge Scheduler sends.
func due(name string, at time.Time) []byte {
	return fmt.Appendf(nil, `{"job":%q,"due":%q}`, name, at.UTC().Format(time.RFC3339))
}

// invoke invokes the function and waits for its answer.
func (a *account) invoke(payload []byte) {
	a.t.Helper()
	_, fault, err := a.function.Invoke(a.t.Context(), payload)
	if err != nil || fault != "" {
		a.t.Errorf("invoke with %s: %s %v", payload, fault, err)
	}
}

// hint is what EventBridge says once the run's command has ended.
func (a *account) hint(id string) (payload []byte) {
	a.t.Helper()
	r := a.run(id)
	client, comment := ssm.NewFromConfig(a.cfg), fmt.Sprintf("%s.%d", id, len(r.Attempts))
	a.eventually(func() bool {
		out, err := client.ListCommands(a.t.Context(), &ssm.ListCommandsInput{InstanceId: awssdk.String(r.Host())})
		if err != nil {
			a.t.Fatal(err)
		}
		for _, c := range out.Commands {
			if *c.Comment == comment && c.Status == ssmtypes.CommandStatusSuccess {
				payload = fmt.Appendf(nil, `{"source":"aws.ssm","detail-type":"EC2 Command Invocation Status-change Notification","detail":
					{"command-id":%q,"instance-id":%q,"document-name":"solocron","status":"Success"}}`, *c.CommandId, r.Host())
			}
		}
		return payload != nil
	}, func() string { return "no command of run " + id + " ended well" })
	return payload
}

func (a *account) sweep() { a.t.Helper(); a.invoke([]byte(`{"sweep":true}`)) }

func (a *account) run(id string) run.Run {
	a.t.Helper()
	r, err := a.ledger.Run(a.t.Context(), id)
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

// until waits for the run to be as it should.
func (a *account) until(id string, ok func(run.Run) bool) run.Run {
	a.t.Helper()
	var r run.Run
	a.eventually(func() bool {
		var err error
		r, err = a.ledger.Run(a.t.Context(), id)
		return err == nil && ok(r)
	}, func() string { return fmt.Sprintf("%+v", r) })
	return r
}

func is(state run.State) func(run.Run) bool { return func(r run.Run) bool { return r.State == state } }

func (a *account) eventually(ok func() bool, stands func() string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 90*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			a.t.Fatalf("waited in vain: %s", stands())
		}
	}
}

// saw are the run IDs that commands wrote, as they came.
func (a *account) saw() []string {
	a.t.Helper()
	b, err := os.ReadFile(a.witness)
	if err != nil && !os.IsNotExist(err) {
		a.t.Fatal(err)
	}
	return strings.Fields(string(b))
}

// heard are the messages in the queue behind the topic, waiting for as many.
func (a *account) heard(want int) []string {
	a.t.Helper()
	var all []string
	client := sqs.NewFromConfig(a.cfg)
	a.eventually(func() bool {
		out, err := client.ReceiveMessage(a.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &a.queue, MaxNumberOfMessages: 10, VisibilityTimeout: 3600})
		if err != nil {
			a.t.Fatal(err)
		}
		for _, m := range out.Messages {
			var envelope struct{ Subject, Message string }
			if err := json.Unmarshal([]byte(*m.Body), &envelope); err != nil {
				a.t.Fatal(err)
			}
			all = append(all, envelope.Subject+"\n"+envelope.Message)
		}
		return len(all) >= want
	}, func() string { return fmt.Sprintf("%d messages, want %d: %s", len(all), want, all) })
	slices.Sort(all)
	return all
}
