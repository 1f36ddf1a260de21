package ec2fleet

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/solocron/solocron/fleet"
)

func TestProtect(t *testing.T) {
	in := func(lifecycle string) []member {
		return []member{{id: "i-1", group: "web", lifecycle: lifecycle, health: "Healthy"}}
	}
	for name, c := range map[string]struct {
		group   string
		members []member
		refuse  map[string]string
		want    string
		calls   int
	}{
		"in service":     {"web", in("InService"), nil, "", 1},
		"no group":       {"", nil, nil, "", 0},
		"not in it":      {"web", nil, nil, "", 2},
		"in another":     {"old", in("InService"), nil, "", 2},
		"leaving":        {"web", in("Terminating:Wait"), nil, "", 2},
		"gone":           {"web", in("Terminated"), nil, "", 2},
		"being detached": {"web", in("Detaching"), nil, "", 2},
		"in a warm pool": {"web", in("Warmed:Stopped"), nil, "", 2},
		"not yet there":  {"web", in("Pending"), nil, "set scale-in protection of i-1 in Auto Scaling group web to true: operation error Auto Scaling: SetInstanceProtection", 2},
		"not allowed":    {"web", in("InService"), map[string]string{"SetInstanceProtection": "AccessDenied"}, "AccessDenied", 1},
		"can't be asked": {"web", nil, map[string]string{"DescribeAutoScalingInstances": "AccessDenied"}, "DescribeAutoScalingInstances", 2},
	} {
		t.Run(name, func(t *testing.T) {
			a := &account{members: c.members, refuse: c.refuse}
			err := a.fleet(t, nil).Protect(t.Context(), fleet.Host{ID: "i-1", Group: c.group}, true)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("Protect = %v, want %q", err, c.want)
			}
			calls := 0
			for _, n := range a.called() {
				calls += n
			}
			if calls != c.calls {
				t.Errorf("%d calls, want %d: %v", calls, c.calls, a.called())
			}
		})
	}
}

func TestProtectionShows(t *testing.T) {
	h := fleet.Host{ID: "i-1", Group: "web", Tags: map[string]string{groupTag: "web"}}
	f := of([]fleet.Host{h}).fleet(t, nil)
	for _, on := range []bool{true, true, false, false} {
		if err := f.Protect(t.Context(), h, on); err != nil {
			t.Fatal(err)
		}
		hosts, err := f.Hosts(t.Context())
		if err != nil || hosts[0].Protected != on {
			t.Errorf("after Protect(%t): %+v, %v", on, hosts, err)
		}
	}
}

func TestProtectCancelled(t *testing.T) {
	stopped := errors.New("the daemon stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	err := of(nil).fleet(t, nil).Protect(ctx, fleet.Host{ID: "i-1", Group: "web"}, false)
	if !errors.Is(err, stopped) {
		t.Errorf("Protect = %v, want the cause", err)
	}
}
