package ec2fleet

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/solocron/solocron/fleet"
)

// instancePage is the most that DescribeInstances gives at once.
const instancePage = 1000

// hostStates are the states of an instance that is a host, if only one of
// which people should see why it is not fit. The others, shutting-down and
// terminated, are reported for about an hour after an instance has ended.
var hostStates = []string{"pending", "running", "stopping", "stopped"}

// instances lists those that carry the fleet's tags. Instance IDs can't go
// together with pages, so there are none in the request.
func (f *Fleet) instances(ctx context.Context, want fleet.Selector) (map[string]*ec2types.Instance, error) {
	in := &ec2.DescribeInstancesInput{
		Filters:    filters(f.o.Tags, want),
		MaxResults: aws.Int32(instancePage),
	}
	found := map[string]*ec2types.Instance{}
	err := pages("EC2 DescribeInstances", func(token *string) (*string, error) {
		in.NextToken = token
		var said description
		out, err := f.o.EC2.DescribeInstances(ctx, in, func(o *ec2.Options) { o.APIOptions = append(o.APIOptions, said.take) })
		if err != nil {
			return nil, err
		}
		for k := range said.instances {
			i := &said.instances[k]
			if _, ok := f.o.Tags.Match(tags(i.Tags)); ok {
				found[aws.ToString(i.InstanceId)] = i
			}
		}
		return out.NextToken, nil
	})
	return found, err
}

// filters lets EC2 leave out what can't match. Where both selectors name a key
// with different values nobody matches: then only the fleet's own goes to EC2,
// and whoever chose the other can be told why.
func filters(own, want fleet.Selector) []ec2types.Filter {
	both := maps.Clone(want)
	if both == nil {
		both = fleet.Selector{}
	}
	for k, v := range own {
		if v != "*" || both[k] == "" {
			both[k] = v
		}
	}
	list := []ec2types.Filter{{Name: aws.String("instance-state-name"), Values: hostStates}}
	for _, k := range slices.Sorted(maps.Keys(both)) {
		list = append(list, ec2types.Filter{Name: aws.String("tag:" + k), Values: []string{pattern(both[k])}})
	}
	return list
}

// pattern is the value of a filter that lets everything pass that the
// selector's value matches. EC2 takes * ? and the backslash for wildcards and
// an escape, so a value with one of them is left to [fleet.Selector.Match].
func pattern(value string) string {
	if value == "" || strings.ContainsAny(value, `*?\`) {
		return "*"
	}
	return value
}

func isRunning(i *ec2types.Instance) bool {
	return state(i) == string(ec2types.InstanceStateNameRunning)
}

func state(i *ec2types.Instance) string {
	if i.State == nil {
		return "in no known state"
	}
	return cmp.Or(string(i.State.Name), "in no known state")
}

// platform is known of Windows alone; the others EC2 can't tell apart.
func platform(i *ec2types.Instance) string {
	if strings.EqualFold(string(i.Platform), string(ec2types.PlatformValuesWindows)) {
		return "Windows"
	}
	return ""
}

func tags(list []ec2types.Tag) map[string]string {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]string, len(list))
	for _, t := range list {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}
