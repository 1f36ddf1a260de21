// Package fleettest is the contract of [fleet.Fleet], executable: every
// adapter passes it.
package fleettest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solocron/solocron/fleet"
)

// Subject is how the suite brings an adapter into the situations it looks at.
type Subject struct {
	// Of returns a fleet of the given hosts, which are in no order.
	Of func(t *testing.T, hosts []fleet.Host) fleet.Fleet
	// Broken returns a fleet that can't be listed, or the error with which
	// its constructor refused; exactly one of them.
	Broken func(t *testing.T) (fleet.Fleet, error)
	// Hosts are three hosts of the adapter's own kind, the last by ID with
	// tags; nil for hosts that are listed as somebody wrote them.
	Hosts []fleet.Host
}

// Run shows that the adapter keeps the contract.
func Run(t *testing.T, s Subject) {
	t.Run("sorted and whole", s.sorted)
	t.Run("empty fleet", s.empty)
	t.Run("repeatable", s.repeatable)
	t.Run("the slice is the caller's", s.owned)
	t.Run("failure wraps ErrInventory", s.broken)
	t.Run("cancelled context", s.cancelled)
	t.Run("safe for concurrent use", s.concurrent)
}

// unsorted is a fleet that shows every field and sorts by bytes, not numbers.
func (s Subject) unsorted() []fleet.Host {
	if s.Hosts != nil {
		return fleet.Clone(s.Hosts)
	}
	return []fleet.Host{
		{ID: "web-2", Address: "ssh://10.0.0.2", Tags: map[string]string{"cron": "true", "zone": "b"}},
		{ID: "web-10", Address: "ssh://deploy@[2001:db8::10]:2222",
			Launched: time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC),
			RunDir:   "/srv/solocron", IdentityFile: "/etc/solocron/id", KnownHosts: "/etc/solocron/known_hosts"},
		{ID: "WEB-2", Address: "local"},
	}
}

// hosts is what the fleet of them lists.
func (s Subject) hosts() []fleet.Host {
	list := s.unsorted()
	slices.SortFunc(list, func(a, b fleet.Host) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func list(t *testing.T, f fleet.Fleet) []fleet.Host {
	t.Helper()
	hosts, err := f.Hosts(t.Context())
	if err != nil {
		t.Fatalf("Hosts: %v", err)
	}
	return hosts
}

func (s Subject) sorted(t *testing.T) {
	if diff := cmp.Diff(s.hosts(), list(t, s.Of(t, s.unsorted()))); diff != "" {
		t.Errorf("want every host, whole and by ID (-want +got):\n%s", diff)
	}
}

func (s Subject) empty(t *testing.T) {
	hosts := list(t, s.Of(t, nil))
	if hosts == nil || len(hosts) != 0 {
		t.Errorf("Hosts of an empty fleet = %#v, want an empty slice", hosts)
	}
}

func (s Subject) repeatable(t *testing.T) {
	f := s.Of(t, s.unsorted())
	if diff := cmp.Diff(list(t, f), list(t, f)); diff != "" {
		t.Errorf("the second list differs (-first +second):\n%s", diff)
	}
}

func (s Subject) owned(t *testing.T) {
	f := s.Of(t, s.unsorted())
	hosts := list(t, f)
	hosts[2].Tags["cron"] = "changed"
	hosts[0], hosts[1] = fleet.Host{ID: "changed"}, fleet.Host{ID: "changed"}
	if diff := cmp.Diff(s.hosts(), list(t, f)); diff != "" {
		t.Errorf("a caller's change shows in the next list (-want +got):\n%s", diff)
	}
}

func (s Subject) broken(t *testing.T) {
	f, err := s.Broken(t)
	if err == nil {
		var hosts []fleet.Host
		if hosts, err = f.Hosts(t.Context()); len(hosts) != 0 {
			t.Errorf("a fleet that can't be listed has hosts: %v", hosts)
		}
	}
	if !errors.Is(err, fleet.ErrInventory) {
		t.Errorf("error = %v, want one that wraps fleet.ErrInventory", err)
	}
}

func (s Subject) cancelled(t *testing.T) {
	f := s.Of(t, s.unsorted())
	stopped := errors.New("the daemon stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	hosts, err := f.Hosts(ctx)
	if !errors.Is(err, fleet.ErrInventory) || !errors.Is(err, stopped) || len(hosts) != 0 {
		t.Errorf("Hosts = %v, %v; want an error that wraps ErrInventory and the context's cause", hosts, err)
	}
	if diff := cmp.Diff(s.hosts(), list(t, f)); diff != "" {
		t.Errorf("after a cancelled list (-want +got):\n%s", diff)
	}
}

func (s Subject) concurrent(t *testing.T) {
	f := s.Of(t, s.unsorted())
	lists := make(chan []fleet.Host)
	for range 8 {
		go func() {
			hosts, err := f.Hosts(t.Context())
			if err != nil {
				t.Errorf("Hosts: %v", err)
			}
			lists <- hosts
		}()
	}
	for range 8 {
		if diff := cmp.Diff(s.hosts(), <-lists); diff != "" {
			t.Errorf("concurrent list (-want +got):\n%s", diff)
		}
	}
}
