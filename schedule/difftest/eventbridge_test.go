package difftest

import (
	"slices"
	"testing"
	"time"

	"github.com/solocron/solocron/schedule"
)

// What EventBridge Scheduler's guide says of each field, and what we make of
// it. Both days and years are as in the guide: days of the week from 1 for
// Sunday, and one of the two day fields is ?.
//
// Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
var grammar = []struct {
	field, wildcard, expr string
	means                 func(time.Time) bool // of the minutes; nil if it is refused
	why                   string               // of what the guide doesn't say
}{
	{"minutes", ",", "cron(5,50 0 1 1 ? *)", at(1, 1, func(t time.Time) bool { return t.Hour() == 0 && (t.Minute() == 5 || t.Minute() == 50) }), ""},
	{"minutes", "-", "cron(5-7 0 1 1 ? *)", at(1, 1, func(t time.Time) bool { return t.Hour() == 0 && t.Minute() >= 5 && t.Minute() <= 7 }), ""},
	{"minutes", "*", "cron(* 0 1 1 ? *)", at(1, 1, func(t time.Time) bool { return t.Hour() == 0 }), ""},
	{"minutes", "/", "cron(1/10 0 1 1 ? *)", at(1, 1, func(t time.Time) bool { return t.Hour() == 0 && t.Minute()%10 == 1 }), ""},
	{"minutes", "? L W #", "cron(? 0 1 1 ? *)", nil, ""},
	{"minutes", "*/n", "cron(*/10 0 1 1 ? *)", at(1, 1, func(t time.Time) bool { return t.Hour() == 0 && t.Minute()%10 == 0 }), "read as 0/n; never written into a schedule at AWS"},
	{"hours", ",", "cron(0 5,20 1 1 ? *)", at(1, 1, func(t time.Time) bool { return t.Minute() == 0 && (t.Hour() == 5 || t.Hour() == 20) }), ""},
	{"hours", "-", "cron(0 20-2 1 1 ? *)", at(1, 1, func(t time.Time) bool { return t.Minute() == 0 && (t.Hour() >= 20 || t.Hour() <= 2) }), ""},
	{"hours", "*", "cron(0 * 1 1 ? *)", at(1, 1, func(t time.Time) bool { return t.Minute() == 0 }), ""},
	{"hours", "/", "cron(0 2/9 1 1 ? *)", at(1, 1, func(t time.Time) bool { return t.Minute() == 0 && t.Hour()%9 == 2 }), ""},
	{"day of month", ",", "cron(0 0 1,31 * ? *)", midnight(func(t time.Time) bool { return t.Day() == 1 || t.Day() == 31 }), ""},
	{"day of month", "-", "cron(0 0 28-30 * ? *)", midnight(func(t time.Time) bool { return t.Day() >= 28 && t.Day() <= 30 }), ""},
	{"day of month", "*", "cron(0 0 * * ? *)", midnight(func(time.Time) bool { return true }), ""},
	{"day of month", "?", "cron(0 0 ? * * *)", midnight(func(time.Time) bool { return true }), ""},
	{"day of month", "/", "cron(0 0 2/9 * ? *)", midnight(func(t time.Time) bool { return t.Day()%9 == 2 }), ""},
	{"day of month", "L", "cron(0 0 L * ? *)", midnight(func(t time.Time) bool { return t.AddDate(0, 0, 1).Day() == 1 }), ""},
	{"day of month", "W", "cron(0 0 3W * ? *)", midnight(nearThird), ""},
	{"day of month", "LW", "cron(0 0 LW * ? *)", midnight(lastWorkday), "Quartz's, whose grammar it is"},
	{"day of month", "L-n", "cron(0 0 L-3 * ? *)", nil, ""},
	{"day of month", "#", "cron(0 0 3#2 * ? *)", nil, ""},
	{"month", ",", "cron(0 0 1 JAN,12 ? *)", midnight(func(t time.Time) bool { return t.Day() == 1 && (t.Month() == 1 || t.Month() == 12) }), ""},
	{"month", "-", "cron(0 0 1 2-APR ? *)", midnight(func(t time.Time) bool { return t.Day() == 1 && t.Month() >= 2 && t.Month() <= 4 }), ""},
	{"month", "*", "cron(0 0 1 * ? *)", midnight(func(t time.Time) bool { return t.Day() == 1 }), ""},
	{"month", "/", "cron(0 0 1 2/5 ? *)", midnight(func(t time.Time) bool { return t.Day() == 1 && t.Month()%5 == 2 }), ""},
	{"month", "? L W #", "cron(0 0 1 ? ? *)", nil, ""},
	{"day of week", ",", "cron(0 0 ? * 1,FRI *)", midnight(func(t time.Time) bool { return t.Weekday() == time.Sunday || t.Weekday() == time.Friday }), ""},
	{"day of week", "-", "cron(0 0 ? * 2-6 *)", midnight(func(t time.Time) bool { return t.Weekday() != time.Sunday && t.Weekday() != time.Saturday }), ""},
	{"day of week", "L", "cron(0 0 ? * 6L *)", midnight(func(t time.Time) bool { return t.Weekday() == time.Friday && t.AddDate(0, 0, 7).Month() != t.Month() }), ""},
	{"day of week", "L alone", "cron(0 0 ? * L *)", midnight(func(t time.Time) bool { return t.Weekday() == time.Saturday }), "Quartz's: the last day of the week"},
	{"day of week", "#", "cron(0 0 ? * 3#2 *)", midnight(func(t time.Time) bool { return t.Weekday() == time.Tuesday && t.Day() > 7 && t.Day() <= 14 }), ""},
	{"day of week", "# twice", "cron(0 0 ? * 3#2,4#1 *)", nil, ""},
	{"day of week", "/", "cron(0 0 ? * 2/2 *)", nil, ""},
	{"day of week", "W", "cron(0 0 ? * 3W *)", nil, ""},
	{"year", ",", "cron(0 0 1 1 ? 2025,2028)", at(1, 1, func(t time.Time) bool { return t.Hour()+t.Minute() == 0 && t.Year() == 2028 }), ""},
	{"year", "-", "cron(0 0 1 1 ? 2026-2028)", at(1, 1, func(t time.Time) bool { return t.Hour()+t.Minute() == 0 && t.Year() <= 2028 }), ""},
	{"year", "/", "cron(0 0 1 1 ? 2024/2)", at(1, 1, func(t time.Time) bool { return t.Hour()+t.Minute() == 0 && t.Year()%2 == 0 }), ""},
	{"year", "none", "cron(0 0 1 1 ?)", nil, ""},
	{"year", "1969", "cron(0 0 1 1 ? 1969)", nil, ""},
	{"both days", "* *", "cron(0 0 * * * *)", nil, ""},
	{"both days", "? ?", "cron(0 0 ? * ? *)", nil, ""},
	{"both days", "values", "cron(0 0 1 * 2 *)", nil, ""},
	{"rate", "plural", "rate(12 hours)", func(t time.Time) bool { return t.Hour()%12+t.Minute() == 0 }, ""},
	{"rate", "singular", "rate(1 day)", midnight(func(time.Time) bool { return true }), ""},
	{"rate", "wrong number", "rate(1 days)", nil, ""},
	{"rate", "seconds", "rate(30 seconds)", nil, ""},
	{"at", "local time", "at(2028-02-29T23:59:00)", at(2, 29, func(t time.Time) bool { return t.Hour() == 23 && t.Minute() == 59 }), ""},
	{"at", "with a zone", "at(2026-02-28T23:59:00Z)", nil, ""},
}

func at(m time.Month, d int, clock func(time.Time) bool) func(time.Time) bool {
	return func(t time.Time) bool { return t.Month() == m && t.Day() == d && clock(t) }
}

func midnight(day func(time.Time) bool) func(time.Time) bool {
	return func(t time.Time) bool { return t.Hour()+t.Minute() == 0 && day(t) }
}

func workday(t time.Time) bool { return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday }

// nearThird: Friday the 2nd if the 3rd is a Saturday, Monday the 4th if it is a
// Sunday.
func nearThird(t time.Time) bool {
	return t.Day() == 3 && workday(t) || t.Day() == 2 && t.Weekday() == time.Friday || t.Day() == 4 && t.Weekday() == time.Monday
}

func lastWorkday(t time.Time) bool {
	for later := t.AddDate(0, 0, 1); later.Month() == t.Month(); later = later.AddDate(0, 0, 1) {
		if workday(later) {
			return false
		}
	}
	return workday(t)
}

// TestEventBridge asks each row of the table about every minute of fifteen months.
func TestEventBridge(t *testing.T) {
	t.Parallel()
	first, end := time.Date(2027, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2029, 2, 1, 0, 0, 0, 0, time.UTC)
	total := 0
	for _, row := range grammar {
		s, err := schedule.Parse(schedule.Spec{Expr: row.expr})
		if (err == nil) != (row.means != nil) {
			t.Errorf("%s %s: %s: %v", row.field, row.wildcard, row.expr, err)
		}
		if err != nil || row.means == nil {
			continue
		}
		var want []time.Time
		for minute := first; minute.Before(end); minute = minute.Add(time.Minute) {
			if row.means(minute) {
				want = append(want, minute)
			}
		}
		if got := slices.Collect(s.Between(first.Add(-1), end.Add(-1))); !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("%s %s: %s is due %d times in fifteen months, and should be %d times", row.field, row.wildcard, row.expr, len(got), len(want))
		}
		total += len(want)
	}
	t.Logf("EventBridge: %d rows, %d due times compared", len(grammar), total)
}
