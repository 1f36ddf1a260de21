package schedule

import (
	"fmt"
	"time"
)

// Timer is one schedule of EventBridge Scheduler: an expression that it
// documents, in a zone.
type Timer struct {
	Expr string // "cron(30 2 * * ? *)" or "at(2026-12-24T18:00:00)"
	Zone string // IANA name
}

// Timers are what has to ring for the schedule: together they ring at every due
// time from 2026 on that [Schedule.Swept] doesn't name. They may ring more
// often, since who hears them looks at the schedule, but no more often than one
// or two plain expressions have to.
//
// No time is passed in, so a schedule that is never due again has its timers,
// too. AWS doesn't say what it makes of a past at(); don't ask for one.
//
// The error names the remedy for a schedule that minutes can't express.
//
// Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html,
// of which only the documented forms are used: six fields, a/n and no other
// steps, no LW, no more than one #.
func (s *Schedule) Timers() ([]Timer, error) {
	switch {
	case s.period%60 != 0, s.period == 0 && s.calendar.second != 1:
		return nil, fmt.Errorf("schedule %q: EventBridge keeps time by the minute; ask for whole minutes, or run the job with solocron serve", s.text)
	case s.period > 0:
		return []Timer{{ringing(s.period / 60).String(), "UTC"}}, nil
	case s.calendar.once:
		return []Timer{s.alarm()}, nil
	}
	zone, offsets := s.zone.location.String(), []int64(nil)
	if s.elapsed() {
		// The guide leaves open how often minutes of an hour that the clock shows
		// twice ring. UTC has none.
		if offsets = s.zone.offsets(installed); len(offsets) > 1 {
			zone = "UTC"
		}
	}
	var timers []Timer
	for _, c := range s.calendar.crons() {
		if len(offsets) > 1 {
			c = c.inUTC(offsets)
		}
		timers = append(timers, Timer{c.String(), zone})
	}
	return timers, nil
}

// installed is before any timer was ever made.
var installed = midnight(2026, time.January, 1)

// offsets are those which the zone's clock has from an instant on.
func (z *zone) offsets(since int64) []int64 {
	seen := map[int64]bool{}
	var all []int64
	for i := z.index(since); i < len(z.spans); i++ {
		if o := z.spans[i].offset; !seen[o] {
			seen[o] = true
			all = append(all, o)
		}
	}
	return all
}

// alarm is the timer of an at(). A local time that the clock jumps over or
// shows twice is given in UTC, as AWS doesn't say when it would come.
func (s *Schedule) alarm() Timer {
	z := s.zone
	due, _ := s.next(-1)
	local, i := s.calendar.next(0), z.index(due)
	zone := z.location.String()
	if due+z.offset(due) != local || local-z.before(i) < z.spans[i].start || local-z.after(i) >= z.end(i) {
		local, zone = due, "UTC"
	}
	return Timer{time.Unix(local, 0).UTC().Format("at(2006-01-02T15:04:05)"), zone}
}

// Swept returns the due times in [from, to) at which no timer rings, in order:
// the ends of gaps under [GapNext], and the second times of folds. EventBridge
// leaves a local time out that the clock jumps over, and rings the first time
// for one that it shows twice.
func (s *Schedule) Swept(from, to time.Time) []time.Time {
	var swept []time.Time
	if s.elapsed() || s.calendar.once {
		return nil
	}
	z := s.zone
	for i := 1; i < len(z.spans); i++ {
		start := z.spans[i].start
		before, after := start+z.before(i), start+z.spans[i].offset // local
		if start+day < from.Unix() || start >= to.Unix() {
			continue
		}
		for t := range s.Between(time.Unix(start-1, 0), time.Unix(max(start, start+before-after-1), 0)) {
			rung := before < after && s.calendar.next(after) == after
			if !rung && !t.Before(from) && t.Before(to) {
				swept = append(swept, t)
			}
		}
	}
	return swept
}
