package ec2fleet

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/fleet/fleettest"
)

var launched = time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)

// of makes an account of the hosts as they should be listed.
func of(hosts []fleet.Host) *account {
	a := &account{}
	for _, h := range hosts {
		i := instance{id: h.ID, state: "running", launched: h.Launched, tags: h.Tags}
		if h.Refused != "" {
			i.state = h.Refused
		}
		a.instances = append(a.instances, i)
		a.agents = append(a.agents, online(h.ID))
		if h.Group != "" {
			a.members = append(a.members, member{id: h.ID, group: h.Group, lifecycle: "InService", health: "HEALTHY", protected: h.Protected})
		}
	}
	return a
}

func TestFleet(t *testing.T) {
	fleettest.Run(t, fleettest.Subject{
		Of: func(t *testing.T, hosts []fleet.Host) fleet.Fleet { return of(hosts).fleet(t, nil) },
		Broken: func(t *testing.T) (fleet.Fleet, error) {
			return (&account{refuse: map[string]string{"DescribeInstances": "UnauthorizedOperation"}}).fleet(t, nil), nil
		},
		Hosts: []fleet.Host{
			{ID: "i-0a2", Address: fleet.ByAgent, Launched: launched, Group: "web", Protected: true,
				Tags: map[string]string{"cron": "true", "aws:autoscaling:groupName": "web"}},
			{ID: "i-0a10", Address: fleet.ByAgent, Launched: launched.Add(time.Hour)},
			{ID: "i-0A2", Address: fleet.ByAgent, Launched: launched, Refused: "stopped"},
		},
	})
}

// refusals lists the fleet and returns what speaks against each host.
func refusals(t *testing.T, f *Fleet) map[string]string {
	t.Helper()
	hosts, err := f.Hosts(t.Context())
	if err != nil {
		t.Fatalf("Hosts: %v", err)
	}
	found := map[string]string{}
	for _, h := range hosts {
		found[h.ID] = h.Refused
	}
	return found
}

func TestRefusals(t *testing.T) {
	const foreign = " hosts are not supported yet: commands start through a POSIX shell on Linux"
	grouped := map[string]string{"aws:autoscaling:groupName": "web"}
	ago := func(d time.Duration) func(*agent) { return func(g *agent) { g.heard = time.Now().Add(-d) } }
	ping := func(s string) func(*agent) { return func(g *agent) { g.ping = s } }
	platform := func(s string) func(*agent) { return func(g *agent) { g.platform = s } }
	absent := func(g *agent) { g.id = "i-other" }
	for name, c := range map[string]struct {
		instance instance
		agent    func(*agent)
		member   *member
		want     string
	}{
		"fit":                     {instance{}, nil, nil, ""},
		"fault 63: stopped":       {instance{state: "stopped"}, nil, nil, "stopped"},
		"fault 63: stopping":      {instance{state: "stopping"}, nil, nil, "stopping"},
		"pending":                 {instance{state: "pending"}, nil, nil, "pending"},
		"Windows":                 {instance{platform: "windows"}, nil, nil, "Windows" + foreign},
		"Windows, known of agent": {instance{}, platform("Windows"), nil, "Windows" + foreign},
		"stopped Windows":         {instance{platform: "windows", state: "stopped"}, nil, nil, "Windows" + foreign},
		"macOS":                   {instance{}, platform("MacOS"), nil, "MacOS" + foreign},
		"no agent":                {instance{}, absent, nil, "SSM agent not registered"},
		"fault 63: agent lost":    {instance{}, ping("ConnectionLost"), nil, "SSM agent ConnectionLost"},
		"agent inactive":          {instance{}, ping("Inactive"), nil, "SSM agent Inactive"},
		"agent in no state":       {instance{}, ping(""), nil, "SSM agent"},
		"agent silent":            {instance{}, ago(16 * time.Minute), nil, "no word from the SSM agent for 15m0s"},
		"agent not silent":        {instance{}, ago(14 * time.Minute), nil, ""},
		"agent's clock is ahead":  {instance{}, ago(-time.Hour), nil, ""},
		"in service":              {instance{tags: grouped}, nil, &member{lifecycle: "InService", health: "Healthy"}, ""},
		"in service, other case":  {instance{tags: grouped}, nil, &member{lifecycle: "InService", health: "HEALTHY"}, ""},
		"unhealthy":               {instance{tags: grouped}, nil, &member{lifecycle: "InService", health: "Unhealthy"}, "Auto Scaling: Unhealthy"},
		"leaving":                 {instance{tags: grouped}, nil, &member{lifecycle: "Terminating:Wait", health: "Healthy"}, "Auto Scaling: Terminating:Wait"},
		"set aside":               {instance{tags: grouped}, nil, &member{lifecycle: "Standby", health: "Healthy"}, "Auto Scaling: Standby"},
		"in a warm pool":          {instance{tags: grouped}, nil, &member{lifecycle: "Warmed:Running", health: "Healthy"}, "Auto Scaling: Warmed:Running"},
		"a state yet to be named": {instance{tags: grouped}, nil, &member{lifecycle: "ReplacingRootVolume", health: "Healthy"}, "Auto Scaling: ReplacingRootVolume"},
		"a group without it":      {instance{tags: grouped}, nil, nil, "Auto Scaling: not known in its group"},
		"stopped in its group":    {instance{tags: grouped, state: "stopped"}, nil, nil, "stopped"},
		"leaving, agent lost":     {instance{tags: grouped}, ping("ConnectionLost"), &member{lifecycle: "Terminating"}, "Auto Scaling: Terminating"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &account{instances: []instance{c.instance}, agents: []agent{online("i-1")}}
			a.instances[0].id, a.instances[0].launched = "i-1", launched
			if a.instances[0].state == "" {
				a.instances[0].state = "running"
			}
			if c.agent != nil {
				c.agent(&a.agents[0])
			}
			if c.member != nil {
				c.member.id, c.member.group = "i-1", "web"
				a.members = []member{*c.member}
			}
			got := refusals(t, a.fleet(t, nil))
			if diff := cmp.Diff(map[string]string{"i-1": c.want}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFault63GoneInstancesAreNoHosts(t *testing.T) {
	a := of([]fleet.Host{{ID: "i-1"}})
	a.instances = append(a.instances, instance{id: "i-2", state: "terminated"}, instance{id: "i-3", state: "shutting-down"})
	if got := refusals(t, a.fleet(t, nil)); len(got) != 1 {
		t.Errorf("hosts: %v, want i-1 alone", got)
	}
}

func TestTargetGroup(t *testing.T) {
	for name, c := range map[string]struct {
		targets []target
		want    map[string]string
	}{
		"healthy":           {[]target{{"i-1", "healthy"}, {"i-2", "healthy"}}, map[string]string{"i-1": "", "i-2": ""}},
		"not a target":      {[]target{{"i-1", "healthy"}}, map[string]string{"i-1": "", "i-2": "target group: not a target"}},
		"nobody is":         {nil, map[string]string{"i-1": "target group: not a target", "i-2": "target group: not a target"}},
		"no load balancer":  {[]target{{"i-1", "unused"}, {"i-2", "unused"}}, map[string]string{"i-1": "", "i-2": ""}},
		"one unused":        {[]target{{"i-1", "healthy"}, {"i-2", "unused"}}, map[string]string{"i-1": "", "i-2": "target group: unused"}},
		"one draining":      {[]target{{"i-1", "initial"}, {"i-2", "draining"}}, map[string]string{"i-1": "target group: initial", "i-2": "target group: draining"}},
		"draining unwell":   {[]target{{"i-1", "unhealthy"}, {"i-2", "unhealthy.draining"}}, map[string]string{"i-1": "target group: unhealthy", "i-2": "target group: unhealthy.draining"}},
		"unavailable":       {[]target{{"i-1", "unavailable"}, {"i-2", "healthy"}}, map[string]string{"i-1": "target group: unavailable", "i-2": ""}},
		"the worse of two":  {[]target{{"i-1", "healthy"}, {"i-1", "draining"}, {"i-2", "draining"}, {"i-2", "healthy"}}, map[string]string{"i-1": "target group: draining", "i-2": "target group: draining"}},
		"ports, all usable": {[]target{{"i-1", "healthy"}, {"i-1", "healthy"}, {"i-2", "healthy"}}, map[string]string{"i-1": "", "i-2": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			a := of([]fleet.Host{{ID: "i-1"}, {ID: "i-2"}})
			a.targets = c.targets
			got := refusals(t, a.fleet(t, func(o *Options) { o.TargetGroup = "arn:aws:elasticloadbalancing:…" }))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := a.called()["DescribeTargetHealth"]; n != 1 {
				t.Errorf("DescribeTargetHealth was called %d times, want once a list", n)
			}
		})
	}
}

func TestCallsAreMadeOnlyWhenNeeded(t *testing.T) {
	for name, c := range map[string]struct {
		hosts []fleet.Host
		want  map[string]int
	}{
		"nobody":       {nil, map[string]int{"DescribeInstances": 1}},
		"none running": {[]fleet.Host{{ID: "i-1", Refused: "stopped", Tags: map[string]string{groupTag: "web"}}}, map[string]int{"DescribeInstances": 1}},
		"no group":     {[]fleet.Host{{ID: "i-1"}}, map[string]int{"DescribeInstances": 1, "DescribeInstanceInformation": 1}},
		"a group": {
			[]fleet.Host{{ID: "i-1", Group: "web", Tags: map[string]string{groupTag: "web"}}},
			map[string]int{"DescribeInstances": 1, "DescribeInstanceInformation": 1, "DescribeAutoScalingInstances": 1},
		},
	} {
		a := of(c.hosts)
		f := a.fleet(t, nil)
		if got := a.called(); len(got) != 0 {
			t.Errorf("%s: New made calls: %v", name, got)
		}
		refusals(t, f)
		if diff := cmp.Diff(c.want, a.called()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFindFilters(t *testing.T) {
	const states = "pending,running,stopping,stopped"
	for name, c := range map[string]struct {
		own, want fleet.Selector
		filters   map[string]string
		hosts     string
	}{
		"none":                    {nil, nil, map[string]string{}, "plain starred tagged"},
		"the fleet's":             {fleet.Selector{"cron": "true"}, nil, map[string]string{"tag:cron": "true"}, "plain tagged"},
		"the job's":               {nil, fleet.Selector{"cron": "true"}, map[string]string{"tag:cron": "true"}, "plain tagged"},
		"both":                    {fleet.Selector{"cron": "true"}, fleet.Selector{"zone": "b"}, map[string]string{"tag:cron": "true", "tag:zone": "b"}, "tagged"},
		"any value":               {fleet.Selector{"zone": "*"}, nil, map[string]string{"tag:zone": "*"}, "starred tagged"},
		"any and a certain":       {fleet.Selector{"zone": "*"}, fleet.Selector{"zone": "b"}, map[string]string{"tag:zone": "b"}, "tagged"},
		"a certain and any":       {fleet.Selector{"zone": "b"}, fleet.Selector{"zone": "*"}, map[string]string{"tag:zone": "b"}, "tagged"},
		"each another":            {fleet.Selector{"zone": "b"}, fleet.Selector{"zone": "c"}, map[string]string{"tag:zone": "b"}, "tagged"},
		"a wildcard is no such":   {fleet.Selector{"zone": `b*?\`}, nil, map[string]string{"tag:zone": "*"}, "starred"},
		"empty value":             {fleet.Selector{"zone": ""}, nil, map[string]string{"tag:zone": "*"}, ""},
		"the job's may be wrong":  {nil, fleet.Selector{"zone": "b?"}, map[string]string{"tag:zone": "*"}, "starred tagged"},
		"nobody has it":           {fleet.Selector{"role": "db"}, nil, map[string]string{"tag:role": "db"}, ""},
		"names with odd letters ": {fleet.Selector{"a/b:c d": "é"}, nil, map[string]string{"tag:a/b:c d": "é"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := of([]fleet.Host{
				{ID: "tagged", Tags: map[string]string{"cron": "true", "zone": "b"}},
				{ID: "plain", Tags: map[string]string{"cron": "true"}},
				{ID: "starred", Tags: map[string]string{"zone": `b*?\`}},
			})
			own, want := maps.Clone(c.own), maps.Clone(c.want)
			f := a.fleet(t, func(o *Options) { o.Tags = c.own })
			hosts, err := f.Find(t.Context(), c.want)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, h := range hosts {
				ids = append(ids, h.ID)
			}
			if got := strings.Join(ids, " "); got != c.hosts {
				t.Errorf("hosts: %s, want %s", got, c.hosts)
			}
			filters := map[string]string{"instance-state-name": states}
			maps.Copy(filters, c.filters)
			if diff := cmp.Diff(filters, sent(a)); diff != "" {
				t.Errorf("filters (-want +got):\n%s", diff)
			}
			if !maps.Equal(own, c.own) || !maps.Equal(want, c.want) {
				t.Errorf("Find changed a selector: %v, %v", c.own, c.want)
			}
		})
	}
}

// sent returns the filters of the last DescribeInstances.
func sent(a *account) map[string]string {
	filters := map[string]string{}
	for n := 1; ; n++ {
		prefix := fmt.Sprintf("Filter.%d.", n)
		name := a.filters.Get(prefix + "Name")
		if name == "" {
			return filters
		}
		filters[name] = strings.Join(values(a.filters, prefix+"Value."), ",")
	}
}

func TestHybrid(t *testing.T) {
	cron := map[string]string{"cron": "true"}
	a := of([]fleet.Host{{ID: "i-1", Tags: cron, Launched: launched}})
	a.tags = map[string]map[string]string{"mi-other": {"cron": "false"}, "mi-bare": {}}
	for n := range 120 { // three pages
		id := fmt.Sprintf("mi-%03d", n)
		g := online(id)
		g.registered = launched
		a.agents, a.tags[id] = append(a.agents, g), cron
	}
	a.agents[2].ping = "ConnectionLost" // mi-001
	a.agents = append(a.agents, online("mi-other"), online("mi-bare"), online("mi-deregistered"))
	f := a.fleet(t, func(o *Options) { o.Hybrid, o.Tags = true, fleet.Selector{"cron": "true"} })
	hosts, err := f.Find(t.Context(), fleet.Selector{"cron": "true"})
	if err != nil || len(hosts) != 121 {
		t.Fatalf("%d hosts, %v; want 121", len(hosts), err)
	}
	want := []fleet.Host{
		{ID: "i-1", Address: fleet.ByAgent, Tags: cron, Launched: launched},
		{ID: "mi-000", Address: fleet.ByAgent, Tags: cron, Launched: launched},
		{ID: "mi-001", Address: fleet.ByAgent, Tags: cron, Launched: launched, Refused: "SSM agent ConnectionLost"},
	}
	if diff := cmp.Diff(want, hosts[:3]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"DescribeInstances": 1, "DescribeInstanceInformation": 4, "ListTagsForResource": 123}, a.called()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
