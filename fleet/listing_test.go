package fleet

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/solocron/solocron/bubbletest"
)

// counted is an inventory that counts how often it is asked.
type counted struct {
	asked int
	hosts []Host
	err   error
}

func (c *counted) Hosts(ctx context.Context) ([]Host, error) { return c.Find(ctx, nil) }

func (c *counted) Find(context.Context, Selector) ([]Host, error) {
	c.asked++
	return Clone(c.hosts), c.err
}

func TestListingBelievesAListForAWhile(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := &counted{hosts: []Host{{ID: "a", Tags: map[string]string{"cron": "true"}}}}
		l := NewListing(c, 5*time.Second)
		find := func(want Selector, asked int) []Host {
			t.Helper()
			hosts, err := l.Find(t.Context(), want)
			if err != nil || len(hosts) != 1 || c.asked != asked {
				t.Fatalf("%v, %v; asked %d times, want %d", hosts, err, c.asked, asked)
			}
			return hosts
		}
		cron := Selector{"cron": "true"}
		find(cron, 1)[0].Tags["cron"] = "spoilt by the caller"
		if got := find(cron, 1)[0].Tags["cron"]; got != "true" {
			t.Errorf("the list was changed to %q from outside", got)
		}
		find(Selector{"cron": "*"}, 2)
		find(Selector{}, 3)
		find(nil, 3)
		time.Sleep(5 * time.Second)
		find(cron, 4)

		time.Sleep(5 * time.Second)
		c.err = errors.New("throttled")
		if _, err := l.Find(t.Context(), cron); !errors.Is(err, c.err) {
			t.Errorf("error %v", err)
		}
		c.err = nil
		find(cron, 6) // a failure is not kept
	})
}

func TestListingHealth(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		l := NewListing(&counted{}, time.Second)
		refused := func(want string, h Host) {
			t.Helper()
			if health := l.Health(h); health.Refused != want || health.CheckedAt.IsZero() {
				t.Errorf("%+v, want refused %q", health, want)
			}
		}
		refused("", Host{ID: "a"})
		refused("stopped", Host{ID: "b", Refused: "stopped"})
		l.Down("a", "rejected the command")
		l.Down("b", "rejected the command")
		refused("rejected the command", Host{ID: "a"})
		refused("stopped", Host{ID: "b", Refused: "stopped"})
		time.Sleep(time.Minute)
		refused("", Host{ID: "a"})
	})
}
