package fleet_test

import (
	"strings"
	"testing"

	"github.com/solocron/solocron/fleet"
)

func TestInventoryRefuses(t *testing.T) {
	ok := fleet.Host{ID: "ok", Address: "local"}
	with := func(change func(*fleet.Host)) fleet.Host {
		h := fleet.Host{ID: "a", Address: "local"}
		change(&h)
		return h
	}
	for name, c := range map[string]struct {
		host fleet.Host
		want string
	}{
		"no id":            {with(func(h *fleet.Host) { h.ID = "" }), "host 2 of the list: has no id"},
		"dash":             {with(func(h *fleet.Host) { h.ID = "-a" }), `host "-a": id: want up to 128 letters`},
		"space":            {with(func(h *fleet.Host) { h.ID = "a b" }), `host "a b": id`},
		"markup":           {with(func(h *fleet.Host) { h.ID = "<b>" }), `host "<b>": id`},
		"line break":       {with(func(h *fleet.Host) { h.ID = "a\n" }), `host "a\n": id`},
		"long id":          {with(func(h *fleet.Host) { h.ID = strings.Repeat("a", 129) }), "up to 128"},
		"twice":            {with(func(h *fleet.Host) { h.ID = "ok" }), `host "ok": listed twice`},
		"no address":       {with(func(h *fleet.Host) { h.Address = "" }), `host "a": address ""`},
		"NUL in a path":    {with(func(h *fleet.Host) { h.KnownHosts = "/a\x00" }), "known_hosts"},
		"unnamed tag":      {with(func(h *fleet.Host) { h.Tags = map[string]string{"": "x"} }), `tag ""="x"`},
		"control in a tag": {with(func(h *fleet.Host) { h.Tags = map[string]string{"k": "\x1b[2J"} }), `tag "k"`},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := fleet.Inventory([]fleet.Host{ok, c.host})
			if err == nil || !strings.Contains(err.Error(), c.want) || list != nil {
				t.Errorf("Inventory = %v, %v; want an error with: %s", list, err, c.want)
			}
		})
	}
}

func TestInventorySortsACopy(t *testing.T) {
	given := []fleet.Host{{ID: "b", Address: "local"}, {ID: "a", Address: "local", Tags: map[string]string{"k": "v"}}}
	list, err := fleet.Inventory(given)
	if err != nil || list[0].ID != "a" || list[1].ID != "b" || given[0].ID != "b" {
		t.Fatalf("Inventory = %v, %v; the argument is now %v", list, err, given)
	}
	list[0].Tags["k"] = "changed"
	if given[1].Tags["k"] != "v" {
		t.Error("the copy shares its tags with the argument")
	}
}
