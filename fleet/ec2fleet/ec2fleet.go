// Package ec2fleet is the fleet of EC2 instances, and on request of managed
// nodes outside of EC2, that the Systems Manager agent reaches.
//
// It says of every host that may not run a command why: an instance that is
// not running, an agent that is silent, a host that its Auto Scaling group is
// about to replace or that the load balancer has drained. Instances that are
// going or gone (shutting-down, terminated) are no hosts at all. Each list is
// asked for anew, in few calls: one for each 1,000 instances, 50 agents and 50
// members of Auto Scaling groups, and one for the target group.
//
// What AWS answers is a moment old: DescribeInstances is eventually
// consistent, and an agent that just died is Online for some minutes more. A
// host without a reason against it may therefore still not start a command,
// and whoever sends one must stand that.
package ec2fleet

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	autoscalingtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"golang.org/x/sync/errgroup"

	"github.com/solocron/solocron/fleet"
)

// Options say whom to ask, and for what. The clients keep the SDK's retries,
// which are what throttled calls wait for.
type Options struct {
	EC2         *ec2.Client
	SSM         *ssm.Client
	AutoScaling *autoscaling.Client // needed once an instance belongs to a group
	ELB         *elb.Client         // needed with TargetGroup

	// Tags are what every host of the fleet carries.
	Tags fleet.Selector
	// TargetGroup is the ARN of a target group, of the target type instance,
	// in which an EC2 instance must be healthy. Empty for none.
	TargetGroup string
	// Hybrid adds the managed nodes outside of EC2 (mi-…). Their tags take one
	// call a node.
	Hybrid bool
	// PingWithin is how old the agent's last word may be; default 15m. An
	// agent reports every 5 minutes, and its status may say Online although it
	// is gone: three reports missed are no accident any more.
	PingWithin time.Duration
}

const pingWithin = 15 * time.Minute

// Fleet lists hosts, and keeps them from being scaled in.
type Fleet struct{ o Options }

var (
	_ fleet.Finder    = (*Fleet)(nil)
	_ fleet.Protector = (*Fleet)(nil)
)

// New returns the fleet of the options. It calls nobody.
func New(o Options) *Fleet {
	if o.PingWithin <= 0 {
		o.PingWithin = pingWithin
	}
	return &Fleet{o}
}

// Hosts implements [fleet.Fleet].
func (f *Fleet) Hosts(ctx context.Context) ([]fleet.Host, error) { return f.Find(ctx, nil) }

// Find implements [fleet.Finder]. What want asks for is left to EC2 as far as
// its filters can tell exactly; the nodes outside of EC2 are all in the answer.
func (f *Fleet) Find(ctx context.Context, want fleet.Selector) ([]fleet.Host, error) {
	s, err := f.look(ctx, want)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fleet.ErrInventory, err)
	}
	return s.hosts(time.Now(), f.o.PingWithin), nil
}

// sighting is what AWS said of the fleet, all of it by the hosts' IDs.
type sighting struct {
	instances map[string]*ec2types.Instance
	nodes     map[string]node // outside of EC2

	// Of the running instances alone.
	agents  map[string]ssmtypes.InstanceInformation
	members map[string]autoscalingtypes.AutoScalingInstanceDetails
	targets targets
}

func (f *Fleet) look(ctx context.Context, want fleet.Selector) (*sighting, error) {
	var s sighting
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if s.instances, err = f.instances(ctx, want); err != nil {
			return err
		}
		return f.lookCloser(ctx, &s)
	})
	if f.o.Hybrid {
		g.Go(func() (err error) {
			s.nodes, err = f.nodes(ctx)
			return err
		})
	}
	return &s, g.Wait()
}

// lookCloser asks about the running instances what there is to ask.
func (f *Fleet) lookCloser(ctx context.Context, s *sighting) error {
	var running, grouped []string
	for _, id := range slices.Sorted(maps.Keys(s.instances)) {
		i := s.instances[id]
		if !isRunning(i) {
			continue
		}
		running = append(running, id)
		if tags(i.Tags)[groupTag] != "" {
			grouped = append(grouped, id)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		s.agents, err = f.agents(ctx, running)
		return err
	})
	g.Go(func() (err error) {
		s.members, err = f.members(ctx, grouped)
		return err
	})
	if f.o.TargetGroup != "" && len(running) > 0 {
		g.Go(func() (err error) {
			s.targets, err = f.targets(ctx)
			return err
		})
	}
	return g.Wait()
}

// hosts judges the sighting.
func (s *sighting) hosts(now time.Time, within time.Duration) []fleet.Host {
	list := make([]fleet.Host, 0, len(s.instances)+len(s.nodes))
	for id, i := range s.instances {
		list = append(list, s.host(id, i, now, within))
	}
	for id, n := range s.nodes {
		if _, ok := s.instances[id]; !ok {
			list = append(list, n.host(now, within))
		}
	}
	slices.SortFunc(list, func(a, b fleet.Host) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// host judges an instance. Of several reasons against it the most lasting is
// told.
func (s *sighting) host(id string, i *ec2types.Instance, now time.Time, within time.Duration) fleet.Host {
	h := fleet.Host{ID: id, Address: fleet.ByAgent, Tags: tags(i.Tags), Launched: aws.ToTime(i.LaunchTime)}
	h.Group = h.Tags[groupTag]
	h.Protected = aws.ToBool(s.members[id].ProtectedFromScaleIn)
	h.Refused = platformRefusal(platform(i))
	switch {
	case h.Refused != "":
	case !isRunning(i):
		h.Refused = state(i)
	default:
		h.Refused = cmp.Or(s.memberRefusal(h), agentRefusal(s.agents[id], now, within), s.targets.refusal(id))
	}
	return h
}
