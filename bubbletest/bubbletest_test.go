package bubbletest

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Without one processor this ends the process within seconds if the race detector is
// in, as make test has it.
func TestFunctionTimersUnderTheRaceDetector(t *testing.T) {
	for range 15 {
		Test(t, func(t *testing.T) {
			began := time.Now()
			var all sync.WaitGroup
			for range 64 {
				all.Go(func() {
					for k := range 200 {
						fired := make(chan struct{})
						time.AfterFunc(time.Duration(k%3)*time.Millisecond, func() { close(fired) })
						<-fired
					}
				})
			}
			all.Wait()
			if passed := time.Since(began); passed != 199*time.Millisecond {
				t.Errorf("%v of fake time have passed", passed)
			}
		})
	}
}

// As many processors as before are there again once the last bubble is gone.
func TestHold(t *testing.T) {
	before := runtime.GOMAXPROCS(3)
	defer runtime.GOMAXPROCS(before)
	var s single
	first, second := s.hold(), s.hold()
	for _, step := range []struct {
		release func()
		want    int
	}{{func() {}, 1}, {first, 1}, {second, 3}} {
		step.release()
		if got := runtime.GOMAXPROCS(0); got != step.want {
			t.Errorf("%d processors, want %d", got, step.want)
		}
	}
}
