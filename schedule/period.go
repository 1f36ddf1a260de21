package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const longestPeriod = 3650 * day

var unitSeconds = map[string]int64{
	"s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
	"m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
	"h": 3600, "hour": 3600, "hours": 3600,
	"d": day, "day": day, "days": day,
	"w": 7 * day, "week": 7 * day, "weeks": 7 * day,
}

// parseEvery reads what follows "every": "15m", "1h30m", "2 days", "hour".
func parseEvery(text string) (int64, error) {
	if seconds, ok := unitSeconds[text]; ok && len(text) > 1 {
		return seconds, nil
	}
	var total int64
	for rest := text; rest != ""; {
		digits := leading(rest, "0123456789")
		rest = strings.TrimLeft(rest[len(digits):], " ")
		unit := leading(rest, "abcdefghijklmnopqrstuvwxyz")
		rest = strings.TrimLeft(rest[len(unit):], " ")
		n, err := strconv.ParseInt(digits, 10, 32)
		seconds, ok := unitSeconds[unit]
		switch {
		case unit == "ms" || unit == "us" || unit == "ns":
			return 0, errors.New("the shortest period is 1s")
		case err != nil || !ok:
			return 0, fmt.Errorf("%q is no period; write whole numbers with s, m, h, d or w, as in every 1h30m", text)
		}
		total = min(total+n*seconds, longestPeriod+1)
	}
	return bounded(total)
}

// leading returns the longest beginning of s that is made of chars.
func leading(s, chars string) string {
	return s[:len(s)-len(strings.TrimLeft(s, chars))]
}

func bounded(seconds int64) (int64, error) {
	switch {
	case seconds < 1:
		return 0, errors.New("the shortest period is 1s; write one, as in every 15m")
	case seconds > longestPeriod:
		return 0, fmt.Errorf("the longest period is %d days; name a date instead", longestPeriod/day)
	}
	return seconds, nil
}

// nextPeriod counts in multiples of the period since the Unix epoch, so that
// restarts and replicas agree without having to remember anything.
func (s *Schedule) nextPeriod(after int64) (int64, bool) {
	for t := after + 1; ; {
		t = (t + s.period - 1) / s.period * s.period
		if t > lastSecond {
			return 0, false
		}
		local := t + s.zone.offset(t)
		if !s.except.has(local) {
			return t, true
		}
		t = s.zone.reach(t, floorDay(local)+day)
	}
}
