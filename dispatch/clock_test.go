package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/memledger"
	"github.com/solocron/solocron/run"
)

// standing is a fleet of one host that is always fit.
type standing struct{ *hosts }

func (s standing) Find(ctx context.Context, _ fleet.Selector) ([]fleet.Host, error) {
	return s.Hosts(ctx)
}
func (s standing) Health(fleet.Host) fleet.Health { return fleet.Health{CheckedAt: midnight} }
func (s standing) Down(string, string)            {}

// A stepwise dispatcher goes by the clock that it is given, in whatever year
// that is, and by no other; abreast of one, it keeps to the ledger's order.
func TestClockOfItsOwn(t *testing.T) {
	at := time.Date(2150, 7, 1, 0, 0, 0, 0, time.UTC)
	h := newHosts("a")
	h.command = func(guard.Order) (time.Duration, int) { return time.Hour, 0 }
	d := New(Options{
		Ledger: memledger.New(), Fleet: standing{h}, Executor: h, Log: slog.New(slog.DiscardHandler),
		Stepwise: true, Abreast: 1, Now: func() time.Time { return at },
	})
	for i := range 20 {
		j := aJob(fmt.Sprintf("job-%02d", i), "@hourly")
		spec := ledger.JobSpec{Name: j.Name, Hash: j.Hash(), When: j.WhenHash(), Body: j.Body()}
		if err := d.Ledger.PutJobs(t.Context(), at, spec); err != nil {
			t.Fatal(err)
		}
	}
	at = at.Add(time.Hour + 2*time.Minute)
	if err := d.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	runs, err := d.Ledger.Runs(t.Context(), ledger.Query{})
	if err != nil || len(runs) != 20 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	for i, r := range runs {
		if r.State != run.Running || !r.StartedAt.Equal(at) || !r.Created.Equal(at) {
			t.Errorf("run %s is %s since %s, made at %s", r.ID, r.State, r.StartedAt, r.Created)
		}
		if h.started[i] != r.ID {
			t.Errorf("start %d is %s, want %s", i, h.started[i], r.ID)
		}
	}
	at = at.Add(2*time.Hour + 2*time.Minute) // no host answers that the command has ended
	h.down["a"] = true
	if err := d.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := d.Ledger.Run(t.Context(), runs[0].ID); err != nil || r.State != run.Lost {
		t.Errorf("%s, %v", r.State, err)
	}
}
