package ec2fleet

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solocron/solocron/fleet"
)

// big is a fleet of 2,000 instances, every other one in a group.
func big() *account {
	hosts := make([]fleet.Host, 2000)
	for n := range hosts {
		hosts[n] = fleet.Host{ID: fmt.Sprintf("i-%017x", n), Launched: launched, Tags: map[string]string{"cron": "true", "Name": "web"}}
		if n%2 == 0 {
			hosts[n].Group, hosts[n].Tags[groupTag] = "web", "web"
		}
	}
	return of(hosts)
}

func TestEveryPageIsRead(t *testing.T) {
	a := big()
	a.repeat = 7
	got := refusals(t, a.fleet(t, nil))
	if len(got) != 2000 {
		t.Errorf("%d hosts, want 2,000", len(got))
	}
	for id, reason := range got {
		if reason != "" {
			t.Errorf("%s: %s", id, reason)
		}
	}
	want := map[string]int{"DescribeInstances": 2, "DescribeInstanceInformation": 40, "DescribeAutoScalingInstances": 20}
	if diff := cmp.Diff(want, a.called()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestPagesWithoutEnd(t *testing.T) {
	for operation, asked := range map[string]string{
		"DescribeInstances": "EC2 DescribeInstances", "DescribeInstanceInformation": "SSM DescribeInstanceInformation",
	} {
		for token, want := range map[string]string{"same": "the same page again and again", "+": "no end after 1000 pages"} {
			a := of([]fleet.Host{{ID: "i-1"}})
			a.endless = map[string]string{operation: token}
			hosts, err := a.fleet(t, nil).Hosts(t.Context())
			if !errors.Is(err, fleet.ErrInventory) || len(hosts) != 0 || !strings.Contains(err.Error(), asked+": "+want) {
				t.Errorf("%s: %d hosts, %v; want an error with %q", operation, len(hosts), err, want)
			}
			if n := a.called()[operation]; n > maxPages {
				t.Errorf("%s was called %d times", operation, n)
			}
		}
	}
}

func TestThrottledCallsAreRepeated(t *testing.T) {
	a := big()
	a.throttle = map[string]int{"DescribeInstances": 2, "DescribeInstanceInformation": 2, "DescribeAutoScalingInstances": 2}
	if got := refusals(t, a.fleet(t, nil)); len(got) != 2000 {
		t.Errorf("%d hosts, want 2,000", len(got))
	}
}

func TestErrorsNameTheOperation(t *testing.T) {
	for operation, code := range map[string]string{
		"DescribeInstances":            "UnauthorizedOperation",
		"DescribeInstanceInformation":  "ThrottlingException",
		"DescribeAutoScalingInstances": "AccessDenied",
		"DescribeTargetHealth":         "TargetGroupNotFound",
		"ListTagsForResource":          "InternalServerError",
	} {
		a := big()
		a.agents = append(a.agents, online("mi-1"))
		a.refuse = map[string]string{operation: code}
		hosts, err := a.fleet(t, func(o *Options) { o.TargetGroup, o.Hybrid = "arn", true }).Hosts(t.Context())
		if !errors.Is(err, fleet.ErrInventory) || hosts != nil {
			t.Errorf("%s: %d hosts, %v; want ErrInventory", operation, len(hosts), err)
			continue
		}
		for _, part := range []string{operation, code} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q lacks %q", err, part)
			}
		}
	}
}
