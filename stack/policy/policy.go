// Package policy says which rights solocron needs in an AWS account, statement
// by statement and each with the feature that needs it.
package policy

// Statement allows actions on resources. Resources and condition values may
// hold the placeholders of package stack.
type Statement struct {
	Sid       string
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
