package schedule

import (
	"fmt"
	"time"
)

// Change is one change of a zone's clock, and what it does to a schedule.
type Change struct {
	At     time.Time `json:"at"`     // UTC
	Before string    `json:"before"` // what the clock shows then: "2026-03-29 02:00:00 CET"
	After  string    `json:"after"`  // and what it shows instead: "2026-03-29 03:00:00 CEST"
	// Walls are the due local times that the clock jumps over or shows twice,
	// in order; the first 10 if Count is more.
	Walls []string `json:"walls"`
	Count int      `json:"count"`
	What  string   `json:"what"` // what happens to them, for people
}

const changeWalls = 10

// Changes returns the clock changes of the schedule's zone in [from, to), in
// order, also those which touch no due time.
func (s *Schedule) Changes(from, to time.Time) []Change {
	z := s.zone
	var changes []Change
	for i := 1; i < len(z.spans); i++ {
		start := z.spans[i].start
		at := time.Unix(start, 0).UTC()
		if at.Before(from) || !at.Before(to) {
			continue
		}
		c := Change{At: at, Before: z.clock(start, start-1), After: z.clock(start, start), Walls: []string{}}
		s.touched(&c, i)
		c.What = s.what(&c, i)
		changes = append(changes, c)
	}
	return changes
}

// touched fills in the due local times which the beginning of span i touches.
func (s *Schedule) touched(c *Change, i int) {
	if s.period > 0 {
		return
	}
	start := s.zone.spans[i].start
	before, after := start+s.zone.before(i), start+s.zone.spans[i].offset
	end := max(before, after)
	for w := s.calendar.next(min(before, after)); w < end; w = s.calendar.next(w + 1) {
		if c.Count++; c.Count <= changeWalls {
			c.Walls = append(c.Walls, time.Unix(w, 0).UTC().Format(time.DateTime))
		}
	}
}

func (s *Schedule) what(c *Change, i int) string {
	start := s.zone.spans[i].start
	ahead := s.zone.spans[i].offset > s.zone.before(i)
	switch {
	case s.period > 0:
		return "not touched: goes by elapsed time"
	case c.Count == 0:
		return "touches no due time"
	case ahead && s.elapsed():
		return "skipped by the clock; not made up for, as the schedule goes by elapsed time"
	case ahead && s.gap == GapNext:
		return fmt.Sprintf("skipped by the clock; runs once, at %s", c.After)
	case ahead:
		return "skipped by the clock; does not run"
	case s.fold == FoldFirst:
		return fmt.Sprintf("happens twice; runs at the first, in %s", s.zone.abbreviation(start-1))
	case s.fold == FoldLast:
		return fmt.Sprintf("happens twice; runs at the second, in %s", s.zone.abbreviation(start))
	}
	return "happens twice; runs both times"
}

// clock shows the instant t as the clock would that runs at the instant at.
func (z *zone) clock(t, at int64) string {
	return time.Unix(t+z.offset(at), 0).UTC().Format(time.DateTime) + " " + z.abbreviation(at)
}

// abbreviation names the clock at an instant: "CEST", or "+1030" for want of a
// name.
func (z *zone) abbreviation(at int64) string {
	name, _ := time.Unix(at, 0).In(z.location).Zone()
	return name
}
