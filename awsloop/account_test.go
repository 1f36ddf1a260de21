package awsloop_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/awsloop/mototest"
)

// account is a whole account over the network, for one test, whose names begin
// with the test's.
type account struct {
	*awsloop.Account
	t      *testing.T
	config aws.Config
	stacks *cloudformation.Client
	name   string // also the stack's
}

func newAccount(t *testing.T) *account {
	t.Helper()
	s := awsloop.New(awsloop.Options{Moto: mototest.Start(t), Seed: 1, Dir: t.TempDir()})
	t.Cleanup(func() { s.Close() })
	if _, err := s.Start(); err != nil {
		t.Fatal(err)
	}
	a := &account{Account: awsloop.NewAccount(s, awsloop.AccountOptions{}), t: t, config: s.Config("us-east-1")}
	a.stacks = cloudformation.NewFromConfig(a.config)
	a.name = strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())
	return a
}

// upload puts the zip of a function into the account's bucket and returns its
// place.
func (a *account) upload(key, bootstrap string) (bucket string) {
	a.t.Helper()
	bucket = strings.ToLower(a.name)
	client := s3.NewFromConfig(a.config, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(a.t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		a.t.Fatal(err)
	}
	body := bytes.NewReader(zipped(a.t, bootstrap))
	if _, err := client.PutObject(a.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: body}); err != nil {
		a.t.Fatal(err)
	}
	return bucket
}

func zipped(t *testing.T, bootstrap string) []byte {
	t.Helper()
	text, err := os.ReadFile(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = w.Write(text)
	}
	if err = errorOr(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func errorOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
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
	var out *cloudformation.DescribeChangeSetOutput
	until(a.t, "the change set", func() bool {
		if out, err = a.stacks.DescribeChangeSet(a.t.Context(), &cloudformation.DescribeChangeSetInput{ChangeSetName: made.Id}); err != nil {
			a.t.Fatal(err)
		}
		return out.Status == types.ChangeSetStatusCreateComplete || out.Status == types.ChangeSetStatusFailed
	})
	return out
}

// execute carries a change set out and returns the stack when it rests.
func (a *account) execute(set *cloudformation.DescribeChangeSetOutput) types.Stack {
	a.t.Helper()
	if _, err := a.stacks.ExecuteChangeSet(a.t.Context(), &cloudformation.ExecuteChangeSetInput{ChangeSetName: set.ChangeSetId}); err != nil {
		a.t.Fatal(err)
	}
	return a.rest()
}

func (a *account) rest() types.Stack {
	a.t.Helper()
	var s types.Stack
	until(a.t, "the stack rests", func() bool {
		s = a.describe(a.name)
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

// events are the stack's, oldest first, as "Resource STATUS".
func (a *account) events() (all []string) {
	a.t.Helper()
	pages := cloudformation.NewDescribeStackEventsPaginator(a.stacks, &cloudformation.DescribeStackEventsInput{StackName: &a.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(a.t.Context())
		if err != nil {
			a.t.Fatal(err)
		}
		for _, e := range page.StackEvents {
			all = append([]string{*e.LogicalResourceId + " " + string(e.ResourceStatus) + " " + aws.ToString(e.ResourceStatusReason)}, all...)
		}
	}
	return all
}

// object makes a template's part.
type object = map[string]any

func template(t *testing.T, resources object, more object) string {
	t.Helper()
	all := object{"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
	for key, value := range more {
		all[key] = value
	}
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
