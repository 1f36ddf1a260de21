package schedule

import "math/bits"

// inUTC widens a timer of local times so that it rings, in UTC, at each of
// them for each of the offsets, which are whole minutes. The outcome is the
// product of its fields again, so it may ring in between.
func (c cronTimer) inUTC(offsets []int64) cronTimer {
	out := cronTimer{day: c.day}
	var carries [3]bool // to the day before, none, to the day after
	for _, offset := range offsets {
		for _, hour := range awsFields[hours].values(c.sets[hours]) {
			for _, minute := range awsFields[minutes].values(c.sets[minutes]) {
				m := hour*60 + minute - int(offset)/60 + 24*60
				carries[m/(24*60)] = true
				out.sets[minutes].add(m % 60)
				out.sets[hours].add(m / 60 % 24)
			}
		}
	}
	if carries == [3]bool{1: true} {
		out.word = c.word
	}
	for i, carried := range carries {
		if carried {
			out.addDays(c, i-1)
		}
	}
	return out
}

// addDays adds the days of another timer, each a day later, or earlier for -1.
func (c *cronTimer) addDays(from cronTimer, carry int) {
	edge := true // a day moves over the end of a month
	var d uint64
	switch days := from.sets[from.day][0]; {
	case carry == 0:
		d, edge = days, false
	case from.day == weekdayField:
		d = rotate(days, carry, 7)
	case carry > 0:
		edge = days>>28 != 0
		d = days << 1 & everyDay
		if edge {
			d |= 1 << 1
		}
	default:
		edge = days>>1&1 != 0
		d = days >> 1 &^ 1
		if edge {
			d |= uint64(dateRange(28, 31))
		}
	}
	c.sets[c.day][0] |= d
	c.addMonths(from, carry, edge)
}

// addMonths adds the months and years of another timer, and those beside them
// if a day moves over the end of a month.
func (c *cronTimer) addMonths(from cronTimer, carry int, edge bool) {
	month, year := from.sets[months][0], from.sets[years]
	c.sets[months][0] |= month
	c.sets[years].join(year, 0)
	if !edge {
		return
	}
	c.sets[months][0] |= rotate(month, carry, 12)
	last := 0 // the month at that end of the year
	if carry > 0 {
		last = 11
	}
	if month>>last&1 != 0 {
		c.sets[years].join(year, carry)
	}
}

// rotate moves the lowest n bits up by one, or down for -1.
func rotate(set uint64, by, n int) uint64 {
	return (bits.RotateLeft64(set, by) | bits.RotateLeft64(set, by-n*by)) & (1<<n - 1)
}

// join adds the values of another set, moved by some.
func (s *set) join(other set, by int) {
	for i := range lastYear - firstYear + 1 {
		if other.has(i) && i+by >= 0 && i+by <= lastYear-firstYear {
			s.add(i + by)
		}
	}
}
