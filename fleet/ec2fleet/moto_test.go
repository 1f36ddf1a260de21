package ec2fleet

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	autoscalingtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"go.uber.org/goleak"

	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/fleet"
)

func TestMain(m *testing.M) {
	code := mototest.Run(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// cloud is EC2, Auto Scaling and load balancing by moto, which judges our
// requests as an outsider. It has no DescribeInstanceInformation, so the
// agents are the account's.
type cloud struct {
	Options
	agents *account
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	a := &account{}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	c := &cloud{Options: options(mototest.Config(t, mototest.Start(t))), agents: a}
	c.SSM = ssm.NewFromConfig(config(s.URL, whole{s.Client()}))
	c.Tags = fleet.Selector{"fleet": t.Name()}
	return c
}

const linux = "ami-785db401" // one of moto's images, of which most are Windows

// run starts instances of the fleet with the tag cron, and their agents.
func (c *cloud) run(t *testing.T, n int, cron string) (ids []string) {
	t.Helper()
	out, err := c.EC2.RunInstances(t.Context(), &ec2.RunInstancesInput{
		ImageId: aws.String(linux), InstanceType: ec2types.InstanceTypeT3Micro,
		MinCount: aws.Int32(int32(n)), MaxCount: aws.Int32(int32(n)),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{
			{Key: aws.String("fleet"), Value: aws.String(t.Name())}, {Key: aws.String("cron"), Value: aws.String(cron)},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range out.Instances {
		ids = append(ids, aws.ToString(i.InstanceId))
		c.agents.agents = append(c.agents.agents, online(aws.ToString(i.InstanceId)))
	}
	return ids
}

// found lists the IDs of those that may run a command, and why the others may not.
func (c *cloud) found(t *testing.T, want fleet.Selector) (fit []string, refused map[string]string) {
	t.Helper()
	hosts, err := New(c.Options).Find(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	refused = map[string]string{}
	for _, h := range hosts {
		if h.Refused != "" {
			refused[h.ID] = h.Refused
		} else {
			fit = append(fit, h.ID)
		}
	}
	return fit, refused
}

func TestMotoStatesAndTags(t *testing.T) {
	c := newCloud(t)
	ids := c.run(t, 3, "true")
	starred := c.run(t, 1, `a*b?c\d`)[0]
	c.run(t, 1, `aXbYc\d`) // what the starred value would match as a pattern
	plain := c.run(t, 1, "")[0]
	if _, err := c.EC2.StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: ids[:1]}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.EC2.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: ids[1:2]}); err != nil {
		t.Fatal(err)
	}
	fit, refused := c.found(t, fleet.Selector{"cron": "true"})
	if strings.Join(fit, " ") != ids[2] || len(refused) != 1 || refused[ids[0]] != "stopped" {
		t.Errorf("cron=true: fit %v, refused %v; want %s fit and %s stopped", fit, refused, ids[2], ids[0])
	}
	if fit, _ := c.found(t, fleet.Selector{"cron": "*"}); len(fit) != 4 {
		t.Errorf("cron=*: %v, want 4", fit)
	}
	for value, want := range map[string]string{`a*b?c\d`: starred, "": plain} {
		c.Tags["cron"] = value
		if fit, _ := c.found(t, nil); strings.Join(fit, " ") != want {
			t.Errorf("cron=%s: %v, want %s alone", value, fit, want)
		}
	}
}

func TestMotoScalingGroup(t *testing.T) {
	c := newCloud(t)
	ids := c.group(t, "web", 2)
	fit, refused := c.found(t, nil)
	if len(fit) != 2 {
		t.Fatalf("fit %v, refused %v; want 2 fit", fit, refused)
	}
	h := fleet.Host{ID: ids[0], Group: "web"}
	for _, on := range []bool{true, false} {
		if err := New(c.Options).Protect(t.Context(), h, on); err != nil {
			t.Fatal(err)
		}
		if got := c.protected(t, ids[0]); got != on {
			t.Errorf("after Protect(%t) moto says %t", on, got)
		}
	}
	if _, err := c.AutoScaling.EnterStandby(t.Context(), &autoscaling.EnterStandbyInput{
		AutoScalingGroupName: aws.String("web"), InstanceIds: ids[:1], ShouldDecrementDesiredCapacity: aws.Bool(true),
	}); err != nil {
		t.Fatal(err)
	}
	if _, refused := c.found(t, nil); refused[ids[0]] != "Auto Scaling: Standby" {
		t.Errorf("refused: %v, want %s in Standby", refused, ids[0])
	}
	if err := New(c.Options).Protect(t.Context(), fleet.Host{ID: "i-0123456789abcdef0", Group: "web"}, false); err != nil {
		t.Errorf("Protect of a host that is not in the group: %v", err)
	}
}

// group makes an Auto Scaling group of n instances of the fleet.
func (c *cloud) group(t *testing.T, name string, n int) (ids []string) {
	t.Helper()
	if _, err := c.AutoScaling.CreateLaunchConfiguration(t.Context(), &autoscaling.CreateLaunchConfigurationInput{
		LaunchConfigurationName: aws.String(name), ImageId: aws.String(linux), InstanceType: aws.String("t3.micro"),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AutoScaling.CreateAutoScalingGroup(t.Context(), &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String(name), LaunchConfigurationName: aws.String(name),
		AvailabilityZones: []string{mototest.Region + "a"},
		MinSize:           aws.Int32(0), MaxSize: aws.Int32(int32(n)), DesiredCapacity: aws.Int32(int32(n)),
		Tags: []autoscalingtypes.Tag{{Key: aws.String("fleet"), Value: aws.String(t.Name()), PropagateAtLaunch: aws.Bool(true)}},
	}); err != nil {
		t.Fatal(err)
	}
	out, err := c.AutoScaling.DescribeAutoScalingInstances(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range out.AutoScalingInstances {
		ids = append(ids, aws.ToString(i.InstanceId))
		c.agents.agents = append(c.agents.agents, online(aws.ToString(i.InstanceId)))
	}
	return ids
}

func (c *cloud) protected(t *testing.T, id string) bool {
	t.Helper()
	out, err := c.AutoScaling.DescribeAutoScalingInstances(t.Context(), &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: []string{id}})
	if err != nil || len(out.AutoScalingInstances) != 1 {
		t.Fatalf("DescribeAutoScalingInstances: %+v, %v", out, err)
	}
	return aws.ToBool(out.AutoScalingInstances[0].ProtectedFromScaleIn)
}

func TestMotoTargetGroup(t *testing.T) {
	c := newCloud(t)
	ids := c.run(t, 2, "true")
	c.TargetGroup = c.targetGroup(t)
	if _, err := c.ELB.RegisterTargets(t.Context(), &elb.RegisterTargetsInput{
		TargetGroupArn: aws.String(c.TargetGroup), Targets: []elbtypes.TargetDescription{{Id: aws.String(ids[0])}},
	}); err != nil {
		t.Fatal(err)
	}
	fit, refused := c.found(t, nil)
	if strings.Join(fit, " ") != ids[0] || refused[ids[1]] != "target group: not a target" {
		t.Errorf("fit %v, refused %v; want %s fit and %s no target", fit, refused, ids[0], ids[1])
	}
}

func (c *cloud) targetGroup(t *testing.T) (arn string) {
	t.Helper()
	vpc, err := c.EC2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.ELB.CreateTargetGroup(t.Context(), &elb.CreateTargetGroupInput{
		Name: aws.String("web"), Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp,
		TargetType: elbtypes.TargetTypeEnumInstance, VpcId: vpc.Vpc.VpcId,
	})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.TargetGroups[0].TargetGroupArn)
}
