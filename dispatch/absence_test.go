package dispatch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
)

// A scheduler that is killed every 30 seconds still starts a job that comes due
// once a week: when it is due is in no memory.
func TestFault10RestartLoop(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.mortal(true)
		w.file.Jobs = []job.Job{aJob("weekly", "0 3 * * 0")} // 2000-01-01 is a Saturday
		for due := midnight.Add(27 * time.Hour); now().Before(due.Add(5 * time.Minute)); {
			d := w.start()
			pass(30 * time.Second)
			d.crash()
		}
		r := w.only("weekly")
		if r.State != run.Succeeded || w.hosts.witness()[r.ID] != 1 {
			t.Errorf("%s %s, started %d times", r.State, r.Reason, w.hosts.witness()[r.ID])
		}
	})
}

// After three days away, a job due every minute starts what its catchup says,
// the rest is on record, and the next due time is punctual.
func TestFault11DownForThreeDays(t *testing.T) {
	for name, c := range map[string]struct {
		catchup job.Catchup
		starts  int // of what came due in those days
	}{
		"none":                 {job.Catchup{Mode: job.CatchupNone}, 1}, // the newest is late, not missed
		"latest":               {job.Catchup{Mode: job.CatchupLatest}, 1},
		"all of the last hour": {job.Catchup{Mode: job.CatchupAll, Within: time.Hour}, 60},
		"all, up to a bound":   {job.Catchup{Mode: job.CatchupAll}, maxCatchup},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
				j := aJob("j", "* * * * *")
				j.Catchup, j.Overlap = c.catchup, job.BufferAll
				d := w.start(j)
				pass(90 * time.Second)
				d.end()
				const away = 72 * time.Hour
				pass(away)
				back := now()
				d = w.start()
				pass(5 * time.Minute)
				d.end()
				records, starts, due := w.runs("j"), 0, midnight
				for _, r := range records {
					if first := due.Add(time.Minute); !r.Due.Equal(first) {
						t.Fatalf("the record after %s is of %s", due, r.Due)
					}
					due = later(r.Due, r.Until)
					switch {
					case r.State == run.Succeeded && r.Due.After(midnight.Add(time.Minute)) && r.Due.Before(back):
						starts++
					case r.State == run.Skipped && !strings.HasPrefix(r.Reason, run.ReasonMissed):
						t.Errorf("%s is skipped: %s", r.ID, r.Reason)
					}
				}
				if want := midnight.Add(away + 6*time.Minute); !due.Equal(want) {
					t.Errorf("the records end at %s, want %s", due, want)
				}
				if starts != c.starts || len(records) > c.starts+maxMissed+8 {
					t.Errorf("%d started of what came due meanwhile, want %d; %d records", starts, c.starts, len(records))
				}
				if last := records[len(records)-1]; last.StartedAt.Sub(last.Due) != 0 {
					t.Errorf("the latest started %s after its due time", last.StartedAt.Sub(last.Due))
				}
			})
		})
	}
}

// What a job owed by its old schedule until it was edited has its record, and
// what may still start does; the new one begins with the edit, however often it
// is due.
func TestFault12EditedWhileOverdue(t *testing.T) {
	for name, c := range map[string]struct {
		within time.Duration
		want   []run.State // of 01:00, 02:00 and, by the new schedule, 02:31
	}{
		"too late to start":  {time.Minute, []run.State{run.Skipped, run.Skipped, run.Succeeded}},
		"the newest is late": {time.Hour, []run.State{run.Skipped, run.Succeeded, run.Succeeded}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
				j := aJob("j", "0 * * * *")
				j.StartWithin, j.Catchup.Mode = c.within, job.CatchupLatest
				j.Catchup.Within = c.within
				d := w.start(j)
				pass(30 * time.Minute)
				d.end()
				pass(2 * time.Hour) // 01:00 and 02:00 come and go; it is 02:30
				j.When.Expr = "* * * * *"
				d = w.start(j)
				pass(90 * time.Second)
				d.end()
				if got := w.states("j"); !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
				for i, at := range []time.Duration{time.Hour, 2 * time.Hour, 2*time.Hour + 31*time.Minute} {
					if got := w.runs("j"); i < len(got) && !got[i].Due.Equal(midnight.Add(at)) {
						t.Errorf("record %d is of %s", i, got[i].Due)
					}
				}
			})
		})
	}
}
