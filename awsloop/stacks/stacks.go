// Package stacks is AWS CloudFormation on the loopback: stacks that are made and
// changed by change sets alone, from templates in JSON. It is test equipment.
//
// # What can be relied on
//
// A resource is there because its service was called for it, over the same
// front that everybody uses. What AWS refuses is refused: a body above 51,200
// bytes, a name without its capability, a type or a property that is unknown
// (or is not implemented here), a reference to nothing, a change set that
// changes nothing or that was overtaken by another. A failure rolls back.
//
// # What it can't show
//
// Resources are made one after the other, not side by side. Conditions,
// mappings, rules, macros, nested stacks, imports, drift, stack policies and
// service roles are refused, as are rollback triggers.
package stacks

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Options say where the stacks are. All are needed, but for Moment and Log.
type Options struct {
	Config  aws.Config // of the clients that make resources
	Region  string
	Account string
	ID      func() string                    // makes up an identifier in the form of a UUID
	Go      func(func(context.Context)) bool // runs in the background; false if it won't
	Moment  time.Duration                    // how long a change set takes to be made; 0 for 20 ms
	Log     *slog.Logger
}

// CloudFormation answers the service's operations over HTTP. It is safe for
// concurrent use.
type CloudFormation struct {
	o          Options
	services   *services
	operations map[string]operation

	mu     sync.Mutex
	stacks []*stack // also deleted ones, oldest first
}

// New returns a CloudFormation without stacks.
func New(o Options) *CloudFormation {
	if o.Moment == 0 {
		o.Moment = 20 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &CloudFormation{o: o, services: newServices(o.Config)}
	c.operations = map[string]operation{
		"CreateChangeSet":        op(c.createChangeSet),
		"DescribeChangeSet":      op(c.describeChangeSet),
		"ExecuteChangeSet":       op(c.executeChangeSet),
		"DeleteChangeSet":        op(c.deleteChangeSet),
		"ListChangeSets":         op(c.listChangeSets),
		"DescribeStacks":         op(c.describeStacks),
		"DescribeStackEvents":    op(c.describeStackEvents),
		"DescribeStackResource":  op(c.describeStackResource),
		"DescribeStackResources": op(c.describeStackResources),
		"ListStackResources":     op(c.listStackResources),
		"GetTemplate":            op(c.getTemplate),
		"GetTemplateSummary":     op(c.getTemplateSummary),
		"DeleteStack":            op(c.deleteStack),
	}
	return c
}

func (c *CloudFormation) id() string { return c.o.ID() }

// arn is that of a stack or a change set.
func (c *CloudFormation) arn(what, name string) string {
	return "arn:aws:cloudformation:" + c.o.Region + ":" + c.o.Account + ":" + what + "/" + name + "/" + c.id()
}

// pseudo are the pseudo parameters.
func (c *CloudFormation) pseudo(s *stack, name string) (value any, ok bool) {
	switch name {
	case "AWS::AccountId":
		return c.o.Account, true
	case "AWS::NoValue":
		return noValue, true
	case "AWS::Partition":
		return "aws", true
	case "AWS::Region":
		return c.o.Region, true
	case "AWS::StackId":
		return s.id, true
	case "AWS::StackName":
		return s.name, true
	case "AWS::URLSuffix":
		return "amazonaws.com", true
	}
	return nil, false
}
