// Package modeltest follows the start of a command, and the life of its run,
// through every order in which things can happen.
//
// A model is a state and the steps that may be taken from it. [Search] takes
// them all, breadth first, so that the first broken promise it meets is reached
// by as few steps as any, and tells them as a [Story]. Because time does not
// pass in a model, a step may be taken at once or after any number of others:
// every pause, every clock and every delay is in it.
//
// [Start] is the protocol of docs/guarantee.md around the real [run.Step].
// [Deadline] is a family of protocols that trust clocks, and what becomes of
// them. What no model knows is the shell, the kernel and the disk: those have
// their own suites.
package modeltest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// System is what can be searched. S is one state of everything; two states that
// are equal have the same future.
type System[S comparable] interface {
	// Init is where it begins.
	Init() S
	// Next calls take for every step that may be taken from s.
	Next(s S, take func(Step, S))
	// Broken says which promise a state breaks; empty if none.
	Broken(s S) string
	// Same names all states that differ in nothing but who is who by one of them.
	Same(s S) S
	// Settled reports whether the due time has a state that people can rely on.
	Settled(s S) bool
}

// Step is one thing that somebody does. What may name a host as {host} and an
// attempt as {n}.
type Step struct {
	Who, What string
	Host, N   uint8
}

// Hosts are the names of the model's hosts.
var Hosts = [...]string{"web-1", "web-2"}

func (s Step) String() string {
	words := strings.NewReplacer("{host}", Hosts[s.Host], "{n}", fmt.Sprint(s.N))
	return fmt.Sprintf("%-12s %s", words.Replace(s.Who), words.Replace(s.What))
}

// Result is what a search found.
type Result struct {
	States, Steps int    // distinct states, and steps between them
	Depth         int    // steps to the state farthest away
	Broken        string // the first promise that was broken; empty if none
	Story         Story  // the shortest way to it
	// Stranded counts the states from which no way leads to a settled one. It is
	// only counted if no promise is broken.
	Stranded int
}

// Story is a way through a model.
type Story []Step

func (s Story) String() string {
	var b strings.Builder
	for i, step := range s {
		fmt.Fprintf(&b, "%2d. %v\n", i+1, step)
	}
	return b.String()
}

// ErrLimit means that a model has more states than were allowed.
var ErrLimit = errors.New("too many states")

// Search visits every state of the system, up to a limit, or ends at the first
// that breaks a promise.
func Search[S comparable](sys System[S], limit int) (Result, error) {
	s := search[S]{sys: sys, index: map[S]int32{}}
	s.visit(sys.Init(), 0)
	for at := 0; at < len(s.states); at++ {
		if broken := sys.Broken(s.states[at]); broken != "" {
			return Result{
				States: len(s.states), Steps: len(s.to), Depth: int(s.depth[at]),
				Broken: broken, Story: s.story(int32(at)),
			}, nil
		}
		if len(s.states) > limit {
			return Result{}, fmt.Errorf("%w: above %d", ErrLimit, limit)
		}
		s.from = append(s.from, int32(len(s.to)))
		sys.Next(s.states[at], func(_ Step, next S) { s.to = append(s.to, s.visit(next, int32(at))) })
	}
	return Result{
		States: len(s.states), Steps: len(s.to), Depth: int(s.depth[len(s.depth)-1]), Stranded: s.stranded(),
	}, nil
}

// search numbers the states in the order in which they are first met.
type search[S comparable] struct {
	sys    System[S]
	index  map[S]int32
	states []S
	parent []int32
	depth  []int32
	from   []int32 // where in to the steps of a state begin
	to     []int32
}

func (s *search[S]) visit(state S, parent int32) int32 {
	same := s.sys.Same(state)
	if at, ok := s.index[same]; ok {
		return at
	}
	at := int32(len(s.states))
	s.index[same] = at
	s.states, s.parent = append(s.states, state), append(s.parent, parent)
	depth := int32(0)
	if at != 0 {
		depth = s.depth[parent] + 1
	}
	s.depth = append(s.depth, depth)
	return at
}

// story goes back from a state to the beginning.
func (s *search[S]) story(at int32) Story {
	var story Story
	for ; at != 0; at = s.parent[at] {
		var found Step
		s.sys.Next(s.states[s.parent[at]], func(step Step, next S) {
			if next == s.states[at] && found.Who == "" {
				found = step
			}
		})
		story = append(story, found)
	}
	slices.Reverse(story)
	return story
}

// stranded walks from the settled states backwards, and counts what it misses.
func (s *search[S]) stranded() int {
	count := make([]int32, len(s.states)+1)
	for _, to := range s.to {
		count[to+1]++
	}
	for i := range s.states {
		count[i+1] += count[i]
	}
	back, fill := make([]int32, len(s.to)), slices.Clone(count)
	for at := range s.states {
		end := int32(len(s.to))
		if at+1 < len(s.from) {
			end = s.from[at+1]
		}
		for _, to := range s.to[s.from[at]:end] {
			back[fill[to]] = int32(at)
			fill[to]++
		}
	}
	reached := make([]bool, len(s.states))
	var queue []int32
	for at, state := range s.states {
		if s.sys.Settled(state) {
			reached[at], queue = true, append(queue, int32(at))
		}
	}
	settled := len(queue)
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, before := range back[count[at]:count[at+1]] {
			if !reached[before] {
				reached[before], queue, settled = true, append(queue, before), settled+1
			}
		}
	}
	return len(s.states) - settled
}
