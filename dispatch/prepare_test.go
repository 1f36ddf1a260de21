package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// prepared runs a world whose job "j" is due at one o'clock, from five seconds
// before that on, with its attempt ready.
func prepared(t *testing.T, f func(t *testing.T, w *world, d *daemon)) {
	inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
		w.mortal(true)
		d := w.start(aJob("j", "0 1 * * *"))
		defer d.end()
		pass(time.Hour - 5*time.Second)
		if r := w.only("j"); r.State != run.Starting || len(w.hosts.witness()) > 0 {
			t.Fatalf("five seconds before it is due it is %s, started %v", r.State, w.hosts.witness())
		}
		f(t, w, d)
	})
}

// wantStarted fails unless the only run of the job started so many times.
func (w *world) wantStarted(state run.State, times, attempts int) run.Run {
	w.t.Helper()
	r := w.only("j")
	if r.State != state || w.hosts.witness()[r.ID] != times || len(r.Attempts) != attempts {
		w.t.Errorf("got %s (%s), started %d times, attempts %+v", r.State, r.Reason, w.hosts.witness()[r.ID], r.Attempts)
	}
	return r
}

func TestPreparedRunStartsWhenItIsDue(t *testing.T) {
	prepared(t, func(t *testing.T, w *world, _ *daemon) {
		pass(5*time.Second - 1)
		if len(w.hosts.witness()) > 0 {
			t.Fatal("it started before it was due")
		}
		pass(1)
		if r := w.wantStarted(run.Running, 1, 1); !r.StartedAt.Equal(r.Due) {
			t.Errorf("due at %s, started at %s", r.Due, r.StartedAt)
		}
		pass(time.Minute)
		w.wantStarted(run.Succeeded, 1, 1)
	})
}

func TestPreparedRunIsPaused(t *testing.T) {
	prepared(t, func(t *testing.T, w *world, d *daemon) {
		pause := ledger.Pause{On: true, By: "ann", At: now()}
		if err := d.Pause(t.Context(), "j", pause); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if r := w.wantStarted(run.Skipped, 0, 1); !strings.HasPrefix(r.Reason, run.ReasonPaused) || !r.Attempts[0].Revoked {
			t.Errorf("%s, %+v", r.Reason, r.Attempts)
		}
		pass(23*time.Hour + 58*time.Minute) // what is paused is not even prepared
		if n := len(w.runs("j")); n != 1 {
			t.Fatalf("%d runs", n)
		}
		pass(55 * time.Second)
		if err := d.Pause(t.Context(), "j", ledger.Pause{}); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if got := w.states("j"); !slices.Equal(got, []run.State{run.Skipped, run.Succeeded}) {
			t.Errorf("%v", got)
		}
	})
}

func TestPreparedRunIsCancelled(t *testing.T) {
	prepared(t, func(t *testing.T, w *world, d *daemon) {
		if _, err := d.Cancel(t.Context(), w.only("j").ID, "ann", false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(d.open()) > 0 {
			t.Error("its guard still waits")
		}
		pass(time.Minute)
		w.wantStarted(run.Cancelled, 0, 1)
	})
}

// An edit counts for every due time that comes after it.
func TestPreparedRunIsEdited(t *testing.T) {
	edit := func(t *testing.T, w *world, d *daemon, jobs ...job.Job) {
		t.Helper()
		if err := d.Load(t.Context(), &job.File{Path: "test.yaml", Jobs: jobs, Retention: w.file.Retention}, nil); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
	}
	started := func(w *world) (commands []string) {
		w.hosts.mu.Lock()
		defer w.hosts.mu.Unlock()
		for _, a := range w.hosts.attempts {
			commands = append(commands, a.order.Command)
		}
		return commands
	}
	t.Run("its command", func(t *testing.T) {
		prepared(t, func(t *testing.T, w *world, d *daemon) {
			j := aJob("j", "0 1 * * *")
			j.Command, j.Timeout = "new", time.Minute
			edit(t, w, d, j)
			if r := w.wantStarted(run.Succeeded, 1, 2); r.Policy.Timeout != time.Minute {
				t.Errorf("its policy is %+v", r.Policy)
			}
			if got := started(w); !slices.Equal(got, []string{"new"}) {
				t.Errorf("%q ran", got)
			}
		})
	})
	t.Run("another schedule with the same due time", func(t *testing.T) {
		prepared(t, func(t *testing.T, w *world, d *daemon) {
			j := aJob("j", "0 1,5 * * *")
			j.Command = "new"
			edit(t, w, d, j)
			w.wantStarted(run.Succeeded, 1, 2)
			if got := started(w); !slices.Equal(got, []string{"new"}) {
				t.Errorf("%q ran", got)
			}
		})
	})
	t.Run("another schedule", func(t *testing.T) {
		prepared(t, func(t *testing.T, w *world, d *daemon) {
			edit(t, w, d, aJob("j", "0 5 * * *"))
			if r := w.wantStarted(run.Skipped, 0, 1); !strings.HasPrefix(r.Reason, run.ReasonRemoved) {
				t.Errorf("%s", r.Reason)
			}
		})
	})
	t.Run("removed", func(t *testing.T) {
		prepared(t, func(t *testing.T, w *world, d *daemon) {
			edit(t, w, d)
			if r := w.wantStarted(run.Skipped, 0, 1); !strings.HasPrefix(r.Reason, run.ReasonRemoved) {
				t.Errorf("%s", r.Reason)
			}
		})
	})
	t.Run("not recorded yet", func(t *testing.T) { // no host, so nothing is prepared
		inWorld(t, nil, func(t *testing.T, w *world) {
			d := w.start(aJob("j", "0 1 * * *"))
			defer d.end()
			pass(time.Hour - 5*time.Second)
			edit(t, w, d)
			if n := len(w.runs("j")); n > 0 {
				t.Errorf("%d runs of a job that was removed before", n)
			}
		})
	})
}

// Whenever the scheduler ends between preparing and starting, the next one starts
// the run when it is due, or late.
func TestSchedulerEndsWithRunsPrepared(t *testing.T) {
	for name, end := range map[string]func(*daemon){"crash": (*daemon).crash, "stop": (*daemon).end} {
		for back, after := range map[string]time.Duration{"before it is due": 2 * time.Second, "after": time.Minute} {
			t.Run(name+", and is back "+back, func(t *testing.T) {
				prepared(t, func(t *testing.T, w *world, d *daemon) {
					end(d)
					pass(after)
					d = w.start()
					defer d.end()
					pass(time.Minute)
					r := w.wantStarted(run.Succeeded, 1, 2)
					if late := r.StartedAt.Sub(r.Due); late < 0 || late > after {
						t.Errorf("it started %s after it was due", late)
					}
				})
			})
		}
	}
}

// A run that was prepared before its job was edited says nothing of the due
// times that the job has before it by now.
func TestEditedBeforeAPreparedRun(t *testing.T) {
	for try := range 30 { // who reads the job's slot first differs
		t.Run(fmt.Sprint(try), func(t *testing.T) { prepared(t, editedBefore) })
	}
}

func editedBefore(t *testing.T, w *world, d *daemon) {
	w.file.Jobs = []job.Job{aJob("j", "57 59 0 * * *")}
	if err := d.Load(t.Context(), w.file, nil); err != nil {
		t.Fatal(err)
	}
	pass(time.Second) // two seconds to 00:59:57; the slot is not free yet
	d.crash()
	pass(2 * time.Second)
	d = w.start()
	defer d.end()
	pass(time.Minute)
	due := now().Truncate(time.Hour).Add(-3 * time.Second)
	id := run.ID("j", due)
	if r, err := w.ledger.Run(t.Context(), id); err != nil || r.State != run.Succeeded || w.hosts.witness()[id] != 1 {
		t.Errorf("%s %s (%s), started %d times: %v", id, r.State, r.Reason, w.hosts.witness()[id], err)
	}
	if r, err := w.ledger.Run(t.Context(), run.ID("j", due.Add(3*time.Second))); err != nil || r.State != run.Skipped {
		t.Errorf("the prepared one is %s (%s), attempts %+v: %v", r.State, r.Reason, r.Attempts, err)
	}
}

func TestPreparedHostIsLost(t *testing.T) {
	for name, lose := range map[string]func(w *world){
		"its guard dies": func(w *world) {
			w.hosts.set(func() { w.hosts.down["web-1"] = true })
			w.hosts.leave("web-1")
		},
		"it is unhealthy":     func(w *world) { w.hosts.set(func() { w.hosts.down["web-1"] = true }) },
		"it leaves the fleet": func(w *world) { w.hosts.set(func() { w.hosts.list = w.hosts.list[1:] }) },
		"it is another machine": func(w *world) {
			w.hosts.set(func() { w.hosts.list[0].Address = "ssh://x"; w.hosts.down["web-1"] = true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []string{"web-1", "web-2"}, func(t *testing.T, w *world) {
				w.tune = func(o *Options) { o.Ahead = time.Minute } // so that a round of probes is among it
				d := w.start(aJob("j", "0 1 * * *"))
				defer d.end()
				pass(time.Hour - 50*time.Second)
				lose(w)
				pass(2 * time.Minute)
				if r := w.wantStarted(run.Succeeded, 1, 2); r.Host() != "web-2" || !r.StartedAt.Equal(r.Due) {
					t.Errorf("on %s at %s", r.Host(), r.StartedAt)
				}
			})
		})
	}
}

// A host that would not hear the go gets none, before a round of probes finds out.
func TestPreparedHostFallsSilent(t *testing.T) {
	prepared(t, func(t *testing.T, w *world, _ *daemon) {
		pass(5*time.Second - 2*goEarly)
		w.hosts.set(func() { w.hosts.down["web-1"] = true })
		pass(time.Minute)
		r := w.only("j")
		if last := r.Attempt(); r.State != run.Succeeded || w.hosts.witness()[r.ID] != 1 || last.Host != "web-2" || !last.StartedAt.Equal(r.Due) || !r.Attempts[0].Revoked {
			t.Errorf("%s, started %d times, %+v", r.State, w.hosts.witness()[r.ID], r.Attempts)
		}
	})
}

// A keeper that dies takes what it had prepared with it, and no blame falls on
// the host.
func TestPreparedGuardDiesOnTheOnlyHost(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		d := w.start(aJob("j", "0 1 * * *"))
		defer d.end()
		pass(time.Hour - 5*time.Second)
		w.hosts.leave("web-1")
		pass(time.Minute)
		if r := w.wantStarted(run.Succeeded, 1, 2); !r.StartedAt.Equal(r.Due) {
			t.Errorf("at %s", r.StartedAt)
		}
	})
}

// Where nothing is prepared a clock that is set back holds up nothing that has
// come due.
func TestClockIsSetBackBesideOthers(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(_ *testing.T, w *world) {
		clock := w.walled(0)
		tune := w.tune
		w.tune = func(o *Options) { tune(o); o.Sole = false; o.Patience = time.Hour }
		w.hosts.clock = time.Now
		w.hosts.down["web-1"] = true
		d := w.start(aJob("j", "0 1 * * *"))
		defer d.end()
		pass(time.Hour + time.Second)
		clock.jump(-time.Minute)
		w.hosts.set(func() { w.hosts.down["web-1"] = false })
		pass(time.Minute)
		w.wantStarted(run.Succeeded, 1, 1)
	})
}

func TestClockIsSetWhileRunsArePrepared(t *testing.T) {
	for name, c := range map[string]struct {
		by      time.Duration
		started int
		state   run.State
	}{
		"forward":          {3 * time.Second, 1, run.Succeeded},
		"far forward":      {time.Hour, 0, run.Skipped},
		"back":             {-4 * time.Second, 1, run.Succeeded},
		"far back":         {-time.Hour, 1, run.Succeeded},
		"by a whole night": {-8 * time.Hour, 1, run.Succeeded},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
				var by atomic.Int64
				w.hosts.clock = func() time.Time { return time.Now().Add(time.Duration(by.Load())) }
				w.tune = func(o *Options) { o.Now = w.hosts.clock }
				d := w.start(aJob("j", "0 1 * * *"))
				defer d.end()
				pass(time.Hour - 5*time.Second)
				by.Store(int64(c.by))
				pass(time.Minute - min(c.by, 0))
				r := w.runs("j")[0]
				if r.State != c.state || w.hosts.witness()[r.ID] != c.started {
					t.Errorf("%s (%s), started %d times", r.State, r.Reason, w.hosts.witness()[r.ID])
				}
			})
		})
	}
}

// What is asked for now goes before what is only prepared.
func TestRunNowGoesBeforeAPreparedRun(t *testing.T) {
	for name, c := range map[string]struct {
		overlap job.Overlap
		takes   time.Duration
		states  []run.State // of the due time and of the run by hand
	}{
		"and ends in time":   {job.Skip, 2 * time.Second, []run.State{run.Succeeded, run.Succeeded}},
		"and is in the way":  {job.Skip, time.Minute, []run.State{run.Skipped, run.Succeeded}},
		"and is waited for":  {job.BufferOne, time.Minute, []run.State{run.Succeeded, run.Succeeded}},
		"and is replaced":    {job.CancelOther, time.Minute, []run.State{run.Succeeded, run.Cancelled}},
		"and both may be on": {job.Allow, time.Minute, []run.State{run.Succeeded, run.Succeeded}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
				w.hosts.command = func(guard.Order) (time.Duration, int) { return c.takes, 0 }
				j := aJob("j", "0 1 * * *")
				j.Overlap = c.overlap
				d := w.start(j)
				defer d.end()
				pass(time.Hour - 5*time.Second)
				due := w.only("j")
				r, err := d.RunNow(t.Context(), "j", "ann")
				if err != nil {
					t.Fatal(err)
				}
				pass(time.Second)
				if w.hosts.witness()[r.ID] != 1 {
					r, _ = w.ledger.Run(t.Context(), r.ID)
					t.Fatalf("the run by hand is %s: %s", r.State, r.Reason)
				}
				pass(5 * time.Minute)
				for i, id := range []string{due.ID, r.ID} {
					if r, _ := w.ledger.Run(t.Context(), id); r.State != c.states[i] {
						t.Errorf("%s is %s (%s), want %s", id, r.State, r.Reason, c.states[i])
					}
				}
			})
		})
	}
}

// A run whose slot is taken is prepared when it comes free, and nothing is decided
// about it before it is due.
func TestBusySlotBeforeTheDueTime(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration
		after run.State // of the second run, once it was due
	}{
		"free in time": {25 * time.Second, run.Succeeded},
		"not free":     {35 * time.Second, run.Skipped},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
				w.hosts.command = func(guard.Order) (time.Duration, int) { return c.takes, 0 }
				d := w.start(aJob("j", "every 30s"))
				defer d.end()
				pass(30*time.Second + 29*time.Second)
				switch got := w.states("j"); {
				case c.after == run.Succeeded && !slices.Equal(got, []run.State{run.Succeeded, run.Starting}):
					t.Errorf("a second before it is due: %v", got)
				case c.after == run.Skipped && !slices.Equal(got, []run.State{run.Running}):
					t.Errorf("a second before it is due: %v", got)
				}
				pass(29 * time.Second)
				if got := w.states("j"); got[1] != c.after {
					t.Errorf("at last: %v", got)
				}
			})
		})
	}
}

// A reload while a due time waits in memory must not let the next one be recorded
// before it.
func TestReloadLeavesNoHole(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.mortal(true)
		w.hosts.command = func(guard.Order) (time.Duration, int) { return 12 * time.Second, 0 }
		d := w.start(aJob("j", "every 4s"))
		pass(4*time.Second + time.Millisecond)
		for range 8 {
			if err := d.Load(context.Background(), w.file, nil); err != nil {
				t.Fatal(err)
			}
			pass(1500 * time.Millisecond)
		}
		d.crash()
		d = w.start()
		defer d.end()
		pass(20 * time.Second)
		checkComplete(t, w, "j", 4*time.Second)
		checkWitness(t, w)
	})
}
