package dispatch

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

// mistaken is an executor, and a fleet, that panic over the job's runs in one
// place.
type mistaken struct {
	*hosts
	place string
}

func (m mistaken) at(place, id string) {
	if m.place == place && strings.HasPrefix(id, "bad@") {
		panic("index out of range in " + place)
	}
}

func (m mistaken) Start(ctx context.Context, h fleet.Host, o guard.Order, grant func(context.Context) error) error {
	m.at("start", o.Run)
	return m.hosts.Start(ctx, h, o, func(ctx context.Context) error {
		m.at("grant", o.Run)
		err := grant(ctx)
		m.at("go", o.Run)
		return err
	})
}

func (m mistaken) Wait(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Result, error) {
	m.at("wait", a.Run)
	return m.hosts.Wait(ctx, h, a)
}

func (m mistaken) Status(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Status, error) {
	m.at("wait", a.Run)
	return m.hosts.Status(ctx, h, a)
}

// mistakenView is a fleet in which some hosts can't be looked for.
type mistakenView struct {
	fleet.View
	mistaken
}

func (v mistakenView) Find(ctx context.Context, s fleet.Selector) ([]fleet.Host, error) {
	if s["name"] != "" {
		v.at("pick", "bad@")
	}
	return v.View.Find(ctx, s)
}

// A panic over one job's run ends that run and is told; the scheduler and the
// other jobs go on.
func TestFault17Panic(t *testing.T) {
	for place, want := range map[string]run.State{
		"pick": run.Failed, "start": run.Failed, "grant": run.Failed, // nothing can be running
		"go": run.Lost, "wait": run.Lost, // something may be
	} {
		t.Run(place, func(t *testing.T) {
			inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
				mail := &inbox{}
				w.mail = map[string]notifier.Notifier{"mail": mail}
				w.tune = func(o *Options) {
					m := mistaken{w.hosts, place}
					o.Executor, o.Fleet = m, mistakenView{o.Fleet, m}
				}
				bad := told(aJob("bad", "0 1 * * *"), "mail")
				bad.Hosts = fleet.Selector{"name": "web-1"}
				d := w.start(bad, aJob("good", "every 1m"))
				defer d.end()
				pass(90*time.Minute + time.Second)
				r := w.only("bad")
				if r.State != want || r.Reason != errMistake.Error() {
					t.Errorf("%s: %s", r.State, r.Reason)
				}
				if got := mail.events(); len(got) != 1 {
					t.Errorf("told %v", got)
				}
				states := w.states("good")
				if len(states) != 90 || slices.ContainsFunc(states, func(s run.State) bool { return s != run.Succeeded && s != run.Running }) {
					t.Errorf("the other job: %v", states)
				}
				checkWitness(t, w)
			})
		})
	}
}

// A panic in one receiver keeps no other from its messages.
func TestPanicInAReceiver(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.hosts.command = func(guard.Order) (time.Duration, int) { return time.Second, 1 }
		good, bad := &inbox{}, &inbox{fail: func(try int) error {
			if try == 1 {
				panic("nil map")
			}
			return nil
		}}
		w.mail = map[string]notifier.Notifier{"good": good, "bad": bad}
		d := w.start(told(aJob("j", "0 1 * * *"), "good", "bad"))
		defer d.end()
		pass(2 * time.Hour)
		if len(good.events()) != 1 || len(bad.events()) != 1 {
			t.Errorf("told %v and %v", good.events(), bad.events())
		}
	})
}
