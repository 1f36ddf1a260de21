package aws_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// faults are what can go wrong on the way of a due time, each as the knobs that
// bring it about.
var faults = []struct {
	name string
	turn func(k *awsloop.Knobs)
}{
	{"duplicate", func(k *awsloop.Knobs) {
		k.Events.Duplicate, k.Invokes.Duplicate = often(300*time.Millisecond), often(300*time.Millisecond)
		k.SSM.Twice, k.SSM.Duplicate = often(0), often(0)
	}},
	{"delay", func(k *awsloop.Knobs) {
		k.Events.Delay, k.Invokes.Delay, k.SSM.Delay = often(2*time.Second), often(time.Second), often(5*time.Second)
	}},
	{"drop", func(k *awsloop.Knobs) { k.Events.Drop, k.Invokes.Drop, k.SSM.Drop = often(0), often(0), often(0) }},
	{"reorder", func(k *awsloop.Knobs) {
		k.Events.Reorder, k.Invokes.Reorder = often(500*time.Millisecond), often(500*time.Millisecond)
	}},
	{"throttle", func(k *awsloop.Knobs) { k.Throttle["*"] = seldom(0) }},
	{"lost reply", func(k *awsloop.Knobs) {
		k.Lost["*"], k.Lost["ssm.SendCommand"] = seldom(0), often(0)
	}},
	{"agent offline", func(k *awsloop.Knobs) { k.SSM.Offline = seldom(5 * time.Second) }},
	{"agent killed", func(k *awsloop.Knobs) { k.SSM.Kill = seldom(3 * time.Second) }},
	{"redelivery", func(k *awsloop.Knobs) { k.SSM.Redeliver = often(200 * time.Millisecond) }},
	{"reboot", func(k *awsloop.Knobs) { k.SSM.Reboot, k.SSM.Redeliver = seldom(100*time.Millisecond), often(0) }},
	{"function killed", func(k *awsloop.Knobs) { k.Crash = awsloop.Knob{P: 0.2, For: 300 * time.Millisecond} }},
}

func often(d time.Duration) awsloop.Knob  { return awsloop.Knob{P: 0.3, For: d} }
func seldom(d time.Duration) awsloop.Knob { return awsloop.Knob{P: 0.08, For: d} }

// ordeal is one fault, or two at once.
type ordeal struct {
	name  string
	knobs awsloop.Knobs
}

// ordeals are all of them, or the faults alone and every fifth pair.
func ordeals(all bool) []ordeal {
	var some []ordeal
	for i, a := range faults {
		for j, b := range faults[i:] {
			if !all && j > 0 && (i+j)%5 > 0 {
				continue
			}
			o := ordeal{a.name, awsloop.Knobs{Throttle: map[string]awsloop.Knob{}, Lost: map[string]awsloop.Knob{}}}
			if a.turn(&o.knobs); a.name != b.name {
				o.name += " and " + b.name
				b.turn(&o.knobs)
			}
			some = append(some, o)
		}
	}
	return some
}

// accounts go through their ordeals side by side.
const accounts = 2

// Whatever goes wrong, alone or with another fault: no due time is started
// twice, and every one has its end on record. With SOLOCRON_OCCURRENCES so many
// due times meet each of all 66 ordeals; with 32 that takes ten minutes.
func TestFaultsAloneAndInPairs(t *testing.T) {
	each, all := 8, ordeals(false)
	if text := os.Getenv("SOLOCRON_OCCURRENCES"); text != "" {
		var err error
		if each, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
		all = ordeals(true)
	}
	for i := range accounts {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			a := newAccount(t, func(s *job.Settings) { s.EC2.ClaimWithin, s.Settled = 4*time.Second, 3*time.Second })
			for range 5 {
				a.host(cron)
			}
			stop := a.sweeping(2 * time.Second)
			defer stop()
			met := map[string][]string{}
			for n := i; n < len(all); n += accounts {
				met[all[n].name] = a.suffer(all[n], n, each)
			}
			a.judge(met)
		})
	}
}

// sweeping sweeps until the returned function is called: two sweepers, each with
// a rest after every sweep, so that sweeps meet but don't pile up.
func (a *account) sweeping(rest time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(a.t.Context())
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			tick := time.NewTicker(rest)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					// It may fail: the function is killed, or throttled.
					_, _, _ = a.function.Invoke(ctx, []byte(`{"sweep":true}`))
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// abreast is how many jobs share the due times of an ordeal, a second apart.
const abreast = 8

// suffer lets so many due times meet the ordeal and returns their runs' IDs.
func (a *account) suffer(o ordeal, n, occurrences int) []string {
	a.t.Helper()
	a.loop.SetKnobs(awsloop.Knobs{})
	var at time.Time
	var ids []string
	// A job is owed its due times from when it is known: a slow machine needs a
	// longer lead.
	for lead := 2 * time.Second; !time.Now().Before(at); lead *= 2 {
		at = time.Now().Add(lead).UTC().Truncate(time.Second)
		if long := (occurrences - 1) / abreast; at.Second()+long > 59 { // within one minute
			at = at.Truncate(time.Minute).Add(time.Minute)
		}
		var jobs string
		jobs, ids = plan(n, occurrences, at)
		a.jobs(jobs)
	}
	a.loop.SetKnobs(o.knobs)
	for _, id := range ids {
		name, when, err := run.ParseID(id)
		if err != nil {
			a.t.Fatal(err)
		}
		a.wait(when)
		if err := a.function.InvokeAsync(due(name, when)); err != nil {
			a.t.Fatal(err)
		}
	}
	a.wait(time.Now().Add(2 * time.Second))
	return ids
}

// plan spreads the due times over jobs, from the given second on. Half of the
// jobs may run side by side with themselves; of the others a due time is
// skipped while the one before is not over.
func plan(n, occurrences int, at time.Time) (jobs string, ids []string) {
	jobs = "jobs:\n"
	for i := range abreast {
		var seconds []string
		name := fmt.Sprintf("o%d-%d", n, i)
		for k := i; k < occurrences; k += abreast {
			due := at.Add(time.Duration(k/abreast) * time.Second)
			seconds = append(seconds, strconv.Itoa(due.Second()))
			ids = append(ids, run.ID(name, due))
		}
		jobs += fmt.Sprintf("  %s: {schedule: %q, overlap: %s, catchup: all, hosts: {cron: \"true\"}, timeout: 5s, grace: 1s, command: 'echo $SOLOCRON_RUN_ID >>WITNESS; sleep 0.2'}\n",
			name, strings.Join(seconds, ",")+at.Format(" 4 15 2 1 *"), []string{"allow", "skip"}[i%2])
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(stamp(a), stamp(b)) })
	return jobs, ids
}

// stamp is the part of a run's ID that tells its due time.
func stamp(id string) string { return id[strings.Index(id, "@"):] }

// wait waits for a time of the clock.
func (a *account) wait(at time.Time) {
	select {
	case <-time.After(time.Until(at)):
	case <-a.t.Context().Done():
	}
}

// judge holds the ledger against the witness, once everything is over.
func (a *account) judge(met map[string][]string) {
	a.t.Helper()
	a.loop.SetKnobs(awsloop.Knobs{})
	records := map[string]run.Run{}
	deadline := time.Now().Add(3 * time.Minute)
	for {
		list, err := a.ledger.Runs(a.t.Context(), ledger.Query{})
		if err != nil {
			a.t.Fatal(err)
		}
		open := 0
		for _, r := range list {
			records[r.ID] = r
			if r.State.Open() {
				open++
			}
		}
		if want := len(met) * len(first(met)); open == 0 && len(records) >= want || time.Now().After(deadline) {
			break
		}
		a.wait(time.Now().Add(time.Second))
	}
	started := map[string]int{}
	for _, id := range a.saw() {
		started[id]++
	}
	for name, ids := range met {
		states := map[run.State]int{}
		for _, id := range ids {
			r, known := records[id]
			states[r.State]++
			switch n := started[id]; {
			case !known:
				a.t.Errorf("%s: %s has vanished", name, id)
			case r.State.Open():
				a.t.Errorf("%s: %s is not over: %+v", name, id, r)
			case n > 1:
				a.t.Errorf("%s: %s was started %d times: %+v", name, id, n, r)
			case n == 0 && r.ExitCode != nil && r.State != run.Cancelled:
				a.t.Errorf("%s: %s has an exit code, and never ran: %+v", name, id, r)
			case n == 0 && r.State == run.Skipped: // an earlier run was in the way, or no host was to be had in time
			case n == 1 && (r.State == run.Skipped || r.State == run.Failed && r.ExitCode == nil):
				a.t.Errorf("%s: %s is %s, and ran: %+v", name, id, r.State, r)
			}
		}
		a.t.Logf("%-35s %v", name, states)
	}
}

func first(met map[string][]string) []string {
	for _, ids := range met {
		return ids
	}
	return nil
}
