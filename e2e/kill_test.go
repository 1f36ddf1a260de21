package e2e

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Twenty-five jobs are due every second, and the daemon is killed at random
// and started again, until more than five hundred due times have passed.
func TestKilledAtRandom(t *testing.T) {
	s := newSite(t)
	const jobs, due = 25, 500
	s.write("jobs.yaml", `
ledger: DIR/ledger.db
fleet:
  hosts:
    a: { address: local, run-dir: DIR/a }
    b: { address: local, run-dir: DIR/b }
defaults: { overlap: allow, start-within: 1m }
`+manyJobs(jobs, "every 1s"))
	kills := 0
	for begun := time.Now(); time.Since(begun) < (due/jobs+5)*time.Second; kills++ {
		d := s.serve("jobs.yaml")
		<-time.After(time.Duration(200+rand.IntN(2000)) * time.Millisecond)
		d.kill()
	}
	d := s.serve("jobs.yaml")
	await(t, time.Minute, "500 due times are recorded", func() bool { return len(s.runs("jobs.yaml")) >= due })
	s.pause("jobs.yaml", s.runs("jobs.yaml"))
	await(t, 2*time.Minute, "no run is open", func() bool { return settled(s.runs("jobs.yaml")) })
	runs := s.runs("jobs.yaml")
	d.stop()

	checkHistory(t, runs, s.starts())
	checkComplete(t, runs, time.Second)
	for _, r := range runs {
		if r.State != "succeeded" {
			t.Logf("%s %s: %s %+v", r.ID, r.State, r.Reason, r.Attempts)
		}
	}
	count := tally(runs)
	if count["succeeded"] < jobs {
		t.Errorf("only %v", count)
	}
	t.Logf("%d kills, %d due times: %v", kills, len(runs), count)
}
