package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// except holds the dates that are left out.
type except struct {
	yearly [13]uint32    // by month; days as bits 1 to 31
	months []exceptMonth // in order, each month once
}

type exceptMonth struct {
	month int // counted from the year 0
	days  uint32
}

// in returns the excepted days of a month as bits 1 to 31.
func (e *except) in(y int, m time.Month) uint32 {
	if e == nil {
		return 0
	}
	days := e.yearly[m]
	if i, ok := e.find(y*12 + int(m) - 1); ok {
		days |= e.months[i].days
	}
	return days
}

func (e *except) find(month int) (int, bool) {
	return slices.BinarySearchFunc(e.months, month, func(m exceptMonth, want int) int { return m.month - want })
}

// has reports whether the date of a local time is excepted.
func (e *except) has(local int64) bool {
	y, m, d := time.Unix(local, 0).UTC().Date()
	return e.in(y, m)>>d&1 != 0
}

func floorDay(local int64) int64 {
	if local < 0 {
		local -= day - 1
	}
	return local / day * day
}

// parseExcept returns nil for no dates.
func parseExcept(texts []string) (*except, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	e := &except{}
	var errs []error
	for _, text := range texts {
		if err := e.add(strings.TrimSpace(text)); err != nil {
			errs = append(errs, fmt.Errorf("except %q: %w", text, err))
		}
	}
	return e, errors.Join(errs...)
}

// add reads a date or a range of dates, of one year or of every year.
func (e *except) add(text string) error {
	low, high, ranged := strings.Cut(text, "..")
	if !ranged {
		high = low
	}
	first, yearly, err := parseDate(low)
	if err != nil {
		return err
	}
	last, alsoYearly, err := parseDate(high)
	switch {
	case err != nil:
		return err
	case yearly != alsoYearly:
		return errors.New("give both ends of the range a year, or none")
	case yearly && last.Before(first): // over New Year
		e.addDays(first, time.Date(leapYear, 12, 31, 0, 0, 0, 0, time.UTC), true)
		first = time.Date(leapYear, 1, 1, 0, 0, 0, 0, time.UTC)
	case last.Before(first):
		return fmt.Errorf("the range ends before it begins; write %s..%s", high, low)
	}
	e.addDays(first, last, yearly)
	return nil
}

// leapYear stands for every year: it has all days.
const leapYear = 2000

// parseDate reads 2026-12-25, or 12-25 for every year.
func parseDate(text string) (date time.Time, yearly bool, err error) {
	if date, err := time.Parse(time.DateOnly, fmt.Sprintf("%d-%s", leapYear, text)); err == nil {
		return date, true, nil
	}
	date, err = time.Parse(time.DateOnly, text)
	if err != nil {
		return date, false, fmt.Errorf("%q is no date; write 2026-12-25, 12-25 for every year, or a range such as 12-24..12-26", text)
	}
	if date.Year() < firstYear || date.Year() > lastYear {
		return date, false, fmt.Errorf("year %d is out of range; use %d-%d", date.Year(), firstYear, lastYear)
	}
	return date, false, nil
}

func (e *except) addDays(first, last time.Time, yearly bool) {
	for ; !last.Before(first); first = first.AddDate(0, 0, 1) {
		y, m, d := first.Date()
		if yearly {
			e.yearly[m] |= 1 << d
			continue
		}
		month := y*12 + int(m) - 1
		i, ok := e.find(month)
		if !ok {
			e.months = slices.Insert(e.months, i, exceptMonth{month: month})
		}
		e.months[i].days |= 1 << d
	}
}
