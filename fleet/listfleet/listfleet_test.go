package listfleet_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/fleet/fleettest"
	"github.com/solocron/solocron/fleet/listfleet"
)

func TestFleet(t *testing.T) {
	fleettest.Run(t, fleettest.Subject{
		Of: func(t *testing.T, hosts []fleet.Host) fleet.Fleet {
			f, err := listfleet.New(hosts)
			if err != nil {
				t.Fatal(err)
			}
			return f
		},
		Broken: func(*testing.T) (fleet.Fleet, error) {
			return listfleet.New([]fleet.Host{{ID: "a", Address: "nowhere"}})
		},
	})
}

func TestNewKeepsNothingOfItsArgument(t *testing.T) {
	hosts := []fleet.Host{{ID: "a", Address: "local", Tags: map[string]string{"k": "v"}}}
	f, err := listfleet.New(hosts)
	if err != nil {
		t.Fatal(err)
	}
	hosts[0].Tags["k"], hosts[0].ID = "changed", "changed"
	got, err := f.Hosts(t.Context())
	if err != nil || got[0].ID != "a" || got[0].Tags["k"] != "v" {
		t.Errorf("Hosts = %v, %v", got, err)
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := listfleet.New([]fleet.Host{{ID: "a", Address: "local"}, {ID: "a", Address: "local"}})
	if !errors.Is(err, fleet.ErrInventory) || !strings.Contains(err.Error(), `host "a": listed twice`) {
		t.Errorf("error = %v", err)
	}
}
