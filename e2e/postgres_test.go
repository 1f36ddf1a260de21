package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/ledger/pgtest"
	"github.com/solocron/solocron/web"
)

// Three daemons of one host name share one PostgreSQL ledger while two hundred
// due times come, each in the same second for all of them. One is stopped on the
// way, one is killed, and the stopped one comes back when others have what was
// its own. Each due time has one run, each command started once, and more than
// one daemon did the work.
func TestFault21ThreeDaemonsOnePostgres(t *testing.T) {
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
	stale, dead, steady := s.serve("d0.yaml"), s.serve("d1.yaml"), s.serve("d2.yaml")
	away, gone := s.owner("d0.yaml"), s.owner("d1.yaml")
	await(t, time.Minute, "half of the due times have come", func() bool { return len(s.runs("d2.yaml")) >= due/2 })
	stale.signal(syscall.SIGSTOP)
	dead.kill()
	// Their runs are taken over once their beats have run out.
	await(t, 2*time.Minute, "the third daemon has what was the others'", func() bool {
		runs := s.runs("d2.yaml")
		return len(runs) >= due && !slices.ContainsFunc(runs, func(r web.Run) bool {
			return r.State.Open() && (r.Owner == away || r.Owner == gone)
		})
	})
	before := ownedBy(s.runs("d2.yaml"), away)
	stale.signal(syscall.SIGCONT)
	await(t, time.Minute, "the stopped daemon works again", func() bool { return ownedBy(s.runs("d2.yaml"), away) > before })
	s.pause("d2.yaml", s.runs("d2.yaml"))
	// The others hear of the pauses with their next sweep.
	var runs []web.Run
	await(t, 2*time.Minute, "no run is open, and none comes any more", func() bool {
		runs = s.runs("d2.yaml")
		return settled(runs) && !slices.ContainsFunc(runs, func(r web.Run) bool {
			return r.StartedAt != nil && time.Since(r.Due) < 8*time.Second
		})
	})
	stale.stop()
	steady.stop()

	checkHistory(t, runs, s.starts())
	checkComplete(t, runs, time.Second)
	t.Logf("%d due times: %v", len(runs), tally(runs))
}

// owner is the identity of the daemon on the file.
func (s *site) owner(file string) string {
	s.t.Helper()
	out, err := s.try("status", "--file", s.path(file), "--output", "json")
	var v struct {
		Scheduler web.Status `json:"scheduler"`
	}
	if err == nil {
		err = json.Unmarshal(out, &v)
	}
	if err != nil || v.Scheduler.Owner == "" {
		s.t.Fatalf("status: %s, %v", out, err)
	}
	return v.Scheduler.Owner
}

func ownedBy(runs []web.Run, owner string) (n int) {
	for _, r := range runs {
		if r.Owner == owner {
			n++
		}
	}
	return n
}

// PostgreSQL is away while due times come: nothing starts, and a new jobs file
// is refused. When it is back each of them is on record, and the scheduler goes
// on.
func TestFault29PostgresDown(t *testing.T) {
	s := newSite(t)
	server := pgtest.Own(t)
	file := fmt.Sprintf(`
ledger: %q
fleet: { hosts: { HOST: { address: local, run-dir: DIR/run } } }
defaults: { overlap: allow, start-within: 1s }
`, server.URL()) + manyJobs(3, "every 1s")
	s.write("jobs.yaml", strings.Replace(file, "HOST", "old", 1))
	d := s.serve("jobs.yaml")
	await(t, 30*time.Second, "jobs run", func() bool { return len(s.starts()) > 3 })
	server.Stop()
	since := time.Now()
	await(t, 30*time.Second, "the daemon misses its ledger", func() bool { return strings.Contains(d.log.String(), "the ledger does not take a write") })
	// Those that had their go when the ledger went may start still.
	var begun int
	await(t, 30*time.Second, "what had its go has started", func() bool {
		was := begun
		begun = len(s.starts())
		return was == begun
	})
	s.write("jobs.yaml", strings.Replace(file, "HOST", "new", 1))
	d.signal(syscall.SIGHUP)
	await(t, 30*time.Second, "the new file is refused", func() bool { return strings.Contains(d.log.String(), "the old file stays at work") })
	await(t, 30*time.Second, "due times have come and gone", func() bool { return time.Since(since) > 5*time.Second })
	if n := len(s.starts()); n != begun {
		t.Errorf("%d commands started without a ledger", n-begun)
	}
	server.Start()
	await(t, time.Minute, "jobs run again", func() bool { return len(s.starts()) > begun+3 })
	s.pause("jobs.yaml", s.runs("jobs.yaml"))
	await(t, time.Minute, "no run is open", func() bool { return settled(s.runs("jobs.yaml")) })
	runs := s.runs("jobs.yaml")
	d.stop()
	checkHistory(t, runs, s.starts())
	checkComplete(t, runs, time.Second)
	if count := tally(runs); count["skipped"] == 0 {
		t.Errorf("nothing was missed in 5s: %v", count)
	}
}
