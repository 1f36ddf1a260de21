package deploy

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/stack/function"
)

// Account is one region of an AWS account, as far as an installation is put
// there. Its methods may be called one after the other, not at once.
type Account struct {
	CloudFormation CloudFormation
	S3             S3
	Scheduler      Scheduler
	STS            STS
	SSM            SSM
	DynamoDB       DynamoDB

	// Jobs are in the ledger, which only the function writes. It is called once
	// there is a function.
	Jobs Jobs
	// Hosts lists the fleet for the plan; nil for a plan without hosts. A
	// failure is told in the plan.
	Hosts fleet.Fleet

	Code function.Code

	Now func() time.Time // nil for time.Now
	// Progress is told of every step of Apply and Destroy, one at a time.
	Progress func(Step)

	telling sync.Mutex
}

// Jobs are those of the ledger. What they do may be repeated. Errors of Deploy
// wrap [dispatch.ErrMoved] if a job isn't as the change expects it.
type Jobs interface {
	Deployed(ctx context.Context) ([]dispatch.Deployed, error)
	Deploy(ctx context.Context, change dispatch.Deployment) error
}

// Runs may be implemented by Jobs, too.
type Runs interface {
	// OpenRuns names the runs that are not over, sorted.
	OpenRuns(ctx context.Context) ([]string, error)
}

// Options are how a file is applied.
type Options struct {
	// Prune removes jobs, and their schedules, that are not in the file.
	Prune bool
	// Bucket is for the code; empty for the one that the stack has its code
	// from, else one that is made for it.
	Bucket string
	// JobsOnly leaves the stack to somebody else, who makes it by its template:
	// only the jobs and their schedules are looked at.
	JobsOnly bool
}

// Step is something that was done, or seen to be done.
type Step struct {
	Part string // "code", "stack", "document", "jobs", "schedules" or "table"
	Text string // "AWS::Lambda::Function Function CREATE_COMPLETE"
	// Done of Total things; zero for a step that isn't counted.
	Done, Total int
}

// New returns the account that the configuration leads to. It calls nobody.
// What has no client is the caller's to fill in.
func New(cfg aws.Config) *Account {
	// Adaptive retries slow down when AWS says so, which a thousand schedules
	// may make it do.
	cfg.Retryer = func() aws.Retryer { return retry.NewAdaptiveMode() }
	cfg.RetryMaxAttempts = max(cfg.RetryMaxAttempts, 10)
	return &Account{
		CloudFormation: cloudformation.NewFromConfig(cfg),
		S3:             s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil }),
		Scheduler:      scheduler.NewFromConfig(cfg),
		STS:            sts.NewFromConfig(cfg),
		SSM:            ssm.NewFromConfig(cfg),
		DynamoDB:       dynamodb.NewFromConfig(cfg),
	}
}

func (a *Account) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

func (a *Account) tell(s Step) {
	if a.Progress == nil {
		return
	}
	a.telling.Lock()
	defer a.telling.Unlock()
	a.Progress(s)
}
