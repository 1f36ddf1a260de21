// Package cloud makes the adapters that speak to AWS, for the command line and
// the daemon as well as for the Lambda, which has no use for the others. Nothing
// here calls AWS.
package cloud

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/solocron/solocron/executor/ssmexec"
	"github.com/solocron/solocron/fleet/ec2fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger/dynamoledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/notifier/snsnotifier"
)

// Cloud is AWS as a fleet of EC2 instances uses it.
type Cloud struct {
	cfg aws.Config
	of  *job.EC2
	ssm *ssm.Client
	ec2 *ec2.Client
}

// New returns the cloud that the configuration leads to.
func New(cfg aws.Config, of *job.EC2) *Cloud {
	return &Cloud{cfg, of, ssm.NewFromConfig(cfg), ec2.NewFromConfig(cfg)}
}

// Executor starts commands on the fleet's hosts.
func (c *Cloud) Executor(log *slog.Logger) *ssmexec.Executor {
	o := ssmexec.Options{
		SSM: c.ssm, EC2: c.ec2, DynamoDB: dynamodb.NewFromConfig(c.cfg),
		Document: c.of.Document, ClaimsTable: c.of.Claims, ClaimWithin: c.of.ClaimWithin, Log: log,
	}
	if r := c.of.Report; r != nil {
		o.Report = &ssmexec.Report{Topic: r.Topic, Role: r.Role}
	}
	return ssmexec.New(o)
}

// Fleet lists the hosts.
func (c *Cloud) Fleet() *ec2fleet.Fleet {
	return ec2fleet.New(ec2fleet.Options{
		EC2: c.ec2, SSM: c.ssm, AutoScaling: autoscaling.NewFromConfig(c.cfg), ELB: elb.NewFromConfig(c.cfg),
		Tags: c.of.Tags, TargetGroup: c.of.TargetGroup, Hybrid: c.of.Hybrid,
	})
}

// Ledger is the record in a table, which keeps ended runs for the given time.
func Ledger(cfg aws.Config, table string, keep time.Duration) *dynamoledger.Ledger {
	return dynamoledger.New(dynamodb.NewFromConfig(cfg), table, dynamoledger.Options{Keep: keep})
}

// Topic publishes to an SNS topic, in the topic's own region.
func Topic(cfg aws.Config, t job.SNS) (notifier.Notifier, error) {
	topic, err := arn.Parse(t.Topic)
	if err != nil {
		return nil, fmt.Errorf("SNS topic %s: %w", t.Topic, err)
	}
	client := sns.NewFromConfig(cfg, func(o *sns.Options) { o.Region = topic.Region })
	return snsnotifier.New(client, t.Topic, t.Chat)
}
