package dispatch

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
)

// One scheduler after the other dies and the next takes over: no due time is
// dealt with twice, whichever of them recorded it.
func TestFault24TakeoversRepeatNothing(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.mortal(false)
		w.hosts.command = func(guard.Order) (time.Duration, int) { return 90 * time.Second, 0 }
		j, long := aJob("j", "* * * * *"), aJob("long", "*/5 * * * *")
		j.Overlap = job.Allow
		d := w.start(j, long)
		for range 20 {
			pass(4*time.Minute + 10*time.Second)
			d.crash()
			d = w.start()
		}
		pass(3 * time.Minute)
		d.end()
		for id, n := range w.hosts.witness() {
			if n != 1 {
				t.Errorf("run %s started %d times", id, n)
			}
		}
		for _, r := range append(w.runs("j"), w.runs("long")...) {
			if r.State != run.Succeeded && r.State != run.Running {
				t.Errorf("run %s is %s: %s", r.ID, r.State, r.Reason)
			}
		}
		checkComplete(t, w, "j", time.Minute)
		checkComplete(t, w, "long", 5*time.Minute)
	})
}

// Two schedulers on one machine, with one host name, are not one another: each
// has an identity of its own, and so has the next process of each.
func TestFault23SameHostName(t *testing.T) {
	name, _ := os.Hostname()
	seen := map[string]bool{}
	for range 100 {
		owner := New(Options{}).Owner()
		if seen[owner] || !strings.HasPrefix(owner, name+"-") {
			t.Errorf("owner %s, of %d before", owner, len(seen))
		}
		seen[owner] = true
	}
}
