package awsloop_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/awsloop/mototest"
)

// account is a whole account for one test, whose names begin with the test's.
type account struct {
	*awsloop.Account
	t         *testing.T
	config    aws.Config
	stacks    *cloudformation.Client
	functions *lambda.Client
	name      string // also the stack's
}

// accounts tells apart what tests leave in moto.
var accounts atomic.Int64

func newAccount(t *testing.T, o awsloop.AccountOptions) *account {
	t.Helper()
	s := awsloop.New(awsloop.Options{Moto: mototest.Start(t), Seed: 1, Dir: t.TempDir()})
	t.Cleanup(func() { s.Close() })
	if _, err := s.Start(); err != nil {
		t.Fatal(err)
	}
	a := &account{Account: awsloop.NewAccount(s, o), t: t, config: s.Config("us-east-1")}
	// Not over the network: a client of the SDK may close its request's body before
	// its transport has found that to be at its end, which breaks the connection.
	a.config.HTTPClient = &http.Client{Transport: s.RoundTripper()}
	a.stacks, a.functions = cloudformation.NewFromConfig(a.config), lambda.NewFromConfig(a.config)
	a.name = strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()) + "-" + strconv.Itoa(int(accounts.Add(1)))
	return a
}

// upload makes the account's bucket, puts a zip of the tests' function into it,
// and returns its name.
func (a *account) upload(key string) (bucket string) {
	a.t.Helper()
	bucket = strings.ToLower(a.name)
	if _, err := a.s3().CreateBucket(a.t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		a.t.Fatal(err)
	}
	a.uploadAgain(key)
	return bucket
}

// uploadAgain puts another zip into the bucket, with the same function.
func (a *account) uploadAgain(key string) string {
	a.t.Helper()
	body := bytes.NewReader(zipped(a.t, key))
	bucket := strings.ToLower(a.name)
	if _, err := a.s3().PutObject(a.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: body}); err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *account) s3() *s3.Client {
	return s3.NewFromConfig(a.config, func(o *s3.Options) { o.UsePathStyle = true })
}

// zipped is the tests' function, with a file of that name beside it.
func zipped(t *testing.T, name string) []byte {
	t.Helper()
	path, err := awsloop.Bootstrap()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range map[string][]byte{"bootstrap": text, "more/" + name: []byte(name)} {
		h := &zip.FileHeader{Name: name, Method: zip.Store}
		h.SetMode(0o755)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// change makes a change set and waits for it.
func (a *account) change(kind types.ChangeSetType, body string, parameters map[string]string) *cloudformation.DescribeChangeSetOutput {
	a.t.Helper()
	in := &cloudformation.CreateChangeSetInput{
		StackName: &a.name, ChangeSetName: aws.String("c" + strconv.FormatInt(time.Now().UnixNano(), 10)), ChangeSetType: kind,
		TemplateBody: &body, Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		Tags: []types.Tag{{Key: aws.String("part"), Value: aws.String("cron")}},
	}
	for key, value := range parameters {
		in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: &key, ParameterValue: &value})
	}
	made, err := a.stacks.CreateChangeSet(a.t.Context(), in)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.await(made.Id)
}

// await waits until a change set is made, or has failed.
func (a *account) await(id *string) (out *cloudformation.DescribeChangeSetOutput) {
	a.t.Helper()
	until(a.t, "the change set", func() bool {
		var err error
		if out, err = a.stacks.DescribeChangeSet(a.t.Context(), &cloudformation.DescribeChangeSetInput{ChangeSetName: id}); err != nil {
			a.t.Fatal(err)
		}
		return out.Status == types.ChangeSetStatusCreateComplete || out.Status == types.ChangeSetStatusFailed
	})
	return out
}

// execute carries a change set out and returns the stack when it rests, which is
// to be in that status.
func (a *account) execute(set *cloudformation.DescribeChangeSetOutput, want types.StackStatus) types.Stack {
	a.t.Helper()
	if set.Status != types.ChangeSetStatusCreateComplete {
		a.t.Fatalf("change set: %s %s", set.Status, aws.ToString(set.StatusReason))
	}
	if _, err := a.stacks.ExecuteChangeSet(a.t.Context(), &cloudformation.ExecuteChangeSetInput{ChangeSetName: set.ChangeSetId}); err != nil {
		a.t.Fatal(err)
	}
	s := a.rest(a.name)
	if s.StackStatus != want {
		a.t.Fatalf("%s %s\n%s", s.StackStatus, aws.ToString(s.StackStatusReason), strings.Join(a.events(a.name), "\n"))
	}
	return s
}

// remove deletes the stack and returns it when it rests.
func (a *account) remove() types.Stack {
	a.t.Helper()
	id := a.describe(a.name).StackId
	if _, err := a.stacks.DeleteStack(a.t.Context(), &cloudformation.DeleteStackInput{StackName: &a.name}); err != nil {
		a.t.Fatal(err)
	}
	return a.rest(*id)
}

func (a *account) rest(name string) types.Stack {
	a.t.Helper()
	var s types.Stack
	until(a.t, "the stack rests", func() bool {
		s = a.describe(name)
		return !strings.HasSuffix(string(s.StackStatus), "_IN_PROGRESS")
	})
	return s
}

func (a *account) describe(name string) types.Stack {
	a.t.Helper()
	out, err := a.stacks.DescribeStacks(a.t.Context(), &cloudformation.DescribeStacksInput{StackName: &name})
	if err != nil {
		a.t.Fatal(err)
	}
	return out.Stacks[0]
}

// events are a stack's, oldest first, as "Resource STATUS reason".
func (a *account) events(name string) (all []string) {
	a.t.Helper()
	pages := cloudformation.NewDescribeStackEventsPaginator(a.stacks, &cloudformation.DescribeStackEventsInput{StackName: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(a.t.Context())
		if err != nil {
			a.t.Fatal(err)
		}
		for _, e := range page.StackEvents {
			text := *e.LogicalResourceId + " " + string(e.ResourceStatus)
			if e.ResourceStatusReason != nil {
				text += " " + *e.ResourceStatusReason
			}
			all = append(all, text)
		}
	}
	slices.Reverse(all)
	return all
}

func (a *account) invoke(payload string) string {
	a.t.Helper()
	out, err := a.functions.Invoke(a.t.Context(), &lambda.InvokeInput{FunctionName: &a.name, Payload: []byte(payload)})
	if err != nil {
		a.t.Fatal(err)
	}
	return aws.ToString(out.FunctionError) + string(out.Payload)
}

func (a *account) describeFunction() *lambda.GetFunctionConfigurationOutput {
	a.t.Helper()
	out, err := a.functions.GetFunctionConfiguration(a.t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &a.name})
	if err != nil {
		a.t.Fatal(err)
	}
	return out
}

// queue is the URL of the queue of a name.
func (a *account) queue(name string) string {
	a.t.Helper()
	out, err := sqs.NewFromConfig(a.config).GetQueueUrl(a.t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		a.t.Fatal(err)
	}
	return *out.QueueUrl
}

// topics are those of the test, with what they're called to people.
func (a *account) topics() map[string]string {
	a.t.Helper()
	client := sns.NewFromConfig(a.config)
	listed, err := client.ListTopics(a.t.Context(), &sns.ListTopicsInput{})
	if err != nil {
		a.t.Fatal(err)
	}
	all := map[string]string{}
	for _, topic := range listed.Topics {
		name := (*topic.TopicArn)[strings.LastIndex(*topic.TopicArn, ":")+1:]
		if !strings.HasPrefix(name, a.name+"-") {
			continue
		}
		out, err := client.GetTopicAttributes(a.t.Context(), &sns.GetTopicAttributesInput{TopicArn: topic.TopicArn})
		if err != nil {
			a.t.Fatal(err)
		}
		all[name] = out.Attributes["DisplayName"]
	}
	return all
}

// object makes a template's part.
type object = map[string]any

func template(t *testing.T, resources object, more object) string {
	t.Helper()
	all := object{"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
	maps.Copy(all, more)
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// until waits for a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
}
