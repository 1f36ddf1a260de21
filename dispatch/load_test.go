package dispatch

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
)

// few is how many goroutines come and go beside the runs: a sweep, a beat, a
// delivery.
const few = 10

// Ten thousand jobs come due in one second: each has its run in the ledger, and
// starts once. What drove them is gone afterwards. (A thousand, with SQLite and
// real commands, are in e2e.)
func TestFault15TenThousandAtOnce(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2", "web-3"}, func(t *testing.T, w *world) {
		jobs := make([]job.Job, 10_000)
		for i := range jobs {
			jobs[i] = aJob(fmt.Sprintf("j%d", i), "0 1 * * *")
		}
		d := w.start(jobs...)
		defer d.end()
		pass(time.Minute)
		before := runtime.NumGoroutine()
		pass(time.Hour + time.Minute)
		for _, j := range jobs {
			if r := w.only(j.Name); r.State != run.Succeeded || len(r.Attempts) != 1 || !r.Due.Equal(midnight.Add(time.Hour)) {
				t.Errorf("%s is %s %s after %d attempts", r.ID, r.State, r.Reason, len(r.Attempts))
			}
		}
		if n := len(w.hosts.witness()); n != len(jobs) || len(w.hosts.started) != len(jobs) {
			t.Errorf("%d runs started, %d times", n, len(w.hosts.started))
		}
		if after := runtime.NumGoroutine(); after > before+few {
			t.Errorf("%d goroutines, %d before", after, before)
		}
	})
}

// After ten thousand runs, a third of which fail and are tried again, a
// scheduler holds no more than after a few.
func TestFault18NothingPilesUp(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.hosts.command = func(o guard.Order) (time.Duration, int) { return time.Second, int(o.Fence) % 3 }
		w.file.Retention = time.Hour
		var jobs []job.Job
		for i := range 20 {
			j := aJob(fmt.Sprintf("j%d", i), "every 1m")
			j.Retry.Attempts = 1
			jobs = append(jobs, j)
		}
		d := w.start(jobs...)
		defer d.end()
		held := func() int {
			synctest.Wait()
			d.mu.Lock()
			defer d.mu.Unlock()
			return runtime.NumGoroutine() + len(d.active) + len(d.waiting) + len(d.heard) + len(d.gen.specs) + len(d.picked)
		}
		pass(10*time.Minute + 45*time.Second)
		before := held()
		pass(8*time.Hour + 20*time.Minute)
		if after := held(); after > before+few {
			t.Errorf("it holds %d things after %d starts, and %d before", after, len(w.hosts.started), before)
		}
		if n := len(w.hosts.started); n < 10_000 {
			t.Errorf("only %d starts", n)
		}
	})
}
