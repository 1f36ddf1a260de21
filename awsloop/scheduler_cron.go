package awsloop

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cron is a cron() expression of EventBridge Scheduler. It accepts what the
// guide documents and nothing else (no LW, L-3, */5, MON#2, 8-18/2), so that
// who passes here doesn't rest on AWS's good nature. It is written for this
// package alone, as a second opinion on package schedule.
//
// Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based
type cron struct {
	minutes, hours, months, years []int // sorted
	days                          func(time.Time) bool
}

// column is one of cron's fields. A range may run over the end (20-2 hours is
// a documented example), but for the years.
type column struct {
	name     string
	min, max int
	names    []string // for min, min+1, …
	plain    bool     // has no steps
}

var (
	minuteColumn  = column{name: "minutes", max: 59}
	hourColumn    = column{name: "hours", max: 23}
	dayColumn     = column{name: "day-of-month", min: 1, max: 31}
	monthColumn   = column{name: "month", min: 1, max: 12, names: strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")}
	weekdayColumn = column{name: "day-of-week", min: 1, max: 7, names: strings.Fields("SUN MON TUE WED THU FRI SAT"), plain: true}
	yearColumn    = column{name: "year", min: 1970, max: 2199}
)

// parseCron reads what stands between cron's parentheses.
func parseCron(text string) (*cron, error) {
	fields := strings.Fields(text)
	if len(fields) != 6 {
		return nil, fmt.Errorf("cron(%s) has %d fields, not 6", text, len(fields))
	}
	var c cron
	for _, f := range []struct {
		to     *[]int
		column column
		text   string
	}{
		{&c.minutes, minuteColumn, fields[0]},
		{&c.hours, hourColumn, fields[1]},
		{&c.months, monthColumn, fields[3]},
		{&c.years, yearColumn, fields[5]},
	} {
		var err error
		if *f.to, err = f.column.values(f.text); err != nil {
			return nil, err
		}
	}
	var err error
	c.days, err = parseDays(fields[2], fields[4])
	return &c, err
}

// parseDays reads the two columns for days, of which exactly one is ?.
func parseDays(ofMonth, ofWeek string) (func(time.Time) bool, error) {
	switch {
	case (ofMonth == "?") == (ofWeek == "?"):
		return nil, fmt.Errorf("exactly one of day-of-month %q and day-of-week %q must be ?", ofMonth, ofWeek)
	case ofWeek == "?":
		return parseMonthDays(ofMonth)
	default:
		return parseWeekDays(ofWeek)
	}
}

func parseMonthDays(text string) (func(time.Time) bool, error) {
	if text == "L" {
		return func(t time.Time) bool { return t.Day() == lastDay(t) }, nil
	}
	if number, ok := strings.CutSuffix(text, "W"); ok {
		day, err := dayColumn.value(number)
		return func(t time.Time) bool { return t.Day() == workday(t, day) }, err
	}
	days, err := dayColumn.values(text)
	return func(t time.Time) bool { return slices.Contains(days, t.Day()) }, err
}

func parseWeekDays(text string) (func(time.Time) bool, error) {
	if text == "L" { // the last day of the week
		return func(t time.Time) bool { return t.Weekday() == time.Saturday }, nil
	}
	if number, ok := strings.CutSuffix(text, "L"); ok {
		day, err := weekdayColumn.number(number)
		return func(t time.Time) bool { return weekday(t) == day && t.Day() > lastDay(t)-7 }, err
	}
	if number, nth, ok := strings.Cut(text, "#"); ok {
		day, err := weekdayColumn.number(number)
		n, nthErr := column{name: "day-of-week #", min: 1, max: 5}.number(nth)
		if err == nil {
			err = nthErr
		}
		return func(t time.Time) bool { return weekday(t) == day && (t.Day()+6)/7 == n }, err
	}
	days, err := weekdayColumn.values(text)
	return func(t time.Time) bool { return slices.Contains(days, weekday(t)) }, err
}

// weekday counts from Sunday = 1.
func weekday(t time.Time) int { return int(t.Weekday()) + 1 }

func lastDay(t time.Time) int {
	return time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// workday is the day from Monday to Friday nearest to the given one, in the
// same month; 0 if the month is too short for the given one.
func workday(t time.Time, day int) int {
	last := lastDay(t)
	switch weekday := time.Date(t.Year(), t.Month(), day, 0, 0, 0, 0, time.UTC).Weekday(); {
	case day > last:
		return 0
	case weekday == time.Saturday && day == 1:
		return day + 2
	case weekday == time.Saturday:
		return day - 1
	case weekday == time.Sunday && day == last:
		return day - 2
	case weekday == time.Sunday:
		return day + 1
	}
	return day
}

// values reads a list of values, ranges and steps.
func (c column) values(text string) ([]int, error) {
	var all []int
	for item := range strings.SplitSeq(text, ",") {
		from, to, step, err := c.item(item)
		if err != nil {
			return nil, err
		}
		for v := from; v <= to; v += step {
			all = append(all, c.min+(v-c.min)%(c.max-c.min+1))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// item reads one item of a list; a range over the end has a to above max.
func (c column) item(text string) (from, to, step int, err error) {
	if text == "*" {
		return c.min, c.max, 1, nil
	}
	if first, every, ok := strings.Cut(text, "/"); ok && !c.plain {
		if from, err = c.value(first); err != nil {
			return 0, 0, 0, err
		}
		step, err = column{name: c.name + " step", min: 1, max: c.max}.number(every)
		return from, c.max, step, err
	}
	first, last, ranged := strings.Cut(text, "-")
	if from, err = c.value(first); err != nil || !ranged {
		return from, from, 1, err
	}
	if to, err = c.value(last); err != nil {
		return 0, 0, 0, err
	}
	if to < from {
		if c.name == yearColumn.name {
			return 0, 0, 0, fmt.Errorf("%s %q ends before it begins", c.name, text)
		}
		to += c.max - c.min + 1
	}
	return from, to, 1, nil
}

// value reads a number or a name.
func (c column) value(text string) (int, error) {
	if i := slices.Index(c.names, text); i >= 0 {
		return c.min + i, nil
	}
	return c.number(text)
}

func (c column) number(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < c.min || n > c.max || strings.Trim(text, "0123456789") != "" {
		return 0, fmt.Errorf("%s %q is not in %d-%d", c.name, text, c.min, c.max)
	}
	return n, nil
}

// next returns the first due time after t by the clocks of zone. A local time
// that the clocks jump over is skipped; one that they show twice is due once,
// the first time. So says the guide for daily times; of the minutes within a
// repeated hour it says nothing else.
func (c *cron) next(t time.Time, zone *time.Location) (time.Time, bool) {
	local := t.In(zone)
	// From the day before: clocks set back over midnight repeat a part of it.
	day := time.Date(local.Year(), local.Month(), local.Day()-1, 0, 0, 0, 0, time.UTC)
	for ; day.Year() <= yearColumn.max; day = day.AddDate(0, 0, 1) {
		if !c.matches(day) {
			continue
		}
		var due time.Time // clocks set back may put a later local time first
		for _, hour := range c.hours {
			for _, minute := range c.minutes {
				at, exists := instant(day.Add(time.Duration(hour)*time.Hour+time.Duration(minute)*time.Minute), zone)
				if exists && at.After(t) && (due.IsZero() || at.Before(due)) {
					due = at
				}
			}
		}
		if !due.IsZero() {
			return due, true
		}
	}
	return time.Time{}, false
}

func (c *cron) matches(day time.Time) bool {
	return slices.Contains(c.years, day.Year()) && slices.Contains(c.months, int(day.Month())) && c.days(day)
}

// instant returns when the clocks of zone first show what wall shows in UTC.
func instant(wall time.Time, zone *time.Location) (time.Time, bool) {
	const around = 24 * time.Hour // no zone changes its clocks twice so fast
	_, before := wall.Add(-around).In(zone).Zone()
	_, after := wall.Add(around).In(zone).Zone()
	// The larger offset makes the earlier instant.
	for _, offset := range []int{max(before, after), min(before, after)} {
		at := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if _, actual := at.Zone(); actual == offset {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}
