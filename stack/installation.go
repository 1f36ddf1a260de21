// Package stack says what solocron is in an AWS account: its names, its
// settings, and the schedules of its jobs, all of it from one jobs file and
// without asking AWS.
//
// The packages below it make the template (stack/template) and the rights
// (stack/policy) of it, put it in place (stack/deploy) and look after it
// (stack/doctor).
//
// One DynamoDB table is one installation, and its name is the stack's: with
// ledger dynamodb://eu-central-1/cron the CloudFormation stack, the Lambda
// function and the schedule group are called cron, too. Every name here is known
// before anything is there, so that rights can be given to it by name.
package stack

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/solocron/solocron/job"
)

// Installation is what a jobs file asks of an AWS account.
type Installation struct {
	Name   string // of the stack, the function, the schedule group and the table
	Region string
	File   *job.File
}

// The stack's name goes into those of roles (64 characters, with the region and
// a suffix) and of the code's bucket (63, with region and account).
var nameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{2,24}$`)

// New reads an installation from a jobs file. Its error joins everything that
// keeps the file's jobs from running on AWS.
func New(f *job.File) (*Installation, error) {
	region, table, ok := job.DynamoDB(f.Ledger)
	if !ok || f.Fleet.EC2 == nil {
		return nil, fmt.Errorf("%s is for solocron serve: a stack needs ledger: dynamodb://REGION/TABLE and fleet: {region: REGION}", f.Path)
	}
	i := &Installation{Name: table, Region: region, File: f}
	var errs []error
	if !nameForm.MatchString(table) {
		errs = append(errs, fmt.Errorf("ledger: the stack is named as the table, and %q is no stack's name: use 3 to 25 letters, digits and -, a letter first", table))
	}
	if f.Fleet.EC2.Region != region {
		errs = append(errs, fmt.Errorf("ledger: the function runs in the fleet's region, so its table has to be there; use dynamodb://%s/%s", f.Fleet.EC2.Region, table))
	}
	for _, name := range slices.Sorted(maps.Keys(f.Targets)) {
		if f.Targets[name].SNS == nil {
			errs = append(errs, fmt.Errorf("notify.targets.%s: the function tells people through SNS; write sns: {topic: NAME} and subscribe the receiver to that topic", name))
		}
	}
	for _, j := range f.Jobs {
		if _, err := Timers(j); err != nil {
			errs = append(errs, fmt.Errorf("job %s: %w", j.Name, err))
		}
	}
	_, err := i.Settings()
	return i, errors.Join(append(errs, err)...)
}

// Placeholders stand for what is only known in an account. They are
// CloudFormation's own, as in Fn::Sub; see [Literal] for texts of other people.
const (
	Partition = "${AWS::Partition}"
	Region    = "${AWS::Region}"
	Account   = "${AWS::AccountId}"
)

// Place is an account and a region, to fill the placeholders in.
type Place struct{ Partition, Region, Account string }

// Fill replaces the placeholders of a text.
func (p Place) Fill(text string) string {
	return strings.NewReplacer(Partition, p.Partition, Region, p.Region, Account, p.Account, "${!", "${").Replace(text)
}

// Literal is somebody's text within one that has placeholders: none of it is
// replaced.
func Literal(text string) string { return strings.ReplaceAll(text, "${", "${!") }

// The names within an installation. ARNs have placeholders.

// FunctionARN is the Lambda function's.
func (i *Installation) FunctionARN() string { return arn("lambda", "function:"+i.Name) }

// LogGroup is the function's; Lambda derives it from the function's name.
func (i *Installation) LogGroup() string { return "/aws/lambda/" + i.Name }

// Group is the schedule group of the jobs.
func (i *Installation) Group() string { return i.Name }

// GroupARN is the schedule group's: what Scheduler names as its source when it
// assumes the role.
func (i *Installation) GroupARN() string { return arn("scheduler", "schedule-group/"+i.Group()) }

// TableARN is the ledger's.
func (i *Installation) TableARN() string { return arn("dynamodb", "table/"+i.Name) }

// FunctionRole is the role that the function has.
func (i *Installation) FunctionRole() string { return i.role("function") }

// SchedulerRole is the role in which Scheduler invokes the function.
func (i *Installation) SchedulerRole() string { return i.role("scheduler") }

// ReportRole is the role in which SSM itself tells a topic, if the file asks for
// that.
func (i *Installation) ReportRole() string { return i.role("report") }

// role names a role with the region, since a role is known in all regions.
func (i *Installation) role(of string) string { return i.Name + "-" + i.Region + "-" + of }

// RoleARN is the ARN of one of the roles.
func RoleARN(name string) string { return "arn:" + Partition + ":iam::" + Account + ":role/" + name }

// ScheduleQueue is the dead-letter queue of schedules that could not invoke the
// function.
func (i *Installation) ScheduleQueue() string { return i.Name + "-schedules-undelivered" }

// EventQueue is the dead-letter queue of events and invocations that were given
// up.
func (i *Installation) EventQueue() string { return i.Name + "-events-undelivered" }

// QueueARN is the ARN of one of the queues.
func QueueARN(name string) string { return arn("sqs", name) }

// SweepRule is the rule of EventBridge for the sweep of every minute.
func (i *Installation) SweepRule() string { return i.Name + "-sweep" }

// CommandRule is the rule of EventBridge for what SSM says of commands.
func (i *Installation) CommandRule() string { return i.Name + "-commands" }

// RuleARN is the ARN of one of the rules.
func RuleARN(name string) string { return arn("events", "rule/"+name) }

// Bucket is where the function's code is, unless another bucket is given.
func (i *Installation) Bucket(p Place) string {
	return strings.ToLower(i.Name) + "-" + p.Account + "-" + p.Region
}

// arn is that of something in the stack's account and region.
func arn(service, what string) string {
	return "arn:" + Partition + ":" + service + ":" + Region + ":" + Account + ":" + what
}
