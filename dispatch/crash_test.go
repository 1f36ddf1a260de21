package dispatch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
)

func TestCommandsSurviveARestart(t *testing.T) {
	for name, stop := range map[string]func(*daemon){"drain": (*daemon).end, "crash": (*daemon).crash} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
				w.mortal(true)
				w.hosts.command = func(guard.Order) (time.Duration, int) { return 5 * time.Minute, 7 }
				d := w.start(aJob("j", "0 1 * * *"))
				pass(time.Hour + time.Minute)
				stop(d)
				if r := w.only("j"); r.State != run.Running {
					t.Fatalf("without a scheduler it is %s", r.State)
				}
				pass(10 * time.Minute) // it ends while nobody looks
				d = w.start()
				defer d.end()
				pass(10 * time.Second)
				r := w.only("j")
				if r.State != run.Failed || *r.ExitCode != 7 || w.hosts.witness()[r.ID] != 1 {
					t.Errorf("got %s, code %v, started %d times", r.State, r.ExitCode, w.hosts.witness()[r.ID])
				}
				if took := r.EndedAt.Sub(r.StartedAt); took != 5*time.Minute {
					t.Errorf("it took %v by the record", took)
				}
			})
		})
	}
}

func TestCrashBeforeGoIsTriedAgain(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.mortal(true)
		w.hosts.beforeGo = endOfInput
		d := w.start(aJob("j", "0 1 * * *"))
		pass(time.Hour + time.Minute)
		d.crash() // with the guard standing ready
		w.hosts.beforeGo = nil
		if r := w.only("j"); r.State != run.Starting {
			t.Fatalf("after the crash it is %s", r.State)
		}
		d = w.start()
		defer d.end()
		pass(time.Minute)
		r := w.only("j")
		if r.State != run.Succeeded || len(r.Attempts) != 2 || w.hosts.witness()[r.ID] != 1 {
			t.Errorf("got %s with %+v, started %d times", r.State, r.Attempts, w.hosts.witness()[r.ID])
		}
	})
}

func TestAnotherSchedulerTakesOver(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.mortal(false)
		w.hosts.command = func(guard.Order) (time.Duration, int) { return 10 * time.Minute, 0 }
		first := w.start(aJob("j", "0 1 * * *"))
		pass(time.Hour + time.Second)
		second := w.start()
		defer second.end()
		first.crash()
		pass(15 * time.Minute)
		r := w.only("j")
		if r.State != run.Succeeded || r.Owner != second.Owner() || w.hosts.witness()[r.ID] != 1 {
			t.Errorf("got %s, owned by %s, started %d times", r.State, r.Owner, w.hosts.witness()[r.ID])
		}
	})
}

func TestThreeSchedulersOnOneLedger(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2", "web-3"}, func(t *testing.T, w *world) {
		w.mortal(false)
		var jobs []job.Job
		for i := range 20 {
			jobs = append(jobs, aJob(fmt.Sprintf("j%d", i), "every 30s"))
		}
		daemons := []*daemon{w.start(jobs...), w.start(), w.start()}
		pass(5*time.Minute + 10*time.Second)
		for _, d := range daemons {
			d.end()
		}
		for _, j := range jobs {
			if got := len(w.runs(j.Name)); got != 10 {
				t.Errorf("%s has %d runs, want 10", j.Name, got)
			}
		}
		checkWitness(t, w)
	})
}

func TestFault22StaleSchedulerComesBack(t *testing.T) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.mortal(false)
		ready := make(chan struct{})
		w.hosts.beforeGo = func(context.Context) error {
			w.hosts.beforeGo = nil
			<-ready // the first scheduler stands still while its guard waits for go
			return nil
		}
		first := w.start(aJob("j", "0 1 * * *"))
		pass(time.Hour + time.Second)
		first.Ledger.(*awayLedger).set(true) // so its beats run out
		second := w.start()
		defer second.end()
		pass(2 * time.Minute)
		first.Ledger.(*awayLedger).set(false)
		close(ready)
		pass(time.Minute)
		first.end()
		r := w.only("j")
		if r.State != run.Succeeded || r.Owner != second.Owner() || w.hosts.witness()[r.ID] != 1 {
			t.Errorf("got %s, owned by %s, started %d times: %+v", r.State, r.Owner, w.hosts.witness()[r.ID], r.Attempts)
		}
	})
}

// Schedulers crash and start, hosts go and come, at random: no command starts
// twice, and every due time is recorded.
func TestNothingDoubledNothingGone(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, []string{"web-1", "web-2", "web-3"}, func(t *testing.T, w *world) {
				rng := rand.New(rand.NewPCG(seed, 1))
				w.mortal(seed%2 == 0)
				w.hosts.command = func(o guard.Order) (time.Duration, int) {
					return time.Duration(len(o.Token)+int(o.Fence*7919)%90) * time.Second / 2, int(o.Fence) % 3
				}
				jobs := []job.Job{aJob("a", "every 20s"), aJob("b", "* * * * *"), aJob("c", "every 45s")}
				jobs[1].Overlap, jobs[1].Retry.Attempts = job.BufferAll, 2
				jobs[2].Overlap, jobs[2].Pick = job.Allow, "random"
				daemons := []*daemon{w.start(jobs...)}
				for range 40 {
					pass(time.Duration(rng.IntN(40_000)) * time.Millisecond)
					host := w.hosts.list[rng.IntN(3)].ID
					switch rng.IntN(4) {
					case 0:
						i := rng.IntN(len(daemons))
						daemons[i].crash()
						daemons[i] = w.start()
					case 1:
						w.hosts.set(func() { w.hosts.down[host] = !w.hosts.down[host] })
					case 2:
						if seed%2 == 1 && len(daemons) < 3 {
							daemons = append(daemons, w.start())
						}
					}
				}
				w.hosts.set(func() { clear(w.hosts.down) })
				pass(5 * time.Minute)
				for _, d := range daemons {
					d.end()
				}
				checkWitness(t, w)
				checkComplete(t, w, "a", 20*time.Second)
				checkComplete(t, w, "b", time.Minute)
				checkComplete(t, w, "c", 45*time.Second)
			})
		})
	}
}

// checkWitness holds the commands that really started against the ledger.
func checkWitness(t *testing.T, w *world) {
	t.Helper()
	for id, n := range w.hosts.witness() {
		r, err := w.ledger.Run(w.t.Context(), id)
		if err != nil {
			t.Errorf("run %s started and is not in the ledger: %v", id, err)
			continue
		}
		begun := 0
		for _, a := range r.Attempts {
			if a.State != run.AttemptNotStarted && a.State != run.AttemptStarting {
				begun++
			}
		}
		if n > 1+r.Failures || n > begun {
			t.Errorf("run %s started %d times: %+v", id, n, r.Attempts)
		}
	}
}

// checkComplete looks for a hole between the first and the last due time.
func checkComplete(t *testing.T, w *world, name string, period time.Duration) {
	t.Helper()
	runs := w.runs(name)
	for i := 1; i < len(runs); i++ {
		last := runs[i-1].Due
		if runs[i-1].Count > 1 {
			last = runs[i-1].Until
		}
		if gap := runs[i].Due.Sub(last); gap != period {
			t.Errorf("job %s: nothing is recorded between %v and %v", name, last, runs[i].Due)
		}
	}
	for _, r := range runs {
		if r.State == run.Skipped && r.Reason == "" {
			t.Errorf("run %s is %s without a reason", r.ID, r.State)
		}
	}
}

// endOfInput stands for a guard that waits for its go until its scheduler dies.
func endOfInput(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestAHostIsNotBlamedForItsSchedulersDeath(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.mortal(true)
		w.hosts.beforeGo = endOfInput
		d := w.start(aJob("j", "0 1 * * *"))
		pass(59 * time.Minute)
		d.crash()
		for range 3 {
			d := w.start()
			pass(time.Minute + time.Second)
			d.crash()
		}
		w.hosts.beforeGo = nil
		w.start()
		pass(time.Minute)
		r := w.only("j")
		if r.State != run.Succeeded || len(r.Attempts) != 4 {
			t.Errorf("got %s: %s, %+v", r.State, r.Reason, r.Attempts)
		}
	})
}
