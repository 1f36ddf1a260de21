package ssmexec_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/executor/executortest"
	"github.com/solocron/solocron/executor/ssmexec"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
	"github.com/solocron/solocron/ledger/dynamoledger"
	"go.uber.org/goleak"
)

// loop is a stand-in for AWS with one instance, and what an executor needs.
type loop struct {
	*awsloop.Server
	agent *awsloop.Instance
	host  fleet.Host
	opts  ssmexec.Options
}

const document = "solocron-guard"

var tables atomic.Int64

func TestMain(m *testing.M) { goleak.VerifyTestMain(withMoto{m}) }

type withMoto struct{ m *testing.M }

func (w withMoto) Run() int { return mototest.Run(w.m) }

func newLoop(t *testing.T) *loop {
	t.Helper()
	l := &loop{Server: awsloop.New(awsloop.Options{Moto: mototest.Start(t), Region: mototest.Region, Dir: guardtest.Dir(t)})}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := l.Start(); err != nil {
		t.Fatal(err)
	}
	cfg := l.Config(mototest.Region)
	l.opts = ssmexec.Options{
		SSM: ssm.NewFromConfig(cfg), DynamoDB: dynamodb.NewFromConfig(cfg), EC2: ec2.NewFromConfig(cfg),
		Document: document, ClaimsTable: l.table(t, dynamodb.NewFromConfig(cfg)),
		ClaimWithin: 8 * time.Second, AskFirst: 100 * time.Millisecond, AskMost: 400 * time.Millisecond,
	}
	_, err := l.opts.SSM.CreateDocument(t.Context(), &ssm.CreateDocumentInput{
		Name: aws.String(document), Content: aws.String(string(guard.Document())), DocumentType: ssmtypes.DocumentTypeCommand,
	})
	if err != nil {
		t.Fatal(err)
	}
	id := l.instance(t)
	if l.agent, err = l.AddInstance(id, awsloop.InstanceOptions{Online: true}); err != nil {
		t.Fatal(err)
	}
	l.host = fleet.Host{ID: id, Address: fleet.ByAgent, RunDir: filepath.Join(l.agent.Dir(), "state")}
	return l
}

func (l *loop) table(t *testing.T, db *dynamodb.Client) string {
	t.Helper()
	name := fmt.Sprintf("claims-%d-%d", os.Getpid(), tables.Add(1))
	_, err := db.CreateTable(t.Context(), dynamoledger.Schema(name))
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// instance runs one in EC2.
func (l *loop) instance(t *testing.T) string {
	t.Helper()
	out, err := l.opts.EC2.RunInstances(t.Context(), &ec2.RunInstancesInput{
		ImageId: aws.String("ami-12c6146b"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), InstanceType: ec2types.InstanceTypeT3Nano,
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Instances[0].InstanceId
}

func (l *loop) env(opts ssmexec.Options) executortest.Env {
	return executortest.Env{
		Host: l.host, OneWay: true,
		Open:    func(*testing.T) executor.Executor { return ssmexec.New(opts) },
		Cut:     l.agent.AgentOffline,
		Restore: l.agent.AgentOnline,
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	executortest.Run(t, func(t *testing.T) executortest.Env {
		l := newLoop(t)
		return l.env(l.opts)
	})
}

func order(l *loop, n int, command string) guard.Order {
	return guard.Order{
		Attempt: guard.Attempt{Run: "job@20261122T023000Z", N: n, Kept: l.host.RunDir},
		Token:   fmt.Sprintf("token%d", n), Job: "job", Due: time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC),
		Host: l.host.ID, Command: command, Timeout: time.Minute, Grace: time.Second,
	}
}

func grant(context.Context) error { return nil }

func wait(t *testing.T, x *ssmexec.Executor, l *loop, o guard.Order) guard.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	res, err := x.Wait(ctx, l.host, o.Attempt)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
