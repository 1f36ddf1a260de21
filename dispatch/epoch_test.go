package dispatch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/memledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

// backLedger is a ledger that went back by as many beats as it is told.
type backLedger struct {
	ledger.Ledger
	by atomic.Int64
}

func (l *backLedger) earlier(m ledger.Mark, err error) (ledger.Mark, error) {
	m.Beats -= l.by.Load()
	return m, err
}

func (l *backLedger) Mark(ctx context.Context) (ledger.Mark, error) {
	return l.earlier(l.Ledger.Mark(ctx))
}

func (l *backLedger) Beat(ctx context.Context, owner string, now time.Time, ttl time.Duration) (ledger.Mark, error) {
	return l.earlier(l.Ledger.Beat(ctx, owner, now, ttl))
}

// A ledger that goes back under a running dispatcher stops all starting, also by
// the others on it, and everybody is told. What runs is followed to its end.
func TestLedgerWentBack(t *testing.T) {
	inWorld(t, []string{"h"}, func(t *testing.T, w *world) {
		people := &inbox{}
		w.mail = map[string]notifier.Notifier{"people": people}
		back := &backLedger{Ledger: w.ledger}
		w.ledger = back
		long := aJob("long", "0 0 1 1 *")
		w.hosts.command = func(o guard.Order) (time.Duration, int) {
			if o.Job == "long" {
				return 20 * time.Minute, 0
			}
			return time.Second, 0
		}
		w.tune = func(o *Options) { o.Sole = false }
		d, other := w.start(aJob("often", "* * * * *"), long), w.start()
		pass(3*time.Minute + 30*time.Second)
		r, err := d.RunNow(t.Context(), "long", "me")
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Second)

		back.by.Store(1000)
		pass(10 * time.Second)
		starts := len(w.hosts.started)
		pass(30 * time.Minute)
		for _, h := range []*daemon{d, other} {
			if err := h.Halted(); !errors.Is(err, ledger.ErrWentBack) {
				t.Errorf("halted: %v", err)
			}
			if _, err := h.RunNow(t.Context(), "often", "me"); !errors.Is(err, ErrHalted) {
				t.Errorf("a run by hand: %v", err)
			}
		}
		if len(w.hosts.started) != starts {
			t.Errorf("%d commands started afterwards", len(w.hosts.started)-starts)
		}
		if got, err := w.ledger.Run(t.Context(), r.ID); err != nil || got.State != run.Succeeded {
			t.Errorf("the run under way came to %s, %v", got.State, err)
		}
		if got := people.events(); !slices.Equal(got, []notifier.Event{notifier.Halted, notifier.Halted}) {
			t.Errorf("told %v", got)
		}

		back.by.Store(0) // who remembers nothing is told by the ledger
		if err := New(d.Options).Load(t.Context(), w.file, nil); !errors.Is(err, ledger.ErrWentBack) {
			t.Errorf("another one starts: %v", err)
		}
	})
}

// So does one that notices with the last beat of all, when it ends.
func TestHaltIsRecordedAtTheEnd(t *testing.T) {
	inWorld(t, []string{"h"}, func(t *testing.T, w *world) {
		back := &backLedger{Ledger: w.ledger}
		w.ledger = back
		w.tune = func(o *Options) { o.Sole = false }
		d := w.start(aJob("j", "0 0 1 1 *"))
		pass(time.Minute + beatEvery/2)
		back.by.Store(1000)
		d.end()
		back.by.Store(0) // who remembers nothing is told by the ledger
		if err := New(d.Options).Load(t.Context(), w.file, nil); !errors.Is(err, ledger.ErrWentBack) {
			t.Errorf("another one starts: %v", err)
		}
	})
}

// At rest a dispatcher beats less often if it is alone, but soon after each run.
func TestBeatsAtRest(t *testing.T) {
	for sole, want := range map[bool]int64{true: 4, false: 12} {
		inWorld(t, []string{"h"}, func(t *testing.T, w *world) {
			w.tune = func(o *Options) { o.Sole = sole }
			d := w.start(aJob("j", "0 0 1 1 *"))
			beats := func() int64 {
				m, err := w.ledger.Mark(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return m.Beats
			}
			pass(time.Hour)
			before := beats()
			pass(time.Minute)
			if n := beats() - before; n != want {
				t.Errorf("alone %v: %d beats a minute, want %d", sole, n, want)
			}
			for range 7 { // wherever between two beats it is
				pass(13 * time.Second)
				if _, err := d.RunNow(t.Context(), "j", "me"); err != nil {
					t.Fatal(err)
				}
				pass(200 * time.Millisecond)
				before := beats()
				if pass(beatEvery); beats() == before {
					t.Errorf("alone %v: no beat after a run", sole)
				}
			}
		})
	}
}

// lossyLedger has lost a write that it had acknowledged, and says so with the next.
type lossyLedger struct {
	ledger.Ledger
	lost atomic.Bool
}

func (l *lossyLedger) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	if l.lost.Load() {
		return nil, ledger.ErrWentBack
	}
	return l.Ledger.Write(ctx, changes...)
}

// A dispatcher that notices with a write that the ledger went back has it on record
// before its next beat, so that another one which starts meanwhile refuses.
func TestHaltIsRecordedAtOnce(t *testing.T) {
	inWorld(t, []string{"h"}, func(t *testing.T, w *world) {
		lossy := &lossyLedger{Ledger: w.ledger}
		w.ledger = lossy
		w.tune = func(o *Options) { o.Sole = false }
		d := w.start(aJob("j", "0 0 1 1 *"))
		pass(time.Minute + beatEvery/2)
		lossy.lost.Store(true)
		if _, err := d.RunNow(t.Context(), "j", "me"); !errors.Is(err, ErrHalted) {
			t.Errorf("a run by hand: %v", err)
		}
		synctest.Wait()
		if err := New(d.Options).Load(t.Context(), w.file, nil); !errors.Is(err, ledger.ErrWentBack) {
			t.Errorf("another one starts: %v", err)
		}
	})
}

// What is remembered from before a start is held against the ledger before
// anything is written to it.
func TestSeenBefore(t *testing.T) {
	inWorld(t, []string{"h"}, func(t *testing.T, w *world) {
		var kept ledger.Mark
		w.tune = func(o *Options) { o.Remember = func(m ledger.Mark) error { kept = m; return nil } }
		d := w.start(aJob("often", "* * * * *"))
		pass(time.Minute)
		d.end()
		mark, err := w.ledger.Mark(t.Context())
		if err != nil || mark != kept {
			t.Fatalf("remembers %v of %v, %v", kept, mark, err)
		}
		for name, seen := range map[string]ledger.Mark{
			"further":   {Ledger: mark.Ledger, Beats: mark.Beats + 1},
			"of others": {Ledger: "another"},
		} {
			o := d.Options
			o.Ledger, o.Seen = memledger.New(), seen
			if seen.Ledger != "another" {
				o.Ledger = w.ledger
			}
			before, _ := o.Ledger.Jobs(t.Context())
			w.file.Jobs = append(w.file.Jobs, aJob("new-"+strings.Fields(name)[0], "* * * * *"))
			if err := New(o).Load(t.Context(), w.file, nil); !errors.Is(err, ledger.ErrWentBack) {
				t.Errorf("%s: %v", name, err)
			}
			if after, _ := o.Ledger.Jobs(t.Context()); len(after) != len(before) {
				t.Errorf("%s: the ledger was written to", name)
			}
		}
	})
}

// failing is a ledger whose n-th write fails, with all after it.
type failing struct {
	ledger.Ledger
	left int
	stop context.CancelFunc
}

func (l *failing) fail() error {
	if l.left--; l.left < 0 {
		l.stop()
		return errAway
	}
	return nil
}

func (l *failing) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	if err := l.fail(); err != nil {
		return nil, err
	}
	return l.Ledger.Write(ctx, changes...)
}

func (l *failing) PutJobs(ctx context.Context, now time.Time, jobs ...ledger.JobSpec) error {
	return errors.Join(l.fail(), ctx.Err(), l.Ledger.PutJobs(ctx, now, jobs...))
}

func (l *failing) Check(ctx context.Context, name string, through time.Time) error {
	return errors.Join(l.fail(), ctx.Err(), l.Ledger.Check(ctx, name, through))
}

func (l *failing) Resume(ctx context.Context, now time.Time, fences int64, m ledger.Mark) error {
	if err := l.fail(); err != nil {
		return err
	}
	return l.Ledger.Resume(ctx, now, fences, m)
}

// A resume that dies at any of its writes leaves a ledger that is refused as
// before, and is finished by the next. Nothing of the gap starts afterwards.
func TestResume(t *testing.T) {
	writes := 0
	for done := false; !done; writes++ {
		inWorld(t, []string{"h"}, func(t *testing.T, w *world) { done = resumeDying(t, w, writes) })
	}
	if writes < 8 {
		t.Errorf("a resume has %d writes only", writes)
	}
}

// resumeDying lets the first resume die after as many writes, and reports
// whether it was through by then.
func resumeDying(t *testing.T, w *world, writes int) (done bool) {
	w.mortal(true)
	w.hosts.command = func(guard.Order) (time.Duration, int) { return 30 * time.Minute, 1 }
	often, failed, idem := aJob("often", "*/10 * * * *"), aJob("failed", "@yearly"), aJob("idem", "@yearly")
	idem.Idempotent, often.Overlap = true, "allow"
	failed.Retry.Attempts, failed.Retry.Backoff, failed.Retry.MaxBackoff = 3, 2*time.Hour, 2*time.Hour
	d := w.start(often, failed, idem)
	if _, err := d.RunNow(t.Context(), "failed", "me"); err != nil {
		t.Fatal(err)
	}
	pass(time.Hour)
	if _, err := d.RunNow(t.Context(), "idem", "me"); err != nil {
		t.Fatal(err)
	}
	pass(time.Second)
	d.crash()
	starts, before := len(w.hosts.started), len(w.runs("often"))
	pass(90 * time.Minute) // the gap; the retry would be due by now

	mark, err := w.ledger.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := ledger.Mark{Ledger: mark.Ledger, Beats: mark.Beats + 100}
	w.file.Jobs = append(w.file.Jobs, aJob("forgotten", "*/10 * * * *"))
	resume := func(l ledger.Ledger, ctx context.Context) error {
		r := New(Options{Ledger: l, Executor: w.hosts, Log: w.log, Seen: seen})
		gap, err := r.Gap(ctx)
		if err == nil {
			_, err = r.Resume(ctx, w.file, gap)
		}
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done = resume(&failing{w.ledger, writes, cancel}, ctx) == nil
	if mark, err = w.ledger.Mark(t.Context()); err != nil || (mark.Follows(seen) == nil) != done {
		t.Fatalf("after %d writes, done is %v: %v, %v", writes, done, mark, err)
	}
	if err := resume(w.ledger, t.Context()); err != nil {
		t.Fatal(err)
	}
	resumed := now()
	w.tune = func(o *Options) { o.Seen = seen }
	next := w.start()
	pass(9 * time.Minute)
	if n := len(w.hosts.started); n != starts {
		t.Errorf("after %d writes: %v started again", writes, w.hosts.started[starts:])
	}
	for _, r := range []run.Run{w.only("failed"), w.only("idem")} {
		if r.State != run.Failed {
			t.Errorf("after %d writes: %s is %s: %s", writes, r.ID, r.State, r.Reason)
		}
	}
	gap := w.runs("often")[before]
	if gap.State != run.Skipped || gap.Count < 8 || !strings.HasPrefix(gap.Reason, run.ReasonForgotten) {
		t.Errorf("after %d writes: the gap is %+v", writes, gap)
	}
	pass(2 * time.Minute)
	last := slices.Clone(w.hosts.started[starts:])
	if slices.Sort(last); len(last) != 2 || !strings.HasPrefix(last[0], "forgotten@") || !strings.HasPrefix(last[1], "often@") {
		t.Errorf("after %d writes, started %v", writes, last)
	}
	for _, name := range []string{"often", "failed", "forgotten"} {
		if j, err := w.ledger.Job(t.Context(), name); err != nil || j.Fence < after || j.Since.Before(resumed.Add(-time.Second)) {
			t.Errorf("after %d writes: %+v, %v", writes, j, err)
		}
	}
	next.end()
	return done
}

// leisurely is a ledger whose mark takes a while to arrive.
type leisurely struct{ ledger.Ledger }

func (l leisurely) Mark(ctx context.Context) (ledger.Mark, error) {
	m, err := l.Ledger.Mark(ctx)
	time.Sleep(3 * beatEvery)
	return m, err
}

// A mark that beats have overtaken on its way is no sign of a ledger that went back.
func TestBeatsWhileAFileIsLoaded(t *testing.T) {
	inWorld(t, []string{"web-1"}, func(t *testing.T, w *world) {
		w.ledger = leisurely{w.ledger}
		d := w.start(aJob("j", "0 1 * * *"))
		defer d.end()
		pass(time.Minute)
		if err := d.Load(t.Context(), w.file, nil); err != nil {
			t.Error(err)
		}
		if err := d.Halted(); err != nil {
			t.Error(err)
		}
	})
}
