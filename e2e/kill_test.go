package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Twenty-five jobs are due every second, and the daemon is killed at random
// and started again, until more than five hundred due times have passed.
func TestKilledAtRandom(t *testing.T) {
	s := newSite(t)
	var file strings.Builder
	file.WriteString(`
ledger: DIR/ledger.db
fleet:
  hosts:
    a: { address: local, run-dir: DIR/a }
    b: { address: local, run-dir: DIR/b }
defaults:
  command: echo "$SOLOCRON_RUN_ID $SOLOCRON_HOST" >> WITNESS
  overlap: allow
  start-within: 1m
jobs:
`)
	const jobs, due = 25, 500
	for i := range jobs {
		fmt.Fprintf(&file, "  j%02d: { schedule: every 1s }\n", i)
	}
	s.write("jobs.yaml", file.String())
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
	count := tally(runs)
	if count["succeeded"] < jobs {
		t.Errorf("only %v", count)
	}
	t.Logf("%d kills, %d due times: %v", kills, len(runs), count)
}
