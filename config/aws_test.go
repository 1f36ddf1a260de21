package config

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger/dynamoledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

func TestMain(m *testing.M) { mototest.Main(m) }

var quiet = slog.New(slog.DiscardHandler)

// loop is AWS for the test and for what it opens.
func loop(t *testing.T) *awsloop.Server {
	t.Helper()
	s := awsloop.New(awsloop.Options{Moto: mototest.Start(t), Region: mototest.Region, Dir: guardtest.Dir(t)})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Start(); err != nil {
		t.Fatal(err)
	}
	for _, v := range append(s.Environ(), "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null") {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	return s
}

func table(t *testing.T, s *awsloop.Server, name string) *dynamodb.Client {
	t.Helper()
	db := dynamodb.NewFromConfig(s.Config(mototest.Region))
	if _, err := db.CreateTable(t.Context(), dynamoledger.Schema(name)); err != nil {
		t.Fatal(err)
	}
	return db
}

// linux is one of moto's images, of which most are Windows.
const linux = "ami-785db401"

// instance is a running one with the tags and an agent.
func instance(t *testing.T, s *awsloop.Server, tags map[string]string) string {
	t.Helper()
	var list []ec2types.Tag
	for k, v := range tags {
		list = append(list, ec2types.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	out, err := ec2.NewFromConfig(s.Config(mototest.Region)).RunInstances(t.Context(), &ec2.RunInstancesInput{
		ImageId: aws.String(linux), MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeInstance, Tags: list}},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := aws.ToString(out.Instances[0].InstanceId)
	if _, err := s.AddInstance(id, awsloop.InstanceOptions{Online: true, Tags: tags}); err != nil {
		t.Fatal(err)
	}
	return id
}

// A daemon may use EC2 instances with the ledger of its choice. The claims are
// in DynamoDB.
func TestServeEC2(t *testing.T) {
	s := loop(t)
	db := table(t, s, "claims-of-serve")
	for name, ledger := range map[string]string{
		"SQLite": filepath.Join(t.TempDir(), "ledger.db"), "DynamoDB": "dynamodb://ap-northeast-1/claims-of-serve",
	} {
		t.Run(name, func(t *testing.T) {
			host := instance(t, s, map[string]string{"test": name, "cron": "true"})
			p, f := serve(t, ledger, name)
			r := runOnce(t, p, f)
			if r.State != run.Succeeded || r.Host() != host {
				t.Fatalf("run %+v; want it to succeed on %s", r, host)
			}
			details, err := p.Ledger.Details(t.Context(), r.ID)
			if err != nil {
				t.Fatal(err)
			}
			if out := details[len(details)-1].Output; out == nil || string(out.Text()) != "hello from "+host+"\n" {
				t.Errorf("output %+v", out)
			}
			if by := claimant(t, db, "CLAIM#"+r.ID+".1"); !strings.HasPrefix(by, "guard ") {
				t.Errorf("claimed by %q; want the guard", by)
			}
		})
	}
}

func serve(t *testing.T, ledger, tag string) (*Parts, *job.File) {
	t.Helper()
	f := decode(t, `
ledger: `+ledger+`
fleet: { region: ap-northeast-1, tags: { test: `+tag+` }, claims: claims-of-serve, document: AWS-RunShellScript }
jobs:
  hello: { schedule: "@yearly", hosts: { cron: "true" }, command: 'echo "hello from $SOLOCRON_HOST"' }
`)
	p := opened(t, f)
	if p.Protector == nil || p.ClaimWithin != 2*time.Minute {
		t.Errorf("protector %v, claim within %s", p.Protector, p.ClaimWithin)
	}
	return p, f
}

// runOnce has a scheduler with the parts start the job hello, and returns its
// run when that is over.
func runOnce(t *testing.T, p *Parts, f *job.File) run.Run {
	t.Helper()
	ended := make(chan run.Run, 10)
	d := dispatch.New(dispatch.Options{
		Ledger: p.Ledger, Fleet: p.Fleet, Executor: p.Executor,
		Protector: p.Protector, ClaimWithin: p.ClaimWithin, Secret: Secret, Log: quiet, Sole: p.Sole,
		Observe: func(r run.Run) {
			if !r.State.Open() {
				ended <- r
			}
		},
	})
	if err := errors.Join(p.Fleet.Probe(t.Context()), d.Load(t.Context(), f, nil)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(ctx) }()
	defer func() {
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}()
	r, err := d.RunNow(t.Context(), "hello", "ann")
	if err != nil {
		t.Fatal(err)
	}
	select {
	case r = <-ended:
	case <-time.After(time.Minute):
		t.Fatalf("run %s did not end", r.ID)
	}
	return r
}

// claimant is who wrote an attempt's register.
func claimant(t *testing.T, db *dynamodb.Client, pk string) string {
	t.Helper()
	claim, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("claims-of-serve"), Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: "-"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	by, _ := claim.Item["by"].(*types.AttributeValueMemberS)
	if by == nil {
		return ""
	}
	return by.Value
}

func decode(t *testing.T, content string) *job.File {
	t.Helper()
	f, err := job.Decode("jobs.yaml", []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func opened(t *testing.T, f *job.File) *Parts {
	t.Helper()
	p, err := Open(t.Context(), f, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

const onAWS = `
ledger: dynamodb://ap-northeast-1/ledger-of-open
fleet: { region: ap-northeast-1, tags: { test: none } }
jobs: { hello: { schedule: "@yearly", command: echo } }
`

func TestOpenDynamoDB(t *testing.T) {
	s := loop(t)
	if _, err := Open(t.Context(), decode(t, onAWS), quiet); err == nil || !strings.Contains(err.Error(), "ledger-of-open") {
		t.Errorf("without the table: %v", err)
	}
	table(t, s, "ledger-of-open")
	p := opened(t, decode(t, onAWS))
	if p.Sole || p.Where != "dynamodb://ap-northeast-1/ledger-of-open" {
		t.Errorf("sole %v, where %s", p.Sole, p.Where)
	}
	if hosts, err := p.Hosts(t.Context()); err != nil || len(hosts) != 0 {
		t.Errorf("hosts %v, %v", hosts, err)
	}
	if _, err := p.Ledger.Jobs(t.Context()); err != nil {
		t.Error(err)
	}
}

// Which instances belong to the fleet may change at work, the way to them may
// not.
func TestReloadOfEC2(t *testing.T) {
	s := loop(t)
	table(t, s, "ledger-of-reload")
	content := strings.ReplaceAll(onAWS, "ledger-of-open", "ledger-of-reload")
	p := opened(t, decode(t, content))
	host := instance(t, s, map[string]string{"test": t.Name()})
	if err := p.SetFleet(decode(t, strings.Replace(content, "test: none", "test: "+t.Name(), 1))); err != nil {
		t.Fatal(err)
	}
	hosts, err := p.Hosts(t.Context())
	if err != nil || !slices.ContainsFunc(hosts, func(h fleet.Host) bool { return h.ID == host && h.Refused == "" }) {
		t.Errorf("hosts %+v, %v; want %s", hosts, err, host)
	}
	for _, other := range []string{"document: other", "claims: other", "claim-within: 1m"} {
		err := p.SetFleet(decode(t, strings.Replace(content, "tags:", other+", tags:", 1)))
		if err == nil || !strings.Contains(err.Error(), "needs a restart") {
			t.Errorf("%s: %v", other, err)
		}
	}
	if err := p.SetFleet(decode(t, "jobs: { a: { schedule: '@daily', command: x } }")); err != nil {
		t.Errorf("away from EC2: %v", err)
	}
}

func TestAWSSaysWhatIsMissing(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(name, value)
	}
	if _, err := AWS(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "set AWS_REGION") {
		t.Errorf("without a region: %v", err)
	}
	if _, err := AWS(t.Context(), "eu-central-1"); err == nil || !strings.Contains(err.Error(), "set AWS_PROFILE") {
		t.Errorf("without credentials: %v", err)
	}
	f := decode(t, onAWS)
	if _, err := Open(t.Context(), f, quiet); err == nil || !strings.Contains(err.Error(), "AWS credentials") {
		t.Errorf("ledger without credentials: %v", err)
	}
	f.Ledger = filepath.Join(t.TempDir(), "ledger.db")
	if _, err := Open(t.Context(), f, quiet); err == nil || !strings.Contains(err.Error(), "fleet of EC2 instances in ap-northeast-1: AWS credentials") {
		t.Errorf("fleet without credentials: %v", err)
	}
	f.Targets = map[string]job.Target{"ops": {SNS: &job.SNS{Topic: "arn:aws:sns:eu-central-1:123456789012:ops"}}}
	if _, err := Receivers(t.Context(), f); err == nil || !strings.Contains(err.Error(), "notify target ops: AWS credentials") {
		t.Errorf("topic without credentials: %v", err)
	}
	t.Setenv("AWS_PROFILE", "nobody")
	if _, err := AWS(t.Context(), "eu-central-1"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("a profile that is not there: %v", err)
	}
}

func TestTopicInItsOwnRegion(t *testing.T) {
	s := loop(t)
	topic, err := sns.NewFromConfig(s.Config("eu-west-1")).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("ops")})
	if err != nil {
		t.Fatal(err)
	}
	all, err := Receivers(t.Context(), &job.File{Targets: map[string]job.Target{"ops": {SNS: &job.SNS{Topic: aws.ToString(topic.TopicArn)}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := all["ops"].Notify(t.Context(), notifier.Message{Key: "k", Event: notifier.Failed, Job: "a", Run: "a@20261122T023000Z", State: "failed"}); err != nil {
		t.Error(err)
	}
}

// A run may be on an instance although the file has none any more. It must
// never be taken for one of this machine.
func TestInstancesOfAnotherFile(t *testing.T) {
	f := decode(t, "jobs: { a: { schedule: '@daily', command: x } }")
	f.Ledger = filepath.Join(t.TempDir(), "ledger.db")
	p := opened(t, f)
	h, a := fleet.Host{ID: "i-0123456789abcdef0", Address: fleet.ByAgent}, guard.Attempt{Run: "a@20261122T023000Z", N: 1}
	if _, err := p.Executor.Status(t.Context(), h, a); err == nil || !strings.Contains(err.Error(), "no fleet.region") {
		t.Errorf("status: %v", err)
	}
	err := p.Executor.Start(t.Context(), h, guard.Order{Attempt: a}, func(context.Context) error {
		t.Error("go was given")
		return nil
	})
	if !errors.Is(err, executor.ErrUnreachable) || executor.Proven(err) == nil {
		t.Errorf("start: %v", err)
	}
	if p.Executor.Probe(t.Context(), h).Refused == "" {
		t.Error("the host is healthy")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Executor.Wait(ctx, h, a); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v", err)
	}
}
