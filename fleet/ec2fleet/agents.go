package ec2fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// agentPage is the most that DescribeInstanceInformation gives at once. A
// filter takes up to 100 IDs, but with as many as fit on a page all pages can
// be asked for at the same time.
const agentPage = 50

// agents says of the instances what their agents reported. Those that are not
// registered are absent.
func (f *Fleet) agents(ctx context.Context, ids []string) (map[string]ssmtypes.InstanceInformation, error) {
	list, err := gather(ctx, slices.Collect(slices.Chunk(ids, agentPage)),
		func(ctx context.Context, ids []string) ([]ssmtypes.InstanceInformation, error) {
			return f.describe(ctx, "InstanceIds", ids)
		})
	return byID(list, func(i ssmtypes.InstanceInformation) *string { return i.InstanceId }), err
}

// describe lists the managed nodes that fit one filter. Tags can't be asked
// for together with anything else.
func (f *Fleet) describe(ctx context.Context, key string, values []string) (list []ssmtypes.InstanceInformation, err error) {
	in := &ssm.DescribeInstanceInformationInput{
		Filters:    []ssmtypes.InstanceInformationStringFilter{{Key: aws.String(key), Values: values}},
		MaxResults: aws.Int32(agentPage), // the default of 10 would make many pages
	}
	err = pages("SSM DescribeInstanceInformation", func(token *string) (*string, error) {
		in.NextToken = token
		out, err := f.o.SSM.DescribeInstanceInformation(ctx, in)
		if err != nil {
			return nil, err
		}
		list = append(list, out.InstanceInformationList...)
		return out.NextToken, nil
	})
	return list, err
}

// agentRefusal is what speaks against sending a command to the agent, whose
// last word must not be older than within. The zero agent is none.
func agentRefusal(agent ssmtypes.InstanceInformation, now time.Time, within time.Duration) string {
	if agent.InstanceId == nil {
		return "SSM agent not registered"
	}
	if reason := platformRefusal(string(agent.PlatformType)); reason != "" {
		return reason
	}
	switch {
	case agent.PingStatus != ssmtypes.PingStatusOnline:
		return strings.TrimSpace("SSM agent " + string(agent.PingStatus))
	case now.Sub(aws.ToTime(agent.LastPingDateTime)) > within:
		return fmt.Sprintf("no word from the SSM agent for %v", within)
	}
	return ""
}

// platformRefusal refuses what is known to be another system than Linux.
func platformRefusal(platform string) string {
	if platform == "" || platform == string(ssmtypes.PlatformTypeLinux) {
		return ""
	}
	return platform + " hosts are not supported yet: commands start through a POSIX shell on Linux"
}
