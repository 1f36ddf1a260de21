package schedule

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// cronTimer is a cron() of EventBridge Scheduler: a set for each of its fields.
// One of the two fields for days is a ?.
type cronTimer struct {
	sets [len(awsFields)]set
	day  int    // the field that days are asked for in: dates or weekdays
	word string // what stands there, if not the set: L, 15W, 6L or 6#2
}

// The fields.
const (
	minutes = iota
	hours
	dates
	months
	weekdayField
	years
)

// crons are the timers that ring at all times of the calendar, by its own
// clock.
func (c *calendar) crons() []cronTimer {
	list := c.days.crons()
	for i := range list {
		sets := &list[i].sets
		sets[minutes][0], sets[hours][0], sets[months][0], sets[years] = c.minute, c.hour, c.month, c.year
	}
	return list
}

// crons fill in the days alone. A day that both fields have to agree on can't
// be asked for, so the rarer of them is.
func (d *days) crons() []cronTimer {
	byDate, byWeekday := dated(d.month), weekly(d.week)
	anyDate, anyWeekday := d.month == everyDay, d.week == everyWeekday
	switch {
	case d.special != "":
		return []cronTimer{d.specialCron()}
	case d.either && (anyDate || anyWeekday), anyDate && anyWeekday:
		return []cronTimer{dated(everyDay)}
	case d.either:
		return []cronTimer{byDate, byWeekday}
	case anyDate, !anyWeekday && bits.OnesCount8(d.week)*30 < bits.OnesCount32(d.month)*7:
		return []cronTimer{byWeekday}
	}
	return []cronTimer{byDate}
}

func dated(days uint32) cronTimer { return cronTimer{sets: [6]set{dates: {uint64(days)}}, day: dates} }

func weekly(week uint8) cronTimer {
	return cronTimer{sets: [6]set{weekdayField: {uint64(week)}}, day: weekdayField}
}

// specialCron has a set beside the word, which holds all days that may be
// meant.
func (d *days) specialCron() cronTimer {
	var c cronTimer
	weekday := bits.TrailingZeros8(d.week) + 1
	switch d.special {
	case lastDay:
		c = dated(dateRange(28, 31))
		c.word = "L"
	case lastWeekday:
		c = dated(dateRange(26, 31))
	case nearestWeekday:
		c = dated(dateRange(d.n-2, d.n+2))
		if d.n > 1 && d.n < 28 { // else AWS doesn't say what comes of the month's ends
			c.word = fmt.Sprintf("%dW", d.n)
		}
	case nthInMonth:
		c = weekly(d.week)
		c.word = fmt.Sprintf("%d#%d", weekday, d.n)
	case lastInMonth:
		c = weekly(d.week)
		c.word = fmt.Sprintf("%dL", weekday)
	}
	return c
}

// dateRange has the dates from first to last that a month can have.
func dateRange(first, last int) uint32 {
	return uint32(1<<(last+1)-1<<max(first, 1)) & everyDay
}

// ringing is the timer, in UTC, of a period of so many minutes since
// 1970-01-01, which was a Thursday.
func ringing(period int64) cronTimer {
	c := dated(everyDay)
	if period%(7*24*60) == 0 {
		c = weekly(1 << time.Thursday)
	}
	for m := int64(0); m < 60; m += divisor(period, 60) {
		c.sets[minutes].add(int(m))
	}
	hour := int64(1)
	if period%60 == 0 {
		hour = divisor(period/60, 24)
	}
	for h := int64(0); h < 24; h += hour {
		c.sets[hours].add(int(h))
	}
	c.sets[months][0], c.sets[years] = everyMonth, everyYear
	return c
}

const everyMonth = 1<<12 - 1

// divisor is the greatest that a and b have in common.
func divisor(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// maxExpr is how long EventBridge Scheduler lets an expression be.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
const maxExpr = 256

// String is the expression. Where it would be too long, its longest fields name
// no more than their first and last value.
func (c cronTimer) String() string {
	var words [len(awsFields)]string
	for i := range words {
		switch {
		case i == c.day && c.word != "":
			words[i] = c.word
		case (i == dates || i == weekdayField) && i != c.day:
			words[i] = "?"
		default:
			words[i] = awsFields[i].items(c.sets[i])
		}
	}
	for {
		text := "cron(" + strings.Join(words[:], " ") + ")"
		if len(text) <= maxExpr {
			return text
		}
		longest := 0
		for i := range words {
			if len(words[i]) > len(words[longest]) {
				longest = i
			}
		}
		values := awsFields[longest].values(c.sets[longest])
		words[longest] = between(values[0], values[len(values)-1])
	}
}

func (f *field) values(s set) []int {
	var all []int
	for v := f.min; v <= f.max; v++ {
		if s.has(v - f.zero) {
			all = append(all, v)
		}
	}
	return all
}

// items writes a set in AWS's grammar: as *, as a/n if it runs on to the end,
// or as values and ranges.
func (f *field) items(s set) string {
	values := f.values(s)
	n := len(values)
	if n == f.max-f.min+1 {
		return "*"
	}
	if step, ok := f.stepped(values); ok {
		return fmt.Sprintf("%d/%d", values[0], step)
	}
	var items []string
	for i := 0; i < n; {
		last := i
		for last+1 < n && values[last+1] == values[last]+1 {
			last++
		}
		if last == i+1 {
			last = i // 1,2 and not 1-2
		}
		items = append(items, between(values[i], values[last]))
		i = last + 1
	}
	return strings.Join(items, ",")
}

// stepped reports whether the values are a/n. Weekdays know no steps.
func (f *field) stepped(values []int) (step int, ok bool) {
	n := len(values)
	if n < 2 || f.max == 7 {
		return 0, false
	}
	step = values[1] - values[0]
	for i := range values[1:] {
		if values[i+1]-values[i] != step {
			return 0, false
		}
	}
	return step, step > 1 && values[n-1]+step > f.max && (n > 2 || values[0] == 0)
}
