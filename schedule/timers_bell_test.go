package schedule

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// ringer is a timer as EventBridge Scheduler's guide explains it, and written
// for that alone: nothing here comes from the code that makes timers. It looks
// at the clock at every minute.
type ringer struct {
	location *time.Location
	at       string   // for at(): the local time
	fields   []string // for cron()
}

// A documented item: no names, no */n, no a-b/n.
var itemForm = regexp.MustCompile(`^(\*|\?|L|\d+W|\d+L|\d+#\d|\d+|\d+-\d+|\d+/\d+)$`)

func bell(t rapid.TB, timer Timer) ringer {
	t.Helper()
	location, err := time.LoadLocation(timer.Zone)
	if err != nil || len(timer.Zone) > 50 || len(timer.Expr) > 256 {
		t.Fatalf("%q %q: %v", timer.Expr, timer.Zone, err)
	}
	r := ringer{location: location}
	if at, ok := strings.CutPrefix(timer.Expr, "at("); ok {
		r.at = strings.TrimSuffix(at, ")")
		return r
	}
	body, ok := strings.CutPrefix(strings.TrimSuffix(timer.Expr, ")"), "cron(")
	r.fields = strings.Split(body, " ")
	if !ok || len(r.fields) != 6 || (r.fields[2] == "?") == (r.fields[4] == "?") {
		t.Fatalf("%q is no cron expression", timer.Expr)
	}
	for i, f := range r.fields {
		items := strings.Split(f, ",")
		for _, item := range items {
			special := strings.ContainsAny(item, "*?LW#")
			step := strings.Contains(item, "/")
			if !itemForm.MatchString(item) || special && len(items) > 1 || i == 4 && step {
				t.Fatalf("%q: field %q is not as documented", timer.Expr, f)
			}
		}
	}
	return r
}

// rings returns when the timer rings in [from, to): never at a local time that
// the clock jumps over, the first time at one that it shows twice.
func (r ringer) rings(from, to time.Time) []time.Time {
	var all []time.Time
	shown := map[time.Time]bool{}
	for at := from.Add(-3 * time.Hour); at.Before(to); at = at.Add(time.Minute) {
		wall := wallOf(at, r.location)
		if !shown[wall] && !at.Before(from) && r.matches(wall) {
			all = append(all, at)
		}
		shown[wall] = true
	}
	return all
}

func (r ringer) matches(wall time.Time) bool {
	if r.at != "" {
		return wall.Format("2006-01-02T15:04:05") == r.at
	}
	for i, v := range []int{wall.Minute(), wall.Hour(), wall.Day(), int(wall.Month()), int(wall.Weekday()) + 1, wall.Year()} {
		if !r.field(r.fields[i], v, wall) {
			return false
		}
	}
	return true
}

func (r ringer) field(text string, v int, wall time.Time) bool {
	length := time.Date(wall.Year(), wall.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	for item := range strings.SplitSeq(text, ",") {
		var match bool
		switch {
		case item == "*", item == "?":
			match = true
		case item == "L":
			match = v == length
		case strings.HasSuffix(item, "W"):
			n := number(strings.TrimSuffix(item, "W"))
			match = n <= length && v == nearestByTrying(wall, n)
		case strings.HasSuffix(item, "L"):
			match = v == number(strings.TrimSuffix(item, "L")) && wall.Day() > length-7
		case strings.Contains(item, "#"):
			weekday, nth, _ := strings.Cut(item, "#")
			match = v == number(weekday) && (wall.Day()+6)/7 == number(nth)
		case strings.Contains(item, "/"):
			first, step, _ := strings.Cut(item, "/")
			match = v >= number(first) && (v-number(first))%number(step) == 0
		case strings.Contains(item, "-"):
			first, last, _ := strings.Cut(item, "-")
			match = number(first) <= v && v <= number(last)
		default:
			match = v == number(item)
		}
		if match {
			return true
		}
	}
	return false
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}
