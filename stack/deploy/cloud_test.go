package deploy

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/function"
)

// cloud is an AWS account in memory, as far as this package asks it. What takes
// its time there takes it here, so tests run in synctest's.
type cloud struct {
	mu    sync.Mutex
	n     int            // calls so far
	calls map[string]int // by operation
	// before and after may fail call n: before anything happened, or when all has
	// and only the answer is lost.
	before, after func(n int, op string) error

	stacks    map[string]*fakeStack // by ID
	buckets   map[string]*fakeBucket
	group     bool
	schedules map[string]*fakeSchedule
	table     bool
	protected bool
	documents []string // versions
	standard  int      // the default version, from 1
	ledger    map[string]dispatch.Deployed
	function  bool
	open      []string // runs

	assumable   time.Time // when the scheduler's role is known everywhere
	answers     time.Time // when the function can be invoked
	breaks      string    // logical ID of a resource that can't be made
	newVersions bool      // CloudFormation doesn't move the document's default
}

func newCloud() *cloud {
	return &cloud{calls: map[string]int{}, stacks: map[string]*fakeStack{}, buckets: map[string]*fakeBucket{}, schedules: map[string]*fakeSchedule{}, ledger: map[string]dispatch.Deployed{}}
}

// account is the cloud as the package sees it.
func (c *cloud) account() *Account {
	zip := []byte("the function's code")
	return &Account{
		CloudFormation: fakeCloudFormation{c}, S3: fakeS3{c}, Scheduler: fakeScheduler{c}, STS: fakeSTS{c}, SSM: fakeSSM{c}, DynamoDB: fakeDynamoDB{c},
		Jobs: fakeJobs{c}, Hosts: fakeHosts{{ID: "i-1", Tags: map[string]string{"cron": "true"}}, {ID: "i-2"}},
		Code: function.Code{Zip: zip, Hash: sha256Hex(zip), Architecture: "arm64"},
	}
}

// call counts a call and may fail it.
func call[T any](c *cloud, op string, do func() (*T, error)) (*T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	n := c.n
	c.n++
	c.calls[op]++
	if c.before != nil {
		if err := c.before(n, op); err != nil {
			return nil, err
		}
	}
	out, err := do()
	if err == nil && c.after != nil {
		err = c.after(n, op)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// reset forgets the calls.
func (c *cloud) reset() { c.n, c.calls, c.before, c.after = 0, map[string]int{}, nil, nil }

// changed counts the calls that change something.
func (c *cloud) changed() (writes []string) {
	for op := range c.calls {
		switch op {
		case "GetCallerIdentity", "DescribeStacks", "GetTemplate", "DescribeChangeSet", "ListChangeSets", "DescribeStackEvents", "HeadBucket", "GetBucketTagging", "HeadObject",
			"ListSchedules", "GetSchedule", "GetDocument", "DescribeTable", "Deployed", "OpenRuns", "ListObjectsV2":
		default:
			writes = append(writes, op)
		}
	}
	slices.Sort(writes)
	return writes
}

func apiError(code, message string) error {
	return &smithy.GenericAPIError{Code: code, Message: message}
}

type fakeSTS struct{ *cloud }

func (f fakeSTS) GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error) {
	return call(f.cloud, "GetCallerIdentity", func() (*sts.GetCallerIdentityOutput, error) {
		return &sts.GetCallerIdentityOutput{Account: aws.String("123456789012"), Arn: aws.String("arn:aws:iam::123456789012:user/ann")}, nil
	})
}

type fakeDynamoDB struct{ *cloud }

var errNoTable = apiError("ResourceNotFoundException", "Requested resource not found")

func (f fakeDynamoDB) DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	return call(f.cloud, "DescribeTable", func() (*dynamodb.DescribeTableOutput, error) {
		if !f.table {
			return nil, errNoTable
		}
		return &dynamodb.DescribeTableOutput{Table: &dynamodbtypes.TableDescription{TableStatus: dynamodbtypes.TableStatusActive, DeletionProtectionEnabled: &f.protected}}, nil
	})
}

func (f fakeDynamoDB) UpdateTable(_ context.Context, in *dynamodb.UpdateTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateTableOutput, error) {
	return call(f.cloud, "UpdateTable", func() (*dynamodb.UpdateTableOutput, error) {
		f.protected = aws.ToBool(in.DeletionProtectionEnabled)
		return &dynamodb.UpdateTableOutput{}, nil
	})
}

func (f fakeDynamoDB) DeleteTable(context.Context, *dynamodb.DeleteTableInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteTableOutput, error) {
	return call(f.cloud, "DeleteTable", func() (*dynamodb.DeleteTableOutput, error) {
		switch {
		case !f.table:
			return nil, errNoTable
		case f.protected:
			return nil, apiError("ValidationException", "Resource cannot be deleted as it is currently protected against deletion.")
		}
		f.table, f.ledger = false, map[string]dispatch.Deployed{}
		return &dynamodb.DeleteTableOutput{}, nil
	})
}

type fakeSSM struct{ *cloud }

func (f fakeSSM) GetDocument(_ context.Context, in *ssm.GetDocumentInput, _ ...func(*ssm.Options)) (*ssm.GetDocumentOutput, error) {
	return call(f.cloud, "GetDocument", func() (*ssm.GetDocumentOutput, error) {
		if len(f.documents) == 0 {
			return nil, apiError("InvalidDocument", "Document with name does not exist.")
		}
		n := f.standard
		if aws.ToString(in.DocumentVersion) == "$LATEST" {
			n = len(f.documents)
		}
		return &ssm.GetDocumentOutput{Content: &f.documents[n-1], DocumentVersion: aws.String(itoa(n))}, nil
	})
}

func (f fakeSSM) UpdateDocumentDefaultVersion(_ context.Context, in *ssm.UpdateDocumentDefaultVersionInput, _ ...func(*ssm.Options)) (*ssm.UpdateDocumentDefaultVersionOutput, error) {
	return call(f.cloud, "UpdateDocumentDefaultVersion", func() (*ssm.UpdateDocumentDefaultVersionOutput, error) {
		for n := range f.documents {
			if itoa(n+1) == aws.ToString(in.DocumentVersion) {
				f.standard = n + 1
			}
		}
		return &ssm.UpdateDocumentDefaultVersionOutput{}, nil
	})
}

// putDocument is what CloudFormation does with the document.
func (c *cloud) putDocument() {
	if text := string(guard.Document()); len(c.documents) == 0 || c.documents[len(c.documents)-1] != text {
		c.documents = append(c.documents, text)
		if !c.newVersions || len(c.documents) == 1 {
			c.standard = len(c.documents)
		}
	}
}

// fakeJobs is the function.
type fakeJobs struct{ *cloud }

func (f fakeJobs) invoke() error {
	switch {
	case !f.function || !f.table:
		return errors.New("there is no function")
	case time.Now().Before(f.answers):
		return errors.New("the function's role is not known yet")
	}
	return nil
}

func (f fakeJobs) Deployed(context.Context) ([]dispatch.Deployed, error) {
	list, err := call(f.cloud, "Deployed", func() (*[]dispatch.Deployed, error) {
		all := slices.SortedFunc(maps.Values(f.ledger), func(a, b dispatch.Deployed) int { return cmp.Compare(a.Name, b.Name) })
		return &all, f.invoke()
	})
	if err != nil {
		return nil, err
	}
	return *list, nil
}

func (f fakeJobs) Deploy(_ context.Context, change dispatch.Deployment) error {
	_, err := call(f.cloud, "Deploy", func() (*struct{}, error) { return &struct{}{}, cmp.Or(f.invoke(), f.deploy(change)) })
	return err
}

func (c *cloud) deploy(change dispatch.Deployment) error {
	current := func(name string) string {
		if j := c.ledger[name]; j.Retired.IsZero() {
			return j.Hash
		}
		return ""
	}
	var jobs []job.Job
	for _, e := range change.Put {
		j, err := readJob(dispatch.Deployed{Body: e.Body})
		if err != nil {
			return err
		}
		if now := current(j.Name); now != e.From && now != j.Hash() {
			return dispatch.ErrMoved
		}
		jobs = append(jobs, j)
	}
	for _, l := range change.Retire {
		if now := current(l.Name); now != l.From && now != "" {
			return dispatch.ErrMoved
		}
	}
	for _, j := range jobs {
		c.ledger[j.Name] = dispatch.Deployed{Name: j.Name, Hash: j.Hash(), Body: j.Body(), Paused: c.ledger[j.Name].Paused}
	}
	for _, l := range change.Retire {
		j := c.ledger[l.Name]
		j.Retired = cmp.Or(j.Retired, time.Now())
		c.ledger[l.Name] = j
	}
	return nil
}

func (f fakeJobs) OpenRuns(context.Context) ([]string, error) {
	list, err := call(f.cloud, "OpenRuns", func() (*[]string, error) { return &f.open, nil })
	if err != nil {
		return nil, err
	}
	return *list, nil
}

type fakeHosts []fleet.Host

func (f fakeHosts) Hosts(context.Context) ([]fleet.Host, error) { return f, nil }

// at moves the test to where its jobs' next due times are known.
func at(t *testing.T, moment string) {
	t.Helper()
	then, err := time.Parse(time.RFC3339, moment)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(then))
}

// installation is one of the jobs, with hosts that are there.
func installation(t testing.TB, jobs ...job.Job) *stack.Installation {
	t.Helper()
	f := &job.File{
		Path: "jobs.yaml", Ledger: "dynamodb://eu-central-1/cron", Retention: 30 * 24 * time.Hour, Jobs: jobs,
		Fleet:   job.Fleet{EC2: &job.EC2{Region: "eu-central-1", Document: "solocron", Claims: "cron", ClaimWithin: time.Minute}},
		Targets: map[string]job.Target{"ops": {SNS: &job.SNS{Topic: "ops", Email: []string{"ops@example.com"}}}},
	}
	i, err := stack.New(f)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// daily is a job like those of most files.
func daily(name string) job.Job {
	return job.Job{
		Name: name, Command: "true", Hosts: fleet.Selector{"cron": "true"}, Pick: fleet.Random, StartWithin: 10 * time.Minute, Timeout: time.Hour,
		When: scheduleSpec("30 2 * * *", name), Overlap: job.Skip, Catchup: job.Catchup{Mode: job.CatchupNone},
	}
}

func edit(j job.Job) job.Job {
	j.Command += " # edited"
	return j
}
