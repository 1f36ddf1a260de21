package main

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"
)

// sanitize is s on one line, and without anything that a terminal would obey.
func sanitize(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		return harmless(r)
	}, strings.TrimSpace(s))
}

// block is s with its lines and tabs, and without anything else that a terminal
// would obey.
func block(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return harmless(r)
	}, strings.ReplaceAll(s, "\r\n", "\n"))
}

// harmless replaces control characters, and those that change the direction of
// writing, by a mark.
func harmless(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
		return unicode.ReplacementChar
	}
	return r
}

// columns is how many columns of a terminal s takes.
func columns(s string) int {
	sum := 0
	for _, r := range s {
		sum += runeColumns(r)
	}
	return sum
}

func runeColumns(r rune) int {
	if r < 0x7f {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// clip cuts s to at most the given number of columns, the last of which then
// shows that something is missing.
func clip(s string, most int) string {
	if columns(s) <= most {
		return s
	}
	used := 0
	for i, r := range s {
		if used += runeColumns(r); used > most-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// stamp is a time as tables show it: UTC, to the second.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// precise is a time to the millisecond, and a remark on it.
func precise(t time.Time, remark string) string {
	text := t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	if remark == "" {
		return text
	}
	return text + ", " + remark
}

// length is a duration as people say it: 412ms, 12.3s, 4m05s, 2h05m, 3d04h.
func length(d time.Duration) string {
	if d < 0 {
		return "-" + length(-d)
	}
	pair := func(big time.Duration, bigName string, small time.Duration, smallName string) string {
		d = d.Round(small)
		return itoa(d/big) + bigName + pad2(d%big/small) + smallName
	}
	switch {
	case d < time.Second-time.Millisecond/2:
		return itoa(d.Round(time.Millisecond)/time.Millisecond) + "ms"
	case d < 59950*time.Millisecond:
		d = d.Round(100 * time.Millisecond)
		return itoa(d/time.Second) + "." + itoa(d%time.Second/(100*time.Millisecond)) + "s"
	case d < time.Hour-time.Second/2:
		return pair(time.Minute, "m", time.Second, "s")
	case d < 24*time.Hour-time.Minute/2:
		return pair(time.Hour, "h", time.Minute, "m")
	}
	return pair(24*time.Hour, "d", time.Hour, "h")
}

func itoa(d time.Duration) string { return strconv.FormatInt(int64(d), 10) }

func pad2(d time.Duration) string {
	if d < 10 {
		return "0" + itoa(d)
	}
	return itoa(d)
}
