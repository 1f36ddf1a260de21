// Package policy says which rights solocron needs in an AWS account, statement
// by statement and each with the feature that needs it: those of the roles of a
// stack ([Roles]), and those of the people who put it in place and operate it
// ([People]).
//
// The rights follow from the jobs file alone. A feature that the file doesn't
// use is given no right, and a right reaches no further than IAM can say it: to
// the document, to instances with the tags of the jobs, to names of this stack.
// Where AWS knows no narrower resource than all of them, the region is the
// limit. Listing is of that kind, and so is following and cancelling commands.
//
// The tests hold every statement against an independent evaluator, and every
// way to widen it, too.
package policy

import (
	"strings"

	"github.com/solocron/solocron/stack"
)

// Statement allows actions on resources. Resources and condition values may
// hold the placeholders of package stack.
type Statement struct {
	Sid       string // letters and digits; unique in a role or grant
	Needs     string // the feature that needs it, for people: "starting commands on hosts with cron=true"
	Actions   []string
	Resources []string
	Condition Condition // nil for none
}

// Condition is operator → key → values.
type Condition map[string]map[string][]string

// Role is a role of the stack: who may assume it, and what it may do.
type Role struct {
	Name       string
	Needs      string // what it is for
	Service    string // the principal: "lambda.amazonaws.com"
	Trust      Condition
	Statements []Statement
}

// Grant is what somebody may do who uses solocron.
type Grant struct {
	Name       string   // "plan"
	Needs      string   // what it is for
	Besides    []string // other grants that go with it
	Statements []Statement
}

// Placeholders is the place that leaves the placeholders as they are.
var Placeholders = stack.Place{Partition: stack.Partition, Region: stack.Region, Account: stack.Account}

// Partition is the one that a region belongs to.
func Partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// arn is that of something in the stack's account and region.
func arn(service, what string) string {
	return "arn:" + stack.Partition + ":" + service + ":" + stack.Region + ":" + stack.Account + ":" + what
}

// everything stands for all resources, for actions to which AWS knows no others.
var everything = []string{"*"}

// inRegion limits what can be limited in no other way.
func inRegion() Condition {
	return Condition{"StringEquals": {"aws:RequestedRegion": {stack.Region}}}
}

// passedTo limits whom a role may be handed to.
func passedTo(service string) Condition {
	return Condition{"StringEquals": {"iam:PassedToService": {service}}}
}

// The services that assume the roles, in every partition.
const (
	lambdaService    = "lambda.amazonaws.com"
	schedulerService = "scheduler.amazonaws.com"
	ssmService       = "ssm.amazonaws.com"
)
