package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseAWS reads the three expressions of EventBridge Scheduler. What its guide
// leaves open is read as Quartz reads it, whose grammar AWS took over.
//
// Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
func parseAWS(head, args string) (calendar, int64, error) {
	var c calendar
	var period int64
	var err error
	switch head {
	case "cron":
		c, err = parseCron(args)
	case "rate":
		period, err = parseRate(args)
	case "at":
		c, err = parseAt(args)
	default:
		err = fmt.Errorf("unknown %s(); use cron(...), rate(...) or at(...), in lower case", head)
	}
	return c, period, err
}

func parseCron(text string) (calendar, error) {
	words := strings.Fields(text)
	if len(words) != len(awsFields) {
		hint := ""
		if len(words) == len(awsFields)-1 {
			hint = "; for every year write * at the end"
		}
		return calendar{}, fmt.Errorf("%d fields; want 6 (minute hour day month weekday year)%s", len(words), hint)
	}
	var sets [len(awsFields)]set
	var errs []error
	for i, word := range words {
		if i == 2 || i == 4 {
			continue
		}
		var err error
		sets[i], err = awsFields[i].parse(word, "")
		errs = append(errs, err)
	}
	days, err := parseDays(words[2], words[4])
	errs = append(errs, err)
	return calendar{
		second: 1,
		minute: sets[0][0],
		hour:   sets[1][0],
		days:   days,
		month:  sets[3][0],
		year:   sets[5],
		wild:   starred(words[0]) || starred(words[1]),
	}, errors.Join(errs...)
}

// starred also knows 0/n, as AWS's guide writes the crontab's */n.
func starred(word string) bool {
	return strings.HasPrefix(word, "*") || strings.HasPrefix(word, "0/")
}

// parseDays reads the two day fields, of which one must be ?.
func parseDays(month, week string) (days, error) {
	switch {
	case month == "?" && week == "?":
		return days{}, errors.New("day of month and day of week are both ?; write * for one of them")
	case month != "?" && week != "?":
		return days{}, fmt.Errorf("day of month %q and day of week %q: one of them must be ?; for either day use two jobs", month, week)
	case week == "?":
		d, err := parseMonthDays(month)
		if err != nil {
			err = awsFields[2].refuse(month, err)
		}
		return d, err
	default:
		d, err := parseWeekDays(week)
		if err != nil {
			err = awsFields[4].refuse(week, err)
		}
		return d, err
	}
}

func parseMonthDays(text string) (days, error) {
	d := days{month: everyDay, week: everyWeekday}
	n, isNearest := strings.CutSuffix(text, "W")
	var err error
	switch {
	case text == "L":
		d.special = lastDay
	case text == "LW":
		d.special = lastWeekday
	case isNearest:
		d.special = nearestWeekday
		d.n, err = awsFields[2].value(n)
	case strings.ContainsAny(text, "LW"):
		err = errors.New("what has an L or a W stands alone; use a job for each")
	default:
		var s set
		s, err = awsFields[2].list(text, "")
		d.month = uint32(s[0])
	}
	return d, err
}

func parseWeekDays(text string) (days, error) {
	d := days{month: everyDay}
	f := &awsFields[4]
	name, nth, isNth := strings.Cut(text, "#")
	last, isLast := strings.CutSuffix(text, "L")
	var err error
	switch {
	case text == "L":
		d.week = 1 << time.Saturday
	case isNth:
		d.special = nthInMonth
		d.week, err = f.weekday(name)
		if len(nth) != 1 || nth < "1" || nth > "5" {
			return d, fmt.Errorf("#%s: use #1 to #5, and a job for each", nth)
		}
		d.n = int(nth[0] - '0')
	case isLast:
		d.special = lastInMonth
		d.week, err = f.weekday(last)
	case strings.Contains(text, "/"):
		err = errors.New("AWS has no steps here; list the days, as in MON,WED,FRI")
	default:
		var s set
		s, err = f.list(text, "")
		d.week = uint8(s[0])
	}
	return d, err
}

func (f *field) weekday(text string) (uint8, error) {
	v, err := f.value(text)
	if err != nil {
		return 0, err
	}
	return 1 << (v - f.zero), nil
}

// parseRate reads "1 minute" or "5 minutes"; AWS insists on the right number.
func parseRate(text string) (int64, error) {
	count, unit, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(count, 10, 32)
	singular := strings.TrimSuffix(unit, "s")
	seconds := map[string]int64{"minute": 60, "hour": 3600, "day": day}[singular]
	switch {
	case err != nil || n < 1 || seconds == 0:
		return 0, errors.New(`want a whole number and minutes, hours or days, as in rate(5 minutes)`)
	case n == 1 && unit != singular:
		return 0, fmt.Errorf("write rate(1 %s)", singular)
	case n > 1 && unit == singular:
		return 0, fmt.Errorf("write rate(%d %ss)", n, singular)
	}
	return bounded(n * seconds)
}

// parseAt reads a single local time.
func parseAt(text string) (calendar, error) {
	t, err := time.Parse("2006-01-02T15:04:05", text)
	if err != nil || t.Nanosecond() != 0 || len(text) != 19 {
		return calendar{}, errors.New(`want a local time such as at(2026-12-24T18:00:00); the zone is the key "timezone"`)
	}
	if t.Year() < firstYear || t.Year() > lastYear {
		return calendar{}, fmt.Errorf("year %d is out of range; use %d-%d", t.Year(), firstYear, lastYear)
	}
	c := calendar{
		second: 1 << t.Second(),
		minute: 1 << t.Minute(),
		hour:   1 << t.Hour(),
		days:   days{month: 1 << t.Day(), week: everyWeekday},
		month:  1 << (t.Month() - 1),
		once:   true,
	}
	c.year.add(t.Year() - firstYear)
	return c, nil
}
