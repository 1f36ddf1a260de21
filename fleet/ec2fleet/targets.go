package ec2fleet

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// targets is the state of each target by instance ID; nil if it doesn't matter.
type targets map[string]elbtypes.TargetHealthStateEnum

// targets asks for the whole target group, which is one answer without pages.
func (f *Fleet) targets(ctx context.Context) (targets, error) {
	out, err := f.o.ELB.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{
		TargetGroupArn: aws.String(f.o.TargetGroup),
	})
	if err != nil {
		return nil, err
	}
	return judge(out.TargetHealthDescriptions), nil
}

// judge takes the worse of two ports of one instance. A group without a load
// balancer reports all its targets as unused: then nobody checks their health,
// and to be a target is enough.
func judge(list []elbtypes.TargetHealthDescription) targets {
	const healthy, unused = elbtypes.TargetHealthStateEnumHealthy, elbtypes.TargetHealthStateEnumUnused
	found := targets{}
	inUse := false
	for _, d := range list {
		if d.Target == nil || d.TargetHealth == nil {
			continue
		}
		id, state := aws.ToString(d.Target.Id), d.TargetHealth.State
		inUse = inUse || state != unused
		if was, ok := found[id]; !ok || was == healthy {
			found[id] = state
		}
	}
	if !inUse {
		for id := range found {
			found[id] = healthy
		}
	}
	return found
}

func (t targets) refusal(id string) string {
	if t == nil {
		return ""
	}
	state, ok := t[id]
	switch {
	case !ok:
		return "target group: not a target"
	case state != elbtypes.TargetHealthStateEnumHealthy:
		return "target group: " + string(state)
	}
	return ""
}
