// Package awssim_test holds the scheduler against every fault of AWS, each
// alone and in pairs, over many due times: in one process and in fake time.
//
// Real are the stepwise dispatcher, the executor for Systems Manager, the
// stand-in for Systems Manager with its faults, and every request on its way
// between them, with its signature. A host is the guard's story told in Go, see
// guard_test.go; the claims table is as much of DynamoDB as the claims need; the
// ledger is in memory, and as far away as DynamoDB; the function is the two
// things that Lambda does to it: it repeats, and it kills.
//
// The same faults over real processes are in e2e/aws, for fewer due times.
package awssim_test

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/bubbletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// trouble is what goes wrong in a world.
type trouble struct {
	awsloop.Knobs
	// Reboot restarts a host within the knob's time after a command reached it.
	// It is not left to the stand-in, which can't end the guards in here.
	Reboot awsloop.Knob
}

// faults are what can go wrong on the way of a due time.
var faults = []struct {
	name string
	turn func(*trouble)
}{
	{"duplicate", func(k *trouble) {
		k.Events.Duplicate, k.Invokes.Duplicate = often(time.Second), often(time.Second)
		k.SSM.Twice, k.SSM.Duplicate = often(0), often(0)
	}},
	{"delay", func(k *trouble) {
		k.Events.Delay, k.Invokes.Delay, k.SSM.Delay = often(time.Minute), often(90*time.Second), often(claimWithin)
	}},
	{"drop", func(k *trouble) { k.Events.Drop, k.Invokes.Drop, k.SSM.Drop = often(0), often(0), often(0) }},
	{"reorder", func(k *trouble) { k.Events.Reorder, k.Invokes.Reorder = often(time.Minute), often(time.Minute) }},
	{"throttle", func(k *trouble) { k.Throttle["*"] = seldom(0) }},
	{"lost reply", func(k *trouble) { k.Lost["*"], k.Lost["ssm.SendCommand"] = seldom(0), often(0) }},
	{"agent offline", func(k *trouble) { k.SSM.Offline = seldom(150 * time.Second) }},
	{"agent killed", func(k *trouble) { k.SSM.Kill = seldom(2 * time.Minute) }},
	{"redelivery", func(k *trouble) { k.SSM.Redeliver = often(15 * time.Second) }},
	{"reboot", func(k *trouble) { k.Reboot, k.SSM.Redeliver = seldom(5*time.Second), often(0) }},
	{"function killed", func(k *trouble) { k.Crash = awsloop.Knob{P: 0.2, For: time.Second} }},
}

func often(d time.Duration) awsloop.Knob  { return awsloop.Knob{P: 0.3, For: d} }
func seldom(d time.Duration) awsloop.Knob { return awsloop.Knob{P: 0.08, For: d} }

// ordeal is one fault, or two at once.
type ordeal struct {
	name string
	trouble
}

func ordeals() []ordeal {
	var all []ordeal
	for i, a := range faults {
		for _, b := range faults[i:] {
			o := ordeal{name: a.name}
			o.Lost = map[string]awsloop.Knob{}
			// Nobody guarantees that a command is cancelled before it is delivered.
			o.Throttle = map[string]awsloop.Knob{"ssm.CancelCommand": {P: 0.7}}
			if a.turn(&o.trouble); a.name != b.name {
				o.name += " and " + b.name
				b.turn(&o.trouble)
			}
			all = append(all, o)
		}
	}
	return all
}

// Whatever goes wrong, alone or with another fault: no due time is started
// twice, and every one has its end on record; see judge_test.go for all that
// must hold. SOLOCRON_OCCURRENCES is how many due times meet each of the 66
// ordeals.
func TestFaultsAloneAndInPairs(t *testing.T) {
	each := 20
	if text := os.Getenv("SOLOCRON_OCCURRENCES"); text != "" {
		var err error
		if each, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	total := newTally()
	t.Run("ordeals", func(t *testing.T) {
		for n, o := range ordeals() {
			t.Run(o.name, func(t *testing.T) {
				t.Parallel()
				sum := suffer(t, o, uint64(n), each)
				t.Logf("%-35s %s", o.name, sum)
				mu.Lock()
				defer mu.Unlock()
				total.add(sum)
			})
		}
	})
	t.Logf("in all: %s", total)
}

// perWorld is how many due times a world has at most: ledger and fleet start
// anew for each so many.
const perWorld = 100

// suffer lets so many due times meet the ordeal, in as many worlds as it takes.
func suffer(t *testing.T, o ordeal, number uint64, occurrences int) *tally {
	sum := newTally()
	for seed := number << 32; occurrences > 0 && !t.Failed(); seed++ {
		minutes := (min(occurrences, perWorld) + len(aJobOfEach) - 1) / len(aJobOfEach)
		occurrences -= minutes * len(aJobOfEach)
		bubbletest.Test(t, func(t *testing.T) {
			w := newWorld(t, seed)
			defer w.end()
			w.pass(minutes, o.trouble)
			sum.add(w.judge(minutes))
		})
	}
	return sum
}

// tally counts what happened in an ordeal.
type tally struct {
	occurrences, ran, orders, taken int
	states                          map[string]int
}

func newTally() *tally { return &tally{states: map[string]int{}} }

func (s *tally) add(more *tally) {
	s.occurrences += more.occurrences
	s.ran += more.ran
	s.orders += more.orders
	s.taken += more.taken
	for state, n := range maps.All(more.states) {
		s.states[state] += n
	}
}

func (s *tally) String() string {
	return fmt.Sprintf("%d due times, %d ran, %d orders sent, %d taken back: %v", s.occurrences, s.ran, s.orders, s.taken, s.states)
}
