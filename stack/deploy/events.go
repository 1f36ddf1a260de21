package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// An operation of CloudFormation's on a stack, from the events that come after
// the last one before it.
type operation struct {
	name   string // the stack's, for people
	id     string // the stack's, which stays its own when it is gone
	after  string // the last event before; empty for none
	failed string // the first resource that failed, and why
	ended  bool   // as the events say
	// removes says that the operation has ended when the stack is gone.
	removes bool
}

// operation is one that is about to begin.
func (a *Account) operation(ctx context.Context, name, id string) (*operation, error) {
	o := &operation{name: name, id: id}
	out, err := a.CloudFormation.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &id})
	if err != nil {
		return nil, fmt.Errorf("events of stack %s: %w", name, err)
	}
	if len(out.StackEvents) > 0 {
		o.after = aws.ToString(out.StackEvents[0].EventId)
	}
	return o, nil
}

// follow tells what is done until the operation has ended, and returns the
// stack's state then; "" if the stack is gone.
func (a *Account) follow(ctx context.Context, o *operation) (status string, err error) {
	err = poll(ctx, func() (bool, error) {
		fresh, err := a.events(ctx, o)
		if err != nil {
			return false, err
		}
		for _, e := range fresh {
			o.hear(e)
			if own := aws.ToString(e.PhysicalResourceId) == o.id; own || !busy(string(e.ResourceStatus)) {
				a.tell(Step{Part: "stack", Text: eventText(e)})
			}
		}
		if !o.ended && !o.removes {
			return false, nil
		}
		// The state alone won't do, since it may still be that of before; nor will
		// the events, since a stack may go on after one that looks like an end.
		s, err := a.describeStack(ctx, o.id)
		switch {
		case err != nil:
			return false, err
		case s == nil || s.StackStatus == types.StackStatusDeleteComplete:
			status = ""
			return true, nil
		}
		status = string(s.StackStatus)
		return o.ended && !busy(status), nil
	})
	return status, err
}

// events are those that nobody has heard of, the oldest first.
func (a *Account) events(ctx context.Context, o *operation) ([]types.StackEvent, error) {
	var fresh []types.StackEvent
	for page := (*string)(nil); ; {
		out, err := a.CloudFormation.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &o.id, NextToken: page})
		if noStack(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("events of stack %s: %w", o.name, err)
		}
		known := slices.IndexFunc(out.StackEvents, func(e types.StackEvent) bool { return aws.ToString(e.EventId) == o.after })
		if known >= 0 {
			fresh = append(fresh, out.StackEvents[:known]...)
			break
		}
		fresh = append(fresh, out.StackEvents...)
		if page = out.NextToken; page == nil {
			break
		}
	}
	if len(fresh) > 0 {
		o.after = aws.ToString(fresh[0].EventId)
	}
	slices.Reverse(fresh)
	return fresh, nil
}

// hear remembers the first failure and the end.
func (o *operation) hear(e types.StackEvent) {
	status, reason := string(e.ResourceStatus), aws.ToString(e.ResourceStatusReason)
	own := aws.ToString(e.PhysicalResourceId) == o.id
	// Whatever was under way when the first one failed is cancelled.
	if strings.HasSuffix(status, "_FAILED") && !own && o.failed == "" && !strings.Contains(reason, "cancelled") {
		o.failed = fmt.Sprintf("%s %s: %s", aws.ToString(e.ResourceType), aws.ToString(e.LogicalResourceId), reason)
	}
	o.ended = own && !busy(status) || o.ended
}

// failure is what became of the operation, if not what was wanted.
func (o *operation) failure(status string) error {
	why := o.failed
	if why == "" {
		why = "CloudFormation gives no reason"
	}
	return fmt.Errorf("stack %s is %s: %s", o.name, status, why)
}

func eventText(e types.StackEvent) string {
	text := fmt.Sprintf("%s %s %s", aws.ToString(e.ResourceType), aws.ToString(e.LogicalResourceId), e.ResourceStatus)
	if reason := aws.ToString(e.ResourceStatusReason); reason != "" && strings.HasSuffix(string(e.ResourceStatus), "_FAILED") {
		text += ": " + reason
	}
	return text
}
