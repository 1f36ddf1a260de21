package schedule

import (
	"math/bits"
	"time"
)

const (
	day       = 24 * 60 * 60
	firstYear = 1970
	lastYear  = 2199
)

// lastSecond is the last second of 2199, local or UTC.
var lastSecond = time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix() - 1

// A calendar is a set of local times: the product of sets of seconds, minutes,
// hours, days, months and years, less the excepted dates.
//
// A local time is written as the Unix second at which a UTC clock shows it.
type calendar struct {
	second, minute, hour uint64
	days                 days
	month                uint64  // bit 0 is January
	year                 set     // bit 0 is 1970
	except               *except // nil for none

	wild bool // goes by elapsed time
	once bool // at(): a single local time
}

// forever is later than every instant and every local time.
const forever = 1 << 40

// next returns the first local time of the calendar that is not before w, or
// forever.
func (c *calendar) next(w int64) int64 {
	t := time.Unix(max(w, 0), 0).UTC()
	y, m, d := t.Date()
	if c.in(y, m)>>d&1 != 0 {
		if s, ok := c.nextClock(t.Clock()); ok {
			return midnight(y, m, d) + s
		}
	}
	for d++; y <= lastYear; d = 0 {
		if later := c.in(y, m) >> d << d; later != 0 {
			s, _ := c.nextClock(0, 0, 0)
			return midnight(y, m, bits.TrailingZeros32(later)) + s
		}
		y, m = c.nextMonth(y, m)
	}
	return forever
}

// nextMonth returns the first month after the given one that the month field
// names.
func (c *calendar) nextMonth(y int, m time.Month) (int, time.Month) {
	if later := from(c.month, int(m)); later < none {
		return y, time.Month(later + 1)
	}
	return y + 1, time.Month(from(c.month, 0) + 1)
}

// in returns the days of a month as bits 1 to 31.
func (c *calendar) in(y int, m time.Month) uint32 {
	if c.month>>(m-1)&1 == 0 || y > lastYear || !c.year.has(y-firstYear) {
		return 0
	}
	return c.days.in(y, m) &^ c.except.in(y, m)
}

// nextClock returns the first matching second of the day that is not before
// h:m:s. At 00:00:00 there always is one.
func (c *calendar) nextClock(h, m, s int) (int64, bool) {
	if c.hour>>h&1 != 0 {
		if second := from(c.second, s); c.minute>>m&1 != 0 && second < none {
			return clock(h, m, second), true
		}
		if minute := from(c.minute, m+1); minute < none {
			return clock(h, minute, from(c.second, 0)), true
		}
		h++
	}
	hour := from(c.hour, h)
	return clock(hour, from(c.minute, 0), from(c.second, 0)), hour < none
}

const none = 64

// from returns the lowest bit that is not below i, or none.
func from(bitset uint64, i int) int { return bits.TrailingZeros64(bitset >> i << i) }

func clock(h, m, s int) int64 { return int64(h*3600 + m*60 + s) }

func midnight(y int, m time.Month, d int) int64 {
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()
}

// days is a rule for the days of a month.
type days struct {
	month  uint32 // days of the month, bits 1 to 31
	week   uint8  // days of the week, bit 0 is Sunday
	either bool   // both fields are restricted: a day of one of them will do

	special special
	n       int // of nearestWeekday and nthInMonth
}

// special is what AWS's L, W and # add: it narrows the other fields.
type special string

const (
	lastDay        special = "L"
	lastWeekday    special = "LW"
	nearestWeekday special = "nW" // Monday to Friday nearest to the nth, in the same month
	nthInMonth     special = "d#n"
	lastInMonth    special = "dL"
)

const everyDay, everyWeekday = 1<<32 - 2, 1<<7 - 1

// in returns the days of a month as bits 1 to 31.
func (d *days) in(y int, m time.Month) uint32 {
	first := time.Unix(midnight(y, m, 1), 0).UTC().Weekday()
	length := monthLength(y, m)
	all := uint32(1)<<length<<1 - 2
	week := weekdays(d.week, first)
	if d.either {
		return all & (d.month | week)
	}
	return all & d.month & week & d.specials(first, length)
}

func (d *days) specials(first time.Weekday, length int) uint32 {
	switch d.special {
	case lastDay:
		return 1 << length
	case lastWeekday:
		return 1 << nearest(length, first, length)
	case nearestWeekday:
		if d.n > length {
			return 0
		}
		return 1 << nearest(d.n, first, length)
	case nthInMonth:
		return everyWeekday << (7*d.n - 6)
	case lastInMonth:
		return everyWeekday << (length - 6)
	}
	return everyDay
}

// weekdays lays out a week's days over a month that begins on first.
func weekdays(week uint8, first time.Weekday) uint32 {
	w := (uint64(week)>>first | uint64(week)<<(7-first)) & everyWeekday
	return uint32(w*(1|1<<7|1<<14|1<<21|1<<28)) << 1
}

// nearest returns the day from Monday to Friday nearest to the nth.
func nearest(n int, first time.Weekday, length int) int {
	switch weekday := (int(first) + n - 1) % 7; {
	case weekday == 6 && n == 1:
		return 3
	case weekday == 6:
		return n - 1
	case weekday == 0 && n == length:
		return n - 2
	case weekday == 0:
		return n + 1
	}
	return n
}

func monthLength(y int, m time.Month) int {
	if m != time.February {
		return 30 + int(m+m>>3)&1
	}
	if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
		return 29
	}
	return 28
}
