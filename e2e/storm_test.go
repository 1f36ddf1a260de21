package e2e

import (
	"fmt"
	"os"
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
	before := d.open()
	await(t, 3*time.Minute, "all have run", func() bool {
		return time.Now().After(due) && tally(s.runs("jobs.yaml"))["succeeded"] == jobs
	})
	runs := s.runs("jobs.yaml")
	t.Run("fault 18: nothing stays open", func(t *testing.T) {
		const more = 50 // the ledger's readers, and who asks for the runs; a leak would be 1000
		await(t, time.Minute, "its files are closed", func() bool { return d.open() < before+more })
	})
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

// open is how many files and connections the daemon has open.
func (d *daemon) open() int {
	d.t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
	if err != nil {
		d.t.Fatal(err)
	}
	return len(files)
}
