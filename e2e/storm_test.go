package e2e

import (
	"testing"
	"time"
)

// A thousand jobs are due in the same second: each runs, once.
func TestThousandAtOnce(t *testing.T) {
	s := newSite(t)
	const jobs = 1000
	due := time.Now().UTC().Add(8 * time.Second).Truncate(time.Second)
	s.write("jobs.yaml", `
ledger: DIR/ledger.db
fleet:
  hosts:
    a: { address: local, run-dir: DIR/a }
    b: { address: local, run-dir: DIR/b }
defaults: { pick: least-busy }
`+manyJobs(jobs, "at("+due.Format("2006-01-02T15:04:05")+")"))
	d := s.serve("jobs.yaml")
	await(t, 3*time.Minute, "all have run", func() bool {
		return time.Now().After(due) && tally(s.runs("jobs.yaml"))["succeeded"] == jobs
	})
	runs := s.runs("jobs.yaml")
	d.stop()
	checkHistory(t, runs, s.starts())
	on := map[string]int{}
	for _, r := range runs {
		on[r.Host]++
		if !r.Due.Equal(due) {
			t.Errorf("run %s is due at %v", r.ID, r.Due)
		}
	}
	// Not to the last one: some end while others are still being picked.
	if on["a"] < jobs*9/20 || on["b"] < jobs*9/20 {
		t.Errorf("least-busy spread the jobs as %v", on)
	}
}
