package dispatch

import (
	"context"
	"testing"
	"time"

	"github.com/solocron/solocron/bubbletest"
)

func TestStartsGoFirst(t *testing.T) {
	for name, c := range map[string]struct {
		ahead   []time.Duration // when each of them has started
		gaveUp  time.Duration   // when the run's driver has to end
		waiting time.Duration
	}{
		"none ahead":    {},
		"one":           {ahead: []time.Duration{300 * time.Millisecond}, waiting: 300 * time.Millisecond},
		"the last":      {ahead: []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 200 * time.Millisecond}, waiting: 400 * time.Millisecond},
		"not for ever":  {ahead: []time.Duration{time.Hour}, waiting: holdUp},
		"it has to end": {ahead: []time.Duration{time.Hour}, gaveUp: 50 * time.Millisecond, waiting: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.gaveUp > 0 {
					time.AfterFunc(c.gaveUp, cancel)
				}
				var s starts
				for _, after := range c.ahead {
					s.begin()
					time.AfterFunc(after, s.done)
				}
				begun := time.Now()
				s.goFirst(ctx)
				if got := time.Since(begun); got != c.waiting {
					t.Errorf("waited %s, want %s", got, c.waiting)
				}
			})
		})
	}
}

// Where something is always coming due, results get their turn all the same.
func TestResultsWaitForNoLaterStart(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		var s starts
		s.begin()
		time.AfterFunc(100*time.Millisecond, s.done)
		time.AfterFunc(50*time.Millisecond, s.begin) // and never gone
		begun := time.Now()
		s.goFirst(t.Context())
		if got := time.Since(begun); got != 100*time.Millisecond {
			t.Errorf("waited %s, want 100ms", got)
		}
		s.goFirst(t.Context())
		if got := time.Since(begun); got != 100*time.Millisecond+holdUp {
			t.Errorf("in all %s, want %s more", got, holdUp)
		}
	})
}
