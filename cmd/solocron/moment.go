package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// moment is a flag that names an instant: 2026-11-22T02:30:00Z, 2026-11-22 for
// its midnight in UTC, now, or 2h or 3d for that long before (or, with a plus,
// after) now.
type moment struct{ time.Time }

func (m *moment) Type() string { return "TIME" }

func (m *moment) String() string {
	if m.IsZero() {
		return ""
	}
	return stamp(m.Time)
}

func (m *moment) Set(s string) (err error) {
	m.Time, err = parseMoment(s, time.Now())
	return err
}

func parseMoment(s string, now time.Time) (time.Time, error) {
	now = now.UTC().Truncate(time.Second)
	if s == "now" {
		return now, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	after, ahead := strings.CutPrefix(s, "+")
	d, err := parseLength(after)
	if err != nil {
		return time.Time{}, fmt.Errorf("want a time like 2026-11-22T02:30:00Z or 2026-11-22, or 2h or 3d for that long ago, got %q", s)
	}
	if ahead {
		return now.Add(d), nil
	}
	return now.Add(-d), nil
}

// parseLength reads a duration in Go's form, or a number of days or weeks.
func parseLength(s string) (time.Duration, error) {
	const most = 100 * 365 * 24 * time.Hour
	units := map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	d, err := time.ParseDuration(s)
	if n := len(s) - 1; n > 0 && units[s[n]] > 0 {
		var count uint64
		count, err = strconv.ParseUint(s[:n], 10, 12)
		d = time.Duration(count) * units[s[n]]
	}
	if err != nil || d < 0 || d > most {
		return 0, fmt.Errorf("no length of time: %q", s)
	}
	return d, nil
}
