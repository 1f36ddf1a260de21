package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The oracle knows nothing of bit sets, spans and offsets: it reads the clock
// of time.Location at every minute, or second, and applies the policies to the
// list of what it saw.
type oracle struct {
	text    string
	matches func(wall time.Time) bool // wall is the local time, written as UTC
	elapsed bool
}

// dues returns the due times in (after, until].
func (o oracle) dues(location *time.Location, gap Gap, fold Fold, after, until time.Time, step time.Duration) []time.Time {
	if o.elapsed {
		gap, fold = GapSkip, FoldBoth
	}
	const margin = 3 * time.Hour // more than any clock goes back
	shown := map[int64][]time.Time{}
	var walls []time.Time // what the clock shows, step by step
	begin := after.Truncate(step).Add(-margin)
	for at := begin; at.Before(until.Add(margin)); at = at.Add(step) {
		wall := wallOf(at, location)
		walls = append(walls, wall)
		shown[wall.Unix()] = append(shown[wall.Unix()], at)
	}
	var dues []time.Time
	for wall := walls[0]; wall.Before(walls[len(walls)-1]); wall = wall.Add(step) {
		if !o.matches(wall) {
			continue
		}
		at := shown[wall.Unix()]
		switch {
		case len(at) == 0 && gap == GapNext:
			i := slices.IndexFunc(walls, wall.Before)
			at = []time.Time{begin.Add(time.Duration(i) * step)}
		case len(at) > 1 && fold == FoldFirst:
			at = at[:1]
		case len(at) > 1 && fold == FoldLast:
			at = at[len(at)-1:]
		}
		dues = append(dues, at...)
	}
	dues = slices.DeleteFunc(dues, func(at time.Time) bool { return !at.After(after) || at.After(until) })
	slices.SortFunc(dues, time.Time.Compare)
	return slices.Compact(dues)
}

func wallOf(at time.Time, location *time.Location) time.Time {
	at = at.In(location)
	y, mo, d := at.Date()
	h, m, s := at.Clock()
	return time.Date(y, mo, d, h, m, s, 0, time.UTC)
}

// list is one generated field: its text, and the values that it means.
type list struct {
	text   string
	values map[int]bool
}

func (l list) starred() bool { return l.text[0] == '*' }

// drawList makes a field of the values low to high.
func drawList(t *rapid.T, name string, low, high int) list {
	l := list{values: map[int]bool{}}
	var items []string
	for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, name+" items") {
		from := rapid.IntRange(low, high).Draw(t, name+" from")
		to := rapid.IntRange(from, high).Draw(t, name+" to")
		step := rapid.IntRange(1, max(1, high/2)).Draw(t, name+" step")
		var text string
		switch rapid.IntRange(0, 4).Draw(t, name+" kind") {
		case 0:
			text, from, to, step = "*", low, high, 1
		case 1:
			text, from, to = fmt.Sprintf("*/%d", step), low, high
		case 2:
			text, to = fmt.Sprint(from), from
		case 3:
			text, step = fmt.Sprintf("%d-%d", from, to), 1
		case 4:
			text = fmt.Sprintf("%d-%d/%d", from, to, step)
		}
		for v := from; v <= to; v += step {
			l.values[v] = true
		}
		items = append(items, text)
	}
	l.text = strings.Join(items, ",")
	return l
}

func every(low, high int) list {
	l := list{text: "*", values: map[int]bool{}}
	for v := low; v <= high; v++ {
		l.values[v] = true
	}
	return l
}

// drawCrontab makes a line; half of them ask for every day, and half of them for
// an hour near the given one.
func drawCrontab(t *rapid.T, seconds bool, near int) oracle {
	second := list{text: "0", values: map[int]bool{0: true}}
	if seconds {
		second = drawList(t, "second", 0, 59)
	}
	minute, hour := drawList(t, "minute", 0, 59), drawList(t, "hour", 0, 23)
	date, month, weekday := drawList(t, "date", 1, 31), drawList(t, "month", 1, 12), drawList(t, "weekday", 0, 7)
	if rapid.Bool().Draw(t, "every day") {
		date, month, weekday = every(1, 31), every(1, 12), every(0, 7)
	}
	if rapid.Bool().Draw(t, "near") {
		h := (near + rapid.IntRange(22, 25).Draw(t, "hour")) % 24
		hour = list{text: fmt.Sprint(h), values: map[int]bool{h: true}}
	}
	fields := []string{minute.text, hour.text, date.text, month.text, weekday.text}
	if seconds {
		fields = append([]string{second.text}, fields...)
	}
	return oracle{
		text:    strings.Join(fields, " "),
		elapsed: minute.starred() || hour.starred(),
		matches: func(wall time.Time) bool {
			onDate := date.values[wall.Day()]
			onWeekday := weekday.values[int(wall.Weekday())] || wall.Weekday() == time.Sunday && weekday.values[7]
			onDay := onDate && onWeekday
			if !date.starred() && !weekday.starred() {
				onDay = onDate || onWeekday
			}
			return onDay && second.values[wall.Second()] && minute.values[wall.Minute()] && hour.values[wall.Hour()] && month.values[int(wall.Month())]
		},
	}
}

// clockChanges samples the changes of a zone by looking every hour.
func clockChanges(location *time.Location, from, to int) []time.Time {
	changes := []time.Time{time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC)} // for zones without any
	last := 0
	for at := time.Date(from, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < to; at = at.Add(time.Hour) {
		_, offset := at.In(location).Zone()
		if offset != last {
			changes = append(changes, at)
		}
		last = offset
	}
	return changes
}

var oddZones = []string{
	"UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Sao_Paulo",
	"Pacific/Apia", "Antarctica/Troll", "Europe/Dublin", "Africa/Casablanca", "Pacific/Chatham", "America/St_Johns", "Asia/Gaza", "America/Nuuk",
}

// TestOracle compares whole days around changes of the clock, minute by minute.
func TestOracle(t *testing.T) { checkOracle(t, false, 2*24*time.Hour, time.Minute) }

// TestOracleSeconds compares a few hours around them, second by second.
func TestOracleSeconds(t *testing.T) { checkOracle(t, true, 3*time.Hour, time.Second) }

func checkOracle(t *testing.T, seconds bool, window, step time.Duration) {
	changes, locations := map[string][]time.Time{}, map[string]*time.Location{}
	for _, name := range oddZones {
		location, err := Zone(name)
		if err != nil {
			t.Fatal(err)
		}
		changes[name], locations[name] = clockChanges(location, 2005, 2045), location
	}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(oddZones).Draw(t, "zone")
		gap := rapid.SampledFrom([]Gap{GapNext, GapSkip}).Draw(t, "gap")
		fold := rapid.SampledFrom([]Fold{FoldFirst, FoldLast, FoldBoth}).Draw(t, "fold")
		change := rapid.SampledFrom(changes[zone]).Draw(t, "change")
		want := drawCrontab(t, seconds, wallOf(change, locations[zone]).Hour())
		after := change.Add(-window + time.Duration(rapid.IntRange(0, 7200).Draw(t, "second"))*time.Second)
		until := change.Add(window)
		s, err := Parse(Spec{Expr: want.text, Zone: zone, Gap: gap, Fold: fold})
		if errors.Is(err, ErrNever) {
			return // 30 February and the like
		}
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Collect(s.Between(after, until))
		if expected := want.dues(s.Location(), gap, fold, after, until, step); !slices.EqualFunc(got, expected, time.Time.Equal) {
			t.Fatalf("%s gap=%s fold=%s after %s\ngot  %v\nwant %v", s, gap, fold, after, got, expected)
		}
	})
}

// TestOracleDays compares AWS's rules for days, day by day over many years.
func TestOracleDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawDays(t)
		s, err := Parse(Spec{Expr: "cron(0 0 " + want.text + ")"})
		if errors.Is(err, ErrNever) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		day := time.Date(rapid.IntRange(1970, 2180).Draw(t, "from"), 1, 1, 0, 0, 0, 0, time.UTC)
		after, until := day.Add(-time.Second), day.AddDate(12, 0, 0)
		var expected []time.Time
		for ; !day.After(until); day = day.AddDate(0, 0, 1) {
			if want.matches(day) {
				expected = append(expected, day)
			}
		}
		if got := slices.Collect(s.Between(after, until)); !slices.EqualFunc(got, expected, time.Time.Equal) {
			t.Fatalf("%s\ngot  %v\nwant %v", s, got, expected)
		}
	})
}

// drawDays makes day, month, weekday and year of AWS's cron().
func drawDays(t *rapid.T) oracle {
	n := rapid.IntRange(1, 31).Draw(t, "n")
	weekday := rapid.IntRange(1, 7).Draw(t, "weekday")
	nth := rapid.IntRange(1, 5).Draw(t, "nth")
	month := drawList(t, "month", 1, 12)
	year := drawList(t, "year", 1970, 2199)
	lastOfMonth := func(d time.Time) int { return time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }
	rules := []oracle{
		{text: "L MONTH ?", matches: func(d time.Time) bool { return d.Day() == lastOfMonth(d) }},
		{text: "LW MONTH ?", matches: func(d time.Time) bool { return d.Day() == nearestByTrying(d, lastOfMonth(d)) }},
		{text: fmt.Sprintf("%dW MONTH ?", n), matches: func(d time.Time) bool { return n <= lastOfMonth(d) && d.Day() == nearestByTrying(d, n) }},
		{text: fmt.Sprintf("%d/7 MONTH ?", n), matches: func(d time.Time) bool { return d.Day() >= n && (d.Day()-n)%7 == 0 }},
		{text: fmt.Sprintf("? MONTH %dL", weekday), matches: func(d time.Time) bool {
			return int(d.Weekday())+1 == weekday && d.Day() > lastOfMonth(d)-7
		}},
		{text: fmt.Sprintf("? MONTH %d#%d", weekday, nth), matches: func(d time.Time) bool {
			return int(d.Weekday())+1 == weekday && (d.Day()+6)/7 == nth
		}},
		{text: fmt.Sprintf("? MONTH %d-2", weekday), matches: func(d time.Time) bool {
			have := int(d.Weekday()) + 1
			return weekday <= 2 && weekday <= have && have <= 2 || weekday > 2 && (have >= weekday || have <= 2)
		}},
	}
	rule := rapid.SampledFrom(rules).Draw(t, "rule")
	return oracle{
		text: strings.Replace(rule.text, "MONTH", month.text, 1) + " " + year.text,
		matches: func(d time.Time) bool {
			return month.values[int(d.Month())] && year.values[d.Year()] && rule.matches(d)
		},
	}
}

// nearestByTrying looks for the working day of d's month that is nearest to n.
func nearestByTrying(d time.Time, n int) int {
	for _, try := range []int{n, n - 1, n + 1, n - 2, n + 2} {
		day := time.Date(d.Year(), d.Month(), try, 0, 0, 0, 0, time.UTC)
		if day.Month() == d.Month() && day.Weekday() != time.Saturday && day.Weekday() != time.Sunday {
			return try
		}
	}
	return 0
}
