package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func unknownZone(name string) error {
	if strings.EqualFold(name, "local") {
		return fmt.Errorf("time zone %q means another zone on each machine; write its name, such as Asia/Tokyo", name)
	}
	if near := nearZone(name); near != "" {
		return fmt.Errorf("unknown time zone %q; did you mean %q?", name, near)
	}
	return fmt.Errorf("unknown time zone %q; use a name such as Asia/Tokyo, America/New_York or UTC", name)
}

// longestZone is somewhat more than the longest name has.
const longestZone = 50

// nearZone returns the zone whose name, or whose city's name, looks most like
// the given one; empty if none does.
func nearZone(name string) string {
	if len(name) > longestZone {
		return ""
	}
	want := strings.ReplaceAll(strings.ToLower(name), " ", "_")
	best, bestDistance := "", len(want)/4+1
	for _, zone := range slices.Sorted(maps.Keys(zoneFiles())) {
		have := strings.ToLower(zone)
		if !strings.Contains(want, "/") {
			have = have[strings.LastIndexByte(have, '/')+1:]
		}
		if d := distance(want, have); d < bestDistance {
			best, bestDistance = zone, d
		}
	}
	return best
}

// distance counts the letters to insert, delete or replace between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
