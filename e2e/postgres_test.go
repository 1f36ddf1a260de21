package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger/pgtest"
	"github.com/solocron/solocron/web"
)

// Three daemons share one PostgreSQL ledger while two hundred due times come.
// One of them is killed on the way. Each due time has one run, each command
// started once, and more than one daemon did the work.
func TestThreeDaemonsOnePostgres(t *testing.T) {
	s := newSite(t)
	url := pgtest.URL(t)
	const daemons, jobs, due = 3, 20, 200
	for n := range daemons {
		// One file each, because each daemon has a socket beside its file.
		s.write(fmt.Sprintf("d%d.yaml", n), fmt.Sprintf(`
ledger: %q
fleet:
  hosts:
    a: { address: local, run-dir: DIR/a }
    b: { address: local, run-dir: DIR/b }
    c: { address: local, run-dir: DIR/c }
defaults: { overlap: buffer-all, start-within: 1m }
`, url)+manyJobs(jobs, "every 1s"))
	}
	first, second, third := s.serve("d0.yaml"), s.serve("d1.yaml"), s.serve("d2.yaml")
	await(t, time.Minute, "half of the due times have come", func() bool { return len(s.runs("d1.yaml")) >= due/2 })
	first.kill()
	await(t, time.Minute, "two hundred due times have come", func() bool { return len(s.runs("d1.yaml")) >= due })
	s.pause("d1.yaml", s.runs("d1.yaml"))
	// The dead daemon's runs are taken over once its beats have run out.
	var runs []web.Run
	await(t, 2*time.Minute, "no run is open", func() bool {
		runs = s.runs("d1.yaml")
		return settled(runs)
	})
	second.stop()
	third.stop()

	checkHistory(t, runs, s.starts())
	checkComplete(t, runs, time.Second)
	owners := map[string]int{}
	for _, r := range runs {
		owners[r.Owner]++
	}
	if len(owners) < 2 {
		t.Errorf("one daemon did everything: %v", owners)
	}
	t.Logf("%d due times: %v; by owner: %v", len(runs), tally(runs), owners)
}
