package ec2fleet

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/solocron/solocron/fleet"
)

// node is a machine outside of EC2 with the agent on it.
type node struct {
	info ssmtypes.InstanceInformation
	tags map[string]string
}

// nodes lists those outside of EC2 that carry the fleet's tags.
func (f *Fleet) nodes(ctx context.Context) (map[string]node, error) {
	list, err := f.describe(ctx, "ResourceType", []string{string(ssmtypes.ResourceTypeManagedInstance)})
	if err != nil {
		return nil, err
	}
	infos := byID(list, func(i ssmtypes.InstanceInformation) *string { return i.InstanceId })
	nodes, err := gather(ctx, slices.Collect(maps.Values(infos)), f.tagged)
	return byID(nodes, func(n node) *string { return n.info.InstanceId }), err
}

// tagged returns the node with its tags, or nothing if it is none of the
// fleet's or was deregistered meanwhile.
func (f *Fleet) tagged(ctx context.Context, info ssmtypes.InstanceInformation) ([]node, error) {
	out, err := f.o.SSM.ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{
		ResourceType: ssmtypes.ResourceTypeForTaggingManagedInstance,
		ResourceId:   info.InstanceId,
	})
	var gone *ssmtypes.InvalidResourceId
	switch {
	case errors.As(err, &gone):
		return nil, nil
	case err != nil:
		return nil, err
	}
	n := node{info: info}
	for _, t := range out.TagList {
		if n.tags == nil {
			n.tags = map[string]string{}
		}
		n.tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	if _, ok := f.o.Tags.Match(n.tags); !ok {
		return nil, nil
	}
	return []node{n}, nil
}

// host judges the node by its agent. When it was registered stands for when it
// was launched, which nobody knows.
func (n node) host(now time.Time, within time.Duration) fleet.Host {
	return fleet.Host{
		ID: aws.ToString(n.info.InstanceId), Address: fleet.ByAgent,
		Tags: n.tags, Launched: aws.ToTime(n.info.RegistrationDate),
		Refused: agentRefusal(n.info, now, within),
	}
}
