package ec2fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	autoscalingtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/smithy-go"

	"github.com/solocron/solocron/fleet"
)

// groupTag is what EC2 Auto Scaling puts on the instances of a group.
const groupTag = "aws:autoscaling:groupName"

// memberPage is the most IDs that DescribeAutoScalingInstances takes, and the
// most instances that it gives at once.
const memberPage = 50

// members says how the instances stand in their groups. Those that belong to
// none are absent.
func (f *Fleet) members(ctx context.Context, ids []string) (map[string]autoscalingtypes.AutoScalingInstanceDetails, error) {
	list, err := gather(ctx, slices.Collect(slices.Chunk(ids, memberPage)), f.describeMembers)
	return byID(list, func(m autoscalingtypes.AutoScalingInstanceDetails) *string { return m.InstanceId }), err
}

func (f *Fleet) describeMembers(ctx context.Context, ids []string) (list []autoscalingtypes.AutoScalingInstanceDetails, err error) {
	in := &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: ids, MaxRecords: aws.Int32(memberPage)}
	err = pages("Auto Scaling DescribeAutoScalingInstances", func(token *string) (*string, error) {
		in.NextToken = token
		out, err := f.o.AutoScaling.DescribeAutoScalingInstances(ctx, in)
		if err != nil {
			return nil, err
		}
		list = append(list, out.AutoScalingInstances...)
		return out.NextToken, nil
	})
	return list, err
}

// memberRefusal is what the host's group has in mind for it. Of some thirty
// states one alone is good: a host in any other is still running and its agent
// Online, but it is being started, set aside or ended. So may be one that has
// the group's tag and that Auto Scaling doesn't know: it is refused too, and
// loses the tag when it was merely detached.
func (s *sighting) memberRefusal(h fleet.Host) string {
	if h.Group == "" {
		return ""
	}
	m, ok := s.members[h.ID]
	lifecycle, health := aws.ToString(m.LifecycleState), aws.ToString(m.HealthStatus)
	switch {
	case !ok:
		return "Auto Scaling: not known in its group"
	case lifecycle != string(autoscalingtypes.LifecycleStateInService):
		return "Auto Scaling: " + lifecycle
	case !strings.EqualFold(health, "Healthy"): // its case varies
		return "Auto Scaling: " + health
	}
	return ""
}

// Protect implements [fleet.Protector].
func (f *Fleet) Protect(ctx context.Context, h fleet.Host, on bool) error {
	if h.Group == "" {
		return nil
	}
	_, err := f.o.AutoScaling.SetInstanceProtection(ctx, &autoscaling.SetInstanceProtectionInput{
		AutoScalingGroupName: aws.String(h.Group),
		InstanceIds:          []string{h.ID},
		ProtectedFromScaleIn: aws.Bool(on),
	})
	if isInvalid(err) {
		// It may be that the host has left, which only the group can tell.
		left, askErr := f.left(ctx, h)
		if left {
			return nil
		}
		err = errors.Join(err, askErr)
	}
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case err == nil:
		return nil
	}
	return fmt.Errorf("set scale-in protection of %s in Auto Scaling group %s to %t: %w", h.ID, h.Group, on, err)
}

// isInvalid reports whether Auto Scaling calls the request invalid: no such
// group, no such instance in it, or not in its present state.
func isInvalid(err error) bool {
	var refused smithy.APIError
	return errors.As(err, &refused) && refused.ErrorCode() == "ValidationError"
}

// left reports whether the host is out of its group, or on the way out, where
// no protection can hold it. A warm pool counts as out.
func (f *Fleet) left(ctx context.Context, h fleet.Host) (bool, error) {
	members, err := f.members(ctx, []string{h.ID})
	if err != nil {
		return false, err
	}
	m, ok := members[h.ID]
	if !ok || aws.ToString(m.AutoScalingGroupName) != h.Group {
		return true, nil
	}
	for _, prefix := range []string{"Terminat", "Detach", "Warmed:"} {
		if strings.HasPrefix(aws.ToString(m.LifecycleState), prefix) {
			return true, nil
		}
	}
	return false, nil
}
