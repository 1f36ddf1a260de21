package dispatch

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// A file is reloaded over and over, often at the very moment at which its job is
// due, and sometimes with another schedule: each due time of the schedule in
// force has one run, and no other time has one.
func TestFault14ReloadInADueTick(t *testing.T) {
	exprs := []string{"* * * * *", "*/2 * * * *", "every 20s", "every 90s", "* * * * *"}
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
				rng := rand.New(rand.NewPCG(seed, 14))
				j := aJob("j", exprs[0])
				j.Overlap = job.Allow
				d := w.start(j)
				want, since := map[time.Time]bool{}, now()
				owe := func() {
					s, err := schedule.Parse(j.When)
					if err != nil {
						t.Fatal(err)
					}
					for due := range s.Between(since, now()) {
						want[due] = true
					}
					since = now()
				}
				for range 60 {
					time.Sleep(time.Until(now().Truncate(10 * time.Second).Add(time.Duration(1+rng.IntN(9)) * 10 * time.Second)))
					if rng.IntN(4) == 0 {
						time.Sleep(time.Duration(rng.IntN(9999)) * time.Millisecond)
					}
					owe()
					j.When.Expr = exprs[rng.IntN(len(exprs))]
					j.Command = fmt.Sprintf("echo %d", rng.Int())
					next := *w.file
					next.Jobs = []job.Job{j}
					if err := d.Load(t.Context(), &next, nil); err != nil {
						t.Fatal(err)
					}
				}
				pass(9 * time.Second) // the last one may be under way still
				owe()
				d.end()
				for _, r := range w.runs("j") {
					if !want[r.Due] && (r.State == run.Skipped || r.Due.After(now())) && w.hosts.witness()[r.ID] == 0 {
						continue // it had been prepared
					}
					if !want[r.Due] || r.State != run.Succeeded || w.hosts.witness()[r.ID] != 1 {
						t.Errorf("%s is %s %s, started %d times; due: %t", r.ID, r.State, r.Reason, w.hosts.witness()[r.ID], want[r.Due])
					}
					delete(want, r.Due)
				}
				for due := range want {
					t.Errorf("nothing is recorded for %s", due)
				}
			})
		})
	}
}
