package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/schedule"
	"github.com/solocron/solocron/stack"
)

// found is a schedule of the group as it was listed.
type found struct {
	name     string
	target   string // ARN
	disabled bool
	touched  bool // was changed since it was made
	modified time.Time

	job string // whose it is; empty for one that isn't solocron's. Only known of surplus ones.
	// astray says that it isn't as it was made. Only known of touched ones.
	astray bool
	// vanished says that it went after it was listed.
	vanished bool
}

// wanted is a schedule that is to be in the group.
type wanted struct {
	stack.Schedule
	job string
	// over says that it has nothing to ring for any more. It stays if it is
	// there, but isn't made: AWS doesn't say what it makes of a past at().
	over bool
}

// wantSchedules are those of the file's jobs, by name.
func wantSchedules(jobs []job.Job, now time.Time) (map[string]wanted, error) {
	all := map[string]wanted{}
	for _, j := range jobs {
		list, err := stack.Schedules(j)
		if err != nil {
			return nil, err
		}
		when, err := schedule.Parse(j.When)
		if err != nil {
			return nil, fmt.Errorf("job %s: %w", j.Name, err)
		}
		_, due := when.Next(now)
		for _, s := range list {
			all[s.Name] = wanted{s, j.Name, !due}
		}
	}
	return all, nil
}

// scheduleDiff is what has to happen in the group.
type scheduleDiff struct {
	create  []wanted
	asleep  map[string]bool // of those, the ones that are made disabled
	remake  []wanted        // edited by hand
	remove  []string
	keep    int
	foreign []string
	off     []string // disabled by hand
}

// diffSchedules compares the group with what it is to hold. Schedules of jobs
// that left the file go if gone says so.
func diffSchedules(want map[string]wanted, have []found, gone func(job string) bool) scheduleDiff {
	d := scheduleDiff{asleep: map[string]bool{}}
	there := map[string]bool{}
	replaced := map[string][]bool{} // whether they are disabled, by job
	inFile := map[string]bool{}
	for _, w := range want {
		inFile[w.job] = true
	}
	for _, f := range have {
		w, ok := want[f.name]
		there[f.name] = ok
		switch {
		case ok && f.astray:
			d.remake = append(d.remake, w)
			d.asleep[w.Name] = f.disabled
		case ok:
			d.keep++
		case f.job == "":
			d.foreign = append(d.foreign, f.name)
			continue
		case inFile[f.job]:
			d.remove = append(d.remove, f.name)
			replaced[f.job] = append(replaced[f.job], f.disabled)
			continue
		case gone(f.job):
			d.remove = append(d.remove, f.name)
			continue
		default:
			d.keep++
		}
		if f.disabled {
			d.off = append(d.off, f.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		w := want[name]
		if there[name] || w.over {
			continue
		}
		d.create = append(d.create, w)
		// An edit does not switch on what somebody switched off.
		old := replaced[w.job]
		d.asleep[name] = len(old) > 0 && !slices.Contains(old, false)
	}
	return d
}

// rungFor says by name for which job a schedule rings, of those that the jobs of
// the ledger have as they stand there. A job that another version wrote may be
// left out.
func rungFor(jobs []dispatch.Deployed) map[string]string {
	names := map[string]string{}
	for _, d := range jobs {
		j, err := readJob(d)
		if err != nil {
			continue
		}
		list, err := stack.Schedules(j)
		if err != nil {
			continue
		}
		for _, s := range list {
			names[s.Name] = d.Name
		}
	}
	return names
}

// listed are the schedules of a group by name. A group that isn't there has
// none.
func (a *Account) listed(ctx context.Context, group string) ([]found, error) {
	var all []found
	for page := (*string)(nil); ; {
		out, err := a.Scheduler.ListSchedules(ctx, &scheduler.ListSchedulesInput{GroupName: &group, MaxResults: aws.Int32(100), NextToken: page})
		if notFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("schedules of group %s: %w", group, err)
		}
		for _, s := range out.Schedules {
			all = append(all, readSummary(s))
		}
		if page = out.NextToken; page == nil {
			break
		}
	}
	slices.SortFunc(all, func(a, b found) int { return strings.Compare(a.name, b.name) })
	return slices.CompactFunc(all, func(a, b found) bool { return a.name == b.name }), nil
}

// edited is how much later than its creation a schedule's last change is if
// somebody changed it.
const edited = time.Minute

func readSummary(s types.ScheduleSummary) found {
	f := found{
		name: aws.ToString(s.Name), disabled: s.State == types.ScheduleStateDisabled,
		modified: aws.ToTime(s.LastModificationDate),
		touched:  aws.ToTime(s.LastModificationDate).Sub(aws.ToTime(s.CreationDate)) > edited,
	}
	if s.Target != nil {
		f.target = aws.ToString(s.Target.Arn)
	}
	return f
}

// lookCloser asks for the content of surplus schedules that ring for the
// function, to learn whose they are unless their name is known, and of wanted
// ones that somebody touched.
func (a *Account) lookCloser(ctx context.Context, i *stack.Installation, p stack.Place, want map[string]wanted, known map[string]string, list []found) ([]found, error) {
	function := p.Fill(i.FunctionARN())
	var unclear []*found
	for n := range list {
		f := &list[n]
		_, ok := want[f.name]
		f.astray = ok && f.target != function
		if !ok && f.target == function && !f.touched {
			f.job = known[f.name]
		}
		if f.target == function && f.job == "" && (!ok || f.touched) {
			unclear = append(unclear, f)
		}
	}
	err := a.each(ctx, len(unclear), func(ctx context.Context, n int) error {
		f := unclear[n]
		s, err := a.Scheduler.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: &f.name, GroupName: aws.String(i.Group())})
		switch w, ok := want[f.name]; {
		case notFound(err):
			f.vanished = true
		case err != nil:
			return fmt.Errorf("schedule %s: %w", f.name, err)
		case ok:
			f.astray = !isAs(s, i, p, w.Schedule)
		case s.Target != nil:
			f.job = owner(aws.ToString(s.Target.Input))
		}
		return nil
	})
	return slices.DeleteFunc(list, func(f found) bool { return f.vanished }), err
}

// owner is the job that a schedule's input is for; empty if it isn't solocron's.
func owner(input string) string {
	var due struct{ Job, Spec, Due string }
	if json.Unmarshal([]byte(input), &due) != nil || due.Spec == "" || due.Due == "" {
		return ""
	}
	return due.Job
}

// target is what a schedule invokes.
func target(i *stack.Installation, p stack.Place, s stack.Schedule) *types.Target {
	return &types.Target{
		Arn:     aws.String(p.Fill(i.FunctionARN())),
		RoleArn: aws.String(p.Fill(stack.RoleARN(i.SchedulerRole()))),
		Input:   aws.String(s.Input),
		RetryPolicy: &types.RetryPolicy{
			MaximumEventAgeInSeconds: aws.Int32(int32(s.MaxAge / time.Second)),
			MaximumRetryAttempts:     aws.Int32(s.Retries),
		},
		DeadLetterConfig: &types.DeadLetterConfig{Arn: aws.String(p.Fill(stack.QueueARN(i.ScheduleQueue())))},
	}
}

// isAs reports whether a schedule is as it was made, whether or not it is
// switched on.
func isAs(s *scheduler.GetScheduleOutput, i *stack.Installation, p stack.Place, w stack.Schedule) bool {
	want, got := target(i, p, w), s.Target
	if got == nil || got.RetryPolicy == nil || got.DeadLetterConfig == nil || s.FlexibleTimeWindow == nil {
		return false
	}
	same := func(a, b *string) bool { return aws.ToString(a) == aws.ToString(b) }
	return aws.ToString(s.ScheduleExpression) == w.Expr && aws.ToString(s.ScheduleExpressionTimezone) == w.Zone &&
		s.FlexibleTimeWindow.Mode == types.FlexibleTimeWindowModeOff && s.StartDate == nil && s.EndDate == nil &&
		same(got.Arn, want.Arn) && same(got.RoleArn, want.RoleArn) && same(got.Input, want.Input) &&
		aws.ToInt32(got.RetryPolicy.MaximumEventAgeInSeconds) == *want.RetryPolicy.MaximumEventAgeInSeconds &&
		aws.ToInt32(got.RetryPolicy.MaximumRetryAttempts) == *want.RetryPolicy.MaximumRetryAttempts &&
		same(got.DeadLetterConfig.Arn, want.DeadLetterConfig.Arn)
}

func notFound(err error) bool { return errorCode(err) == "ResourceNotFoundException" }
