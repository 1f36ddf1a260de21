package dispatch

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/bubbletest"
)

// TestYears has real schedulers live through years of an ordeal: bursts of all
// that can happen, then hours in which nothing does, or days without any
// scheduler. SOLOCRON_YEARS sets how many, each a world of its own.
func TestYears(t *testing.T) {
	years := 1
	if text := os.Getenv("SOLOCRON_YEARS"); text != "" {
		var err error
		if years, err = strconv.Atoi(text); err != nil || years < 1 {
			t.Fatalf("SOLOCRON_YEARS=%s: want a number above 0", text)
		}
	}
	var mu sync.Mutex
	var sum figures
	t.Run("all", func(t *testing.T) {
		for n := range years {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				bubbletest.Test(t, func(t *testing.T) {
					got := year(t, rand.New(rand.NewPCG(uint64(n), 7)))
					mu.Lock()
					defer mu.Unlock()
					sum.add(got)
				})
			})
		}
	})
	t.Logf("%d due times in %d years, %.0f days of them with a scheduler, %d runs, %d starts", sum.due, years, sum.up.Hours()/24, sum.runs, sum.starts)
}

// figures are what a year came to.
type figures struct {
	due, runs, starts int
	up                time.Duration // with a scheduler
}

func (f *figures) add(g figures) {
	f.due, f.runs, f.starts, f.up = f.due+g.due, f.runs+g.runs, f.starts+g.starts, f.up+g.up
}

func year(t *testing.T, r *rand.Rand) (f figures) {
	o := newOrdeal(t.Context(), func(_ string, n int) int { return r.IntN(n) })
	defer o.abandon()
	acts := o.acts()
	names := slices.Sorted(maps.Keys(acts))
	for begun := time.Now(); time.Since(begun) < 365*24*time.Hour; {
		burst := time.Now()
		for range 10 + r.IntN(20) {
			name := names[r.IntN(len(names))]
			acts[name]()
			if problems := o.judge(); len(problems) > 0 {
				t.Fatalf("after %s: %s", name, strings.Join(problems, "\n"))
			}
		}
		o.mend() // notices are tried for a day only
		if r.IntN(3) > 0 {
			pass(time.Duration(r.IntN(120)) * time.Minute)
			f.up += time.Since(burst)
			continue
		}
		f.up += time.Since(burst)
		o.abandon()
		pass(time.Duration(r.IntN(40*24)) * time.Hour)
		o.join()
		pass(time.Minute)
	}
	o.calm()
	for _, problem := range o.end() {
		t.Error(problem)
	}
	for _, spans := range o.owed {
		for _, s := range spans {
			f.due += len(s.dues(time.Now()))
		}
	}
	f.runs = len(o.records)
	for _, starts := range o.starts {
		f.starts += len(starts)
	}
	return f
}
