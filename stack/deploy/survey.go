package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/errgroup"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/stack"
)

// survey is what is in the account, and how it differs from what is to be.
type survey struct {
	place stack.Place

	stack  *standing // nil if there is none, or it is left to somebody else
	table  bool      // the ledger's is there, whoever made it
	adopt  bool      // it is there, and isn't the stack's
	bucket bucket
	intent intent
	action Action // on the stack
	// document is the version of the document that has to become its default.
	document string
	ours     bool // it, or its default, is as this version makes it

	asked     bool // there is a function, which told the jobs
	jobs      []dispatch.Deployed
	wanted    map[string]wanted
	schedules []found

	ledger jobDiff
	group  scheduleDiff

	base string
}

// survey looks at everything that a plan rests on. Nothing is changed.
func (a *Account) survey(ctx context.Context, i *stack.Installation, o Options) (*survey, error) {
	s := &survey{}
	var err error
	if s.place, err = a.place(ctx, i); err != nil {
		return nil, err
	}
	if s.wanted, err = wantSchedules(i.File.Jobs, a.now()); err != nil {
		return nil, err
	}
	g, within := errgroup.WithContext(ctx)
	if !o.JobsOnly {
		g.Go(func() (err error) { s.stack, err = a.standing(within, i.Name); return err })
		g.Go(func() (err error) { s.table, err = a.table(within, i.Name); return err })
	}
	g.Go(func() (err error) { s.schedules, err = a.listed(within, i.Group()); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if s.stack != nil {
		if err := s.stack.ready(i.Name); err != nil {
			return nil, err
		}
	}
	s.asked = s.stack != nil || o.JobsOnly
	g, within = errgroup.WithContext(ctx)
	if s.asked {
		g.Go(func() (err error) { s.jobs, err = a.deployed(within); return err })
	}
	if !o.JobsOnly {
		g.Go(func() (err error) { s.bucket, err = a.bucket(within, i, s.place, s.stack, o.Bucket); return err })
	}
	if !s.asked {
		g.Go(func() error { return a.spare(within, i) })
	}
	if s.stack != nil {
		g.Go(func() (err error) { s.document, s.ours, err = a.newDefault(within, i); return err })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if s.schedules, err = a.lookCloser(ctx, i, s.place, s.wanted, rungFor(s.jobs), s.schedules); err != nil {
		return nil, err
	}
	return s, a.compare(i, o, s)
}

// compare finds out what has to change.
func (a *Account) compare(i *stack.Installation, o Options, s *survey) (err error) {
	if s.action = None; !o.JobsOnly {
		if err := a.compareStack(i, s); err != nil {
			return err
		}
	}
	if s.ledger, err = diffJobs(i.File.Jobs, s.jobs, o.Prune, a.now()); err != nil {
		return err
	}
	s.group = diffSchedules(s.wanted, s.schedules, s.gone(o.Prune))
	s.base = a.base(i, o, s)
	return nil
}

// compareStack finds out whether the stack is as it is to be.
func (a *Account) compareStack(i *stack.Installation, s *survey) (err error) {
	s.adopt = s.table && !s.stack.hasTable()
	if s.intent, err = a.intent(i, s.stack, s.adopt, s.bucket.name); err != nil {
		return err
	}
	switch {
	case s.stack == nil:
		s.action = Create
	case !s.stack.is(s.intent):
		s.action = Update
	}
	return nil
}

// gone tells of which jobs that are not in the file the schedules go: with
// --prune of all; without it of those that an apply before this one retired.
func (s *survey) gone(prune bool) func(string) bool {
	retired := map[string]bool{}
	for _, j := range s.jobs {
		retired[j.Name] = !j.Retired.IsZero()
	}
	return func(name string) bool { return prune || retired[name] }
}

// place is where the credentials lead to.
func (a *Account) place(ctx context.Context, i *stack.Installation) (stack.Place, error) {
	out, err := a.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return stack.Place{}, fmt.Errorf("whose credentials these are: %w", err)
	}
	p := stack.Place{Partition: "aws", Region: i.Region, Account: aws.ToString(out.Account)}
	if who, err := arn.Parse(aws.ToString(out.Arn)); err == nil {
		p.Partition = who.Partition
	}
	return p, nil
}

// table reports whether the ledger's table is there.
func (a *Account) table(ctx context.Context, name string) (bool, error) {
	_, err := a.DynamoDB.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	switch {
	case notFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("table %s: %w", name, err)
	}
	return true, nil
}

func (a *Account) deployed(ctx context.Context) ([]dispatch.Deployed, error) {
	jobs, err := a.Jobs.Deployed(ctx)
	if err != nil {
		return nil, fmt.Errorf("jobs of the ledger: %w", err)
	}
	return jobs, nil
}

// ErrStale says that the account or the file is not what it was when the plan was
// made. What was done before that was found out is done, mostly nothing.
var ErrStale = errors.New("the plan is out of date")

// parts are what a plan rests on, in the order of its base.
var parts = []string{"the stack", "the jobs", "the schedules", "the file"}

// base names the state that a plan is made from: a hash of each of its parts.
func (a *Account) base(i *stack.Installation, o Options, s *survey) string {
	type pair struct{ Name, State string }
	var jobs, schedules, file []pair
	for _, j := range s.jobs {
		jobs = append(jobs, pair{j.Name, j.Hash + j.Retired.UTC().String()})
	}
	for _, f := range s.schedules {
		schedules = append(schedules, pair{f.name, fmt.Sprint(f.disabled, f.modified.UnixMilli())})
	}
	for _, j := range i.File.Jobs {
		file = append(file, pair{j.Name, j.Hash()})
	}
	there := []any{s.place, s.table}
	if s.stack != nil {
		there = append(there, s.stack.id, s.stack.status, s.stack.changed.UnixMilli(), s.stack.template, s.stack.parameters)
	}
	return strings.Join([]string{digest(there), digest(jobs), digest(schedules), digest([]any{file, s.intent.template, s.intent.parameters, o})}, ".")
}

func digest(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // text and numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// stale says what is not as it was when a plan was made.
func stale(then, now string) error {
	if then == now {
		return nil
	}
	was, is := strings.Split(then, "."), strings.Split(now, ".")
	var changed []string
	for n, part := range parts {
		if len(was) == len(parts) && was[n] != is[n] {
			changed = append(changed, part)
		}
	}
	if len(changed) == 0 {
		return fmt.Errorf("%w: it was not made by this version", ErrStale)
	}
	return fmt.Errorf("%w: somebody else changed %s; look at a new one", ErrStale, strings.Join(changed, " and "))
}
