package awsloop

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// expression is a ScheduleExpression: a cron, or a period, or one moment.
type expression struct {
	cron   *cron
	period time.Duration
	at     time.Time
	zone   *time.Location
}

var (
	callForm = regexp.MustCompile(`^(cron|rate|at)\((.*)\)$`)
	rateForm = regexp.MustCompile(`^([1-9][0-9]{0,9}) (minute|hour|day)(s?)$`)
)

// parseExpression reads cron(…), rate(…) or at(…). The zone is of no account
// to a rate, whose day is 24 hours.
func parseExpression(text string, zone *time.Location) (expression, error) {
	e := expression{zone: zone}
	call := callForm.FindStringSubmatch(text)
	if call == nil {
		return e, fmt.Errorf("%q is none of cron(…), rate(…), at(…)", text)
	}
	var err error
	switch head, body := call[1], call[2]; head {
	case "cron":
		e.cron, err = parseCron(body)
	case "rate":
		e.period, err = parseRate(body)
	case "at":
		var wall time.Time
		if wall, err = time.Parse("2006-01-02T15:04:05", body); err != nil {
			return e, fmt.Errorf("%q is not at(yyyy-mm-ddThh:mm:ss)", text)
		}
		var exists bool
		if e.at, exists = instant(wall, zone); !exists {
			// What AWS does is not documented; a time that never comes is refused.
			return e, fmt.Errorf("%q doesn't exist in %s", text, zone)
		}
	}
	return e, err
}

// parseRate insists on "1 hour" and "2 hours", as rules do; Scheduler's own
// guide is careless there, so nobody should rely on it.
func parseRate(text string) (time.Duration, error) {
	parts := rateForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("rate(%s) is not rate(number minute|minutes|hour|hours|day|days)", text)
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[parts[2]]
	if err != nil || n > int64(100*365*24*time.Hour/unit) {
		return 0, fmt.Errorf("rate(%s) is longer than a century", text)
	}
	if (n == 1) != (parts[3] == "") {
		return 0, fmt.Errorf("rate(%s): one %s, several %ss", text, parts[2], parts[2])
	}
	return time.Duration(n) * unit, nil
}

// next returns the first due time after t. A rate counts from start, which is
// its first due time.
func (e expression) next(t, start time.Time) (time.Time, bool) {
	switch {
	case e.cron != nil:
		return e.cron.next(t, e.zone)
	case e.period > 0 && t.Before(start):
		return start, true
	case e.period > 0:
		return start.Add(t.Sub(start).Truncate(e.period) + e.period), true
	default:
		return e.at, e.at.After(t)
	}
}

// loadZone takes the names of the IANA database alone. Local would be this
// machine's.
func loadZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" || len(name) > 50 || strings.TrimSpace(name) != name {
		return nil, fmt.Errorf("%q is not a time zone", name)
	}
	return zone, nil
}
