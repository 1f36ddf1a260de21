package ssmexec

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/solocron/solocron/fleet"
)

// instance is the state of the host's instance, or empty if it is none, EC2
// can't say, or no longer lists it. It is asked by filter, since an unknown ID
// would fail the call.
func (e *Executor) instance(ctx context.Context, h fleet.Host) ec2types.InstanceStateName {
	if e.opts.EC2 == nil || hybrid(h) {
		return ""
	}
	out, err := e.opts.EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{
		Filters: []ec2types.Filter{{Name: aws.String("instance-id"), Values: []string{h.ID}}},
	})
	if err != nil {
		e.opts.Log.Warn("EC2 does not tell an instance's state", "host", h.ID, "error", err)
		return ""
	}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if aws.ToString(i.InstanceId) == h.ID && i.State != nil {
				return i.State.Name
			}
		}
	}
	return ""
}

// online reports whether SSM hears the host's agent. What is stopped or
// terminated is not listed at all.
func (e *Executor) online(ctx context.Context, h fleet.Host) (bool, error) {
	out, err := e.opts.SSM.DescribeInstanceInformation(ctx, &ssm.DescribeInstanceInformationInput{
		Filters: []types.InstanceInformationStringFilter{{Key: aws.String("InstanceIds"), Values: []string{h.ID}}},
	})
	if err != nil {
		return false, fmt.Errorf("agent of %s: %w", h.ID, err)
	}
	for _, i := range out.InstanceInformationList {
		if aws.ToString(i.InstanceId) == h.ID {
			return i.PingStatus == types.PingStatusOnline, nil
		}
	}
	return false, nil
}
