package dispatch

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// An answer may be lost after anything was written: the same deployment again
// completes it, and changes nothing that is done.
func TestDeployRepeated(t *testing.T) {
	a, b, gone, fresh := aJob("a", "@hourly"), aJob("b", "@hourly"), aJob("gone", "@hourly"), aJob("fresh", "@hourly")
	a2, b2 := a, b
	a2.When.Expr, b2.Command = "*/5 * * * *", "new"
	change := Deployment{
		Put:    []Edit{{a.Hash(), a2.Body()}, {b.Hash(), b2.Body()}, {"", fresh.Body()}},
		Retire: []Leaver{{"gone", gone.Hash()}},
	}
	for cut := range 8 {
		inCloud(t, []string{"a"}, []job.Job{a, b, gone}, func(t *testing.T, c *cloud) {
			pass(time.Hour)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			left := cut
			d := c.fresh()
			d.Ledger = &tearing{c.ledger, func() bool {
				if left--; left < 0 {
					cancel()
				}
				return left < 0
			}, sync.Mutex{}}
			first := d.Deploy(ctx, change)
			done, err := c.ledger.Jobs(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
			c.deploy(change)
			after, err := c.ledger.Jobs(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []struct {
				name, hash string
				retired    bool
			}{{"a", a2.Hash(), false}, {"b", b2.Hash(), false}, {"fresh", fresh.Hash(), false}, {"gone", gone.Hash(), true}} {
				i := slices.IndexFunc(after, func(k ledger.Job) bool { return k.Name == want.name })
				if i < 0 || after[i].Hash != want.hash || after[i].Retired.IsZero() == want.retired {
					t.Errorf("cut at %d: %+v", cut, after)
				}
			}
			if first == nil && !slices.Equal(done, after) {
				t.Errorf("repeated after it was done: %+v became %+v", done, after)
			}
			if cut == 7 && first != nil {
				t.Errorf("there is more to cut: %v", first)
			}
			c.sweep()
			c.sweep()
			for _, name := range []string{"a", "gone"} {
				if r := c.only(name); r.State != run.Succeeded || !r.Due.Equal(clock(1, 0, 0)) {
					t.Errorf("cut at %d: what %s owed: %+v", cut, name, r)
				}
			}
		})
	}
}

// tearing is a ledger whose answers are lost from some write on.
type tearing struct {
	ledger.Ledger
	torn func() bool
	mu   sync.Mutex
}

func (l *tearing) after(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.torn() {
		return errKilled
	}
	return err
}

func (l *tearing) PutJobs(ctx context.Context, now time.Time, jobs ...ledger.JobSpec) error {
	if ctx.Err() != nil {
		return errKilled
	}
	return l.after(l.Ledger.PutJobs(ctx, now, jobs...))
}

func (l *tearing) Retire(ctx context.Context, now time.Time, name, hash string) error {
	if ctx.Err() != nil {
		return errKilled
	}
	return l.after(l.Ledger.Retire(ctx, now, name, hash))
}

func (l *tearing) Check(ctx context.Context, name string, through time.Time) error {
	if ctx.Err() != nil {
		return errKilled
	}
	return l.after(l.Ledger.Check(ctx, name, through))
}
