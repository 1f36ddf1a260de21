package simulate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// usual is how many due times go test simulates; SOLOCRON_OCCURRENCES=1000000
// is the full size.
const usual = 10_000

// TestPromise simulates worlds of random jobs, hosts and faults, with a
// scheduler that is killed before or after its writes and timers that fire
// twice, late or never, until enough due times have passed; and holds what the
// hosts saw against the ledger. A world is made again from its number alone:
// SOLOCRON_WORLD=17 simulates that one.
func TestPromise(t *testing.T) {
	t.Parallel()
	want := number(t, "SOLOCRON_OCCURRENCES", usual)
	first, last := uint64(1), ^uint64(0)
	if one := number(t, "SOLOCRON_WORLD", 0); one > 0 {
		first, last = uint64(one), uint64(one)
	}
	var worlds atomic.Uint64
	worlds.Store(first - 1)
	var mu sync.Mutex
	sum := tally{states: map[run.State]int{}}
	begun := time.Now()
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for n := worlds.Add(1); n <= last && !t.Failed(); n = worlds.Add(1) {
				w := randomWorld(n)
				out, err := Run(t.Context(), w)
				if err != nil {
					t.Errorf("world %d: %v", n, err)
					return
				}
				for _, problem := range judge(w, out) {
					t.Errorf("world %d: %s", n, problem)
				}
				mu.Lock()
				sum.add(out)
				enough := sum.due >= want
				mu.Unlock()
				if enough {
					return
				}
			}
		})
	}
	all.Wait()
	took := time.Since(begun)
	t.Logf("%d due times in %d worlds, %d starts, %d hosts failed over, %.0f due times/s", sum.due, sum.worlds, sum.starts, sum.moved, float64(sum.due)/took.Seconds())
	for _, s := range slices.Sorted(maps.Keys(sum.states)) {
		t.Logf("%9d %s", sum.states[s], s)
	}
	for _, s := range run.States {
		if first != last && s.Open() == (sum.states[s] > 0) {
			t.Errorf("%d runs are %s", sum.states[s], s)
		}
	}
}

func number(t *testing.T, variable string, otherwise int) int {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		t.Fatalf("%s=%s: want a number above 0", variable, text)
	}
	return n
}

// tally is what many worlds came to.
type tally struct {
	due, worlds, starts, moved int
	states                     map[run.State]int // by due time
}

func (s *tally) add(out Outcome) {
	s.worlds++
	s.due += out.Due
	s.starts += len(out.Starts)
	for _, r := range out.Runs {
		s.states[r.State] += max(1, r.Count)
		for i := range r.Attempts[:max(0, len(r.Attempts)-1)] {
			if r.Attempts[i].State == run.AttemptNotStarted && r.Attempts[i+1].Host != r.Attempts[i].Host {
				s.moved++
			}
		}
	}
}

// randomWorld is the world of that number.
func randomWorld(n uint64) World {
	r := rand.New(rand.NewPCG(n, 5))
	from := time.Date(1990+r.IntN(150), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), 0, 0, 0, time.UTC)
	w := World{From: from, To: from.Add(time.Duration(3+r.IntN(15)) * time.Hour)}
	for i := range 1 + r.IntN(5) {
		address := "ssh://x"
		if n%2 == 0 {
			address = fleet.ByAgent
		}
		w.Hosts = append(w.Hosts, fleet.Host{ID: fmt.Sprintf("h%d", i), Address: address, Launched: from.Add(time.Duration(i) * time.Hour)})
	}
	for i := range 1 + r.IntN(4) {
		w.Jobs = append(w.Jobs, randomJob(r, fmt.Sprintf("j%d", i)))
	}
	w.Faults = randomFaults(r, &w)
	w.chance = randomChance(r, &w)
	return w
}

func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func randomJob(r *rand.Rand, name string) job.Job {
	return job.Job{
		Name: name, Command: "true",
		When: schedule.Spec{
			Expr: one(r, "* * * * *", "*/2 * * * *", "*/5 * * * *", "~ * * * *", "30 2 * * *", "*/7 1-5 * * *", "every 10m", "every 45s"),
			Zone: one(r, "", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"), Seed: name,
		},
		Pick:        one(r, fleet.First, fleet.Random, fleet.RoundRobin, fleet.LeastBusy, fleet.LeastRecent, fleet.Sticky),
		Jitter:      one(r, 0, 0, 30*time.Second),
		Overlap:     one(r, job.Overlaps...),
		StartWithin: one(r, 30*time.Second, 5*time.Minute, 15*time.Minute),
		Catchup:     job.Catchup{Mode: one(r, job.CatchupNone, job.CatchupLatest, job.CatchupAll), Within: one(r, 0, time.Hour)},
		Timeout:     one(r, 30*time.Second, 5*time.Minute, 30*time.Minute), Grace: 10 * time.Second,
		Idempotent: r.IntN(4) == 0,
		Retry: job.Retry{
			Attempts: one(r, 0, 0, 2), On: []run.State{run.Failed, run.TimedOut},
			Backoff: 10 * time.Second, MaxBackoff: time.Minute, Host: one(r, job.AnyHost, job.SameHost, job.OtherHost),
		},
	}
}

func randomFaults(r *rand.Rand, w *World) (all []Fault) {
	within := func() (from, until time.Time) {
		from = w.From.Add(time.Duration(r.Int64N(int64(w.To.Sub(w.From)))))
		return from, from.Add(time.Duration(r.ExpFloat64() * float64(10*time.Minute)))
	}
	hours := int(w.To.Sub(w.From).Hours())
	for range r.IntN(3 * hours) {
		f := Fault{Kind: HostDies, Name: one(r, w.Hosts...).ID}
		f.From, f.Until = within()
		all = append(all, f)
	}
	for range r.IntN(hours) {
		f := Fault{Kind: SlowDelivery, Name: one(r, w.Hosts...).ID, For: time.Duration(r.IntN(300)) * time.Second}
		f.From, f.Until = within()
		all = append(all, f)
	}
	for range r.IntN(4) {
		f := Fault{Kind: SchedulerDown}
		if f.From, f.Until = within(); !f.Until.After(w.To) {
			all = append(all, f)
		}
	}
	return all
}

// randomChance adds what can't be scripted.
func randomChance(r *rand.Rand, w *World) chance {
	crashes, trips := one(r, 0, 0, 300, 50), one(r, 1, 5, 20)
	timeouts := map[string]time.Duration{}
	for _, j := range w.Jobs {
		timeouts[j.Name] = j.Timeout
	}
	seconds := func(n int) time.Duration { return time.Duration(r.IntN(n*1000)) * time.Millisecond }
	c := chance{
		command: func(name string) (time.Duration, int) {
			takes := seconds(60)
			if r.IntN(4) == 0 {
				takes = time.Duration(r.Float64() * 1.3 * float64(timeouts[name]))
			}
			return takes, one(r, 0, 0, 0, 1)
		},
		travel: func() time.Duration {
			if r.IntN(trips) == 0 {
				return seconds(200)
			}
			return seconds(2)
		},
		deliver: func() []time.Duration {
			switch r.IntN(10) {
			case 0:
				return nil
			case 1:
				return []time.Duration{0, seconds(100), seconds(1000)}
			case 2:
				return []time.Duration{seconds(90)}
			}
			return []time.Duration{0}
		},
	}
	if crashes > 0 {
		c.crash = func() bool { return r.IntN(crashes) == 0 }
	}
	return c
}
