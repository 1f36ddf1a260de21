package dispatch

import (
	"flag"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/solocron/solocron/bubbletest"
)

func init() {
	for name, value := range map[string]string{"rapid.checks": "60", "rapid.steps": "30", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
}

// TestAnything lets anything happen to real schedulers, in any order and at any
// time, and judges after each step. What goes wrong is told as the shortest
// story that rapid finds. -rapid.checks=5000 tells more of them.
func TestAnything(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that a story mostly comes to the same again
	rapid.Check(t, func(rt *rapid.T) {
		if problems := story(t, rt); len(problems) > 0 {
			rt.Logf("%s", strings.Join(problems, "\n"))
			rt.Fatalf("the promise is broken") // always the same, so that rapid knows it again
		}
	})
}

// story lives one story in a bubble of its own, until its end or the first
// problem. rapid's own panics, by which it leaves a story that makes no sense,
// go through.
func story(t *testing.T, rt *rapid.T) (problems []string) {
	type over struct{}
	var left any
	bubbletest.Test(t, func(t *testing.T) {
		defer func() { left = recover() }()
		o := newOrdeal(t.Context(), func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(rt, label) })
		defer o.abandon()
		acts := map[string]func(*rapid.T){"": func(*rapid.T) {
			if problems = o.judge(); len(problems) > 0 {
				panic(over{})
			}
		}}
		for name, act := range o.acts() {
			acts[name] = func(*rapid.T) { act() }
		}
		rt.Repeat(acts)
		o.calm()
		problems = o.end()
	})
	if _, told := left.(over); left != nil && !told {
		panic(left)
	}
	return problems
}

// abandon ends what is left of an ordeal.
func (o *ordeal) abandon() {
	for _, m := range o.up {
		m.ledger.die()
		m.end()
	}
	o.up = nil
}
