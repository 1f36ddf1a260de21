package fleet_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solocron/solocron/fleet"
)

func TestSelectorMatch(t *testing.T) {
	tags := map[string]string{"cron": "true", "zone": "b", "empty": ""}
	for name, c := range map[string]struct {
		want   fleet.Selector
		tags   map[string]string
		reason string
	}{
		"nil matches all":         {nil, tags, ""},
		"empty matches untagged":  {fleet.Selector{}, nil, ""},
		"one":                     {fleet.Selector{"cron": "true"}, tags, ""},
		"every one":               {fleet.Selector{"cron": "true", "zone": "b"}, tags, ""},
		"any value":               {fleet.Selector{"zone": "*"}, tags, ""},
		"any value, even empty":   {fleet.Selector{"empty": "*"}, tags, ""},
		"empty value":             {fleet.Selector{"empty": ""}, tags, ""},
		"missing":                 {fleet.Selector{"role": "db"}, tags, "has no tag role"},
		"missing, any value":      {fleet.Selector{"role": "*"}, nil, "has no tag role"},
		"missing, empty value":    {fleet.Selector{"role": ""}, tags, "has no tag role"},
		"other value":             {fleet.Selector{"cron": "yes"}, tags, `tag cron is "true", not "yes"`},
		"case matters":            {fleet.Selector{"cron": "True"}, tags, `tag cron is "true", not "True"`},
		"the first by name":       {fleet.Selector{"zone": "c", "a": "1"}, tags, "has no tag a"},
		"star in a tag is a star": {fleet.Selector{"cron": "true"}, map[string]string{"cron": "*"}, `tag cron is "*", not "true"`},
	} {
		t.Run(name, func(t *testing.T) {
			reason, ok := c.want.Match(c.tags)
			if reason != c.reason || ok != (c.reason == "") {
				t.Errorf("Match = %q, %v; want %q", reason, ok, c.reason)
			}
		})
	}
}

func TestAssess(t *testing.T) {
	cron := map[string]string{"cron": "true"}
	hosts := []fleet.Host{
		{ID: "avoided", Tags: cron},
		{ID: "fits", Tags: map[string]string{"cron": "true", "zone": "b"}, Launched: at(1)},
		{ID: "sick", Tags: cron},
		{ID: "unprobed", Tags: cron},
		{ID: "untagged"},
	}
	health := map[string]fleet.Health{
		"avoided": {CheckedAt: at(1), Refused: "unreachable"},
		"fits":    {CheckedAt: at(1)},
		"sick":    {CheckedAt: at(1), Refused: "disk full"},
	}
	look := func(h fleet.Host) fleet.Health { return health[h.ID] }
	facts := fleet.Facts{
		LastStart: map[string]time.Time{"fits": at(2), "sick": at(3)},
		Busy:      map[string]int{"fits": 4},
		Avoid:     map[string]string{"avoided": "tried already", "untagged": "tried already"},
	}
	want := []fleet.Candidate{
		{Host: "avoided", Refused: "tried already"},
		{Host: "fits", Launched: at(1), LastStart: at(2), Busy: 4, Preferred: true},
		{Host: "sick", LastStart: at(3), Refused: "disk full"},
		{Host: "unprobed", Refused: fleet.NotProbed},
		{Host: "untagged", Refused: "has no tag cron"},
	}
	got := fleet.Assess(fleet.Selector{"cron": "*"}, fleet.Selector{"zone": "b"}, hosts, look, facts)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAssessWithoutWishes(t *testing.T) {
	look := func(fleet.Host) fleet.Health { return fleet.Health{CheckedAt: at(1)} }
	got := fleet.Assess(nil, nil, []fleet.Host{{ID: "a"}}, look, fleet.Facts{})
	if diff := cmp.Diff([]fleet.Candidate{{Host: "a"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := fleet.Assess(nil, nil, nil, look, fleet.Facts{}); len(got) != 0 {
		t.Errorf("candidates of no hosts: %v", got)
	}
}
