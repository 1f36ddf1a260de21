package awsloop

import (
	"context"
	"time"
)

// Clock is a time that starts where one likes and goes as fast as one likes,
// for schedules alone: functions see the machine's.
type Clock struct {
	start time.Time // of this clock
	real  time.Time // the same moment, by the machine
	speed float64
}

// NewClock starts a clock of which speed seconds are one of the machine's.
func NewClock(start time.Time, speed float64) *Clock {
	return &Clock{start: start, real: time.Now(), speed: speed}
}

// Now is the clock's time, in UTC.
func (c *Clock) Now() time.Time {
	return c.start.Add(time.Duration(float64(time.Since(c.real)) * c.speed)).UTC()
}

// scaled is how long d lasts by the machine.
func (c *Clock) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / c.speed)
}

// run calls fire at each time that the last call returned, and after a change.
// No time is no call until the next change.
func (c *Clock) run(ctx context.Context, changed <-chan struct{}, fire func(now time.Time) (next time.Time)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			return
		}
		timer.Stop()
		if next := fire(c.Now()); !next.IsZero() {
			timer.Reset(c.scaled(next.Sub(c.Now())))
		}
	}
}

// change tells run about it; one that wasn't seen yet is enough.
func change(changed chan struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}
