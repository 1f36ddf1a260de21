package config

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/solocron/solocron/config/cloud"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/notifier"
)

// AWS loads the ordinary AWS configuration: variables, profiles and roles, as
// the SDK finds them. An empty region leaves that to them, too. Credentials are
// there when it returns, so that their absence is one clear error instead of
// one per call; it may ask the machine's metadata service for them. The SDK's own
// log, which would go to standard error, is off.
func AWS(ctx context.Context, region string) (aws.Config, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region), awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return cfg, fmt.Errorf("AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return cfg, errors.New("AWS configuration: it names no region; set AWS_REGION, or AWS_PROFILE to a profile that has one")
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return cfg, fmt.Errorf("AWS credentials: %w; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role gives them", err)
	}
	return cfg, nil
}

// account is the AWS configuration of one file, loaded once, when a part first
// needs it.
type account struct{ cfg *aws.Config }

func (a *account) in(ctx context.Context, region string) (aws.Config, error) {
	if a.cfg == nil {
		cfg, err := AWS(ctx, region)
		if err != nil {
			return cfg, err
		}
		a.cfg = &cfg
	}
	cfg := a.cfg.Copy()
	cfg.Region = region
	return cfg, nil
}

// openTable opens the ledger in a table that is there already.
func (a *account) openTable(ctx context.Context, region, table string, keep time.Duration) (ledger.Ledger, error) {
	cfg, err := a.in(ctx, region)
	if err != nil {
		return nil, fmt.Errorf("ledger in table %s: %w", table, err)
	}
	l := cloud.Ledger(cfg, table, keep)
	if err := l.Ready(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (a *account) openTopic(ctx context.Context, t job.SNS) (notifier.Notifier, error) {
	if t.Named() {
		return nil, fmt.Errorf("topic %s: a bare name is for the topic that solocron apply makes; write the ARN of one that is there", t.Topic)
	}
	topic, err := arn.Parse(t.Topic)
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", t.Topic, err)
	}
	cfg, err := a.in(ctx, topic.Region)
	if err != nil {
		return nil, err
	}
	return cloud.Topic(cfg, t)
}

// instances are a fleet of EC2 instances, as the file that it was opened for
// describes it.
type instances struct {
	cfg  aws.Config
	said job.EC2
}

func (a *account) openInstances(ctx context.Context, e job.EC2) (*instances, error) {
	if r := e.Report; r != nil && r.Stacked() {
		return nil, errors.New("fleet.report: without a stack its topic and its role have to be there; write the ARNs of both")
	}
	cfg, err := a.in(ctx, e.Region)
	if err != nil {
		return nil, fmt.Errorf("fleet of EC2 instances in %s: %w", e.Region, err)
	}
	return &instances{cfg, e}, nil
}

// reached reports whether the instances of another file are reached in the same
// way. Which they are may change.
func (i *instances) reached(e *job.EC2) bool {
	old, other := i.said, *e
	for _, way := range []*job.EC2{&old, &other} {
		way.Tags, way.TargetGroup, way.Hybrid = nil, "", false
	}
	return reflect.DeepEqual(old, other)
}
