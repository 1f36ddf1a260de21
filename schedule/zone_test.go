package schedule

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestZone(t *testing.T) {
	for name, want := range map[string]string{"": "UTC", "UTC": "UTC", "Asia/Tokyo": "Asia/Tokyo", "Asia/Calcutta": "Asia/Calcutta", "EST5EDT": "EST5EDT"} {
		location, err := Zone(name)
		if err != nil || location.String() != want {
			t.Errorf("%q: %v %v", name, location, err)
		}
	}
	if ZoneData() < "2025" {
		t.Errorf("zone data %q", ZoneData())
	}
}

// Every zone in the archive can be read, its spans say what time says, and no
// two changes are so near each other that a local time is in both of them:
// nextLocal looks at one change at a time.
func TestSpans(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name := range zoneFiles() {
		z, err := findZone(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range z.spans {
			if i > 0 && s.offset == z.spans[i-1].offset {
				t.Errorf("%s: no change at %s", name, time.Unix(s.start, 0).UTC())
			}
			if i > 1 && s.start-z.spans[i-1].start < 3*day {
				t.Errorf("%s: changes at %s and %s", name, time.Unix(z.spans[i-1].start, 0).UTC(), time.Unix(s.start, 0).UTC())
			}
			if i > 0 {
				checkOffset(t, z, s.start-1)
				checkOffset(t, z, s.start)
			}
		}
		for range 200 {
			checkOffset(t, z, random.Int64N(lastSecond))
		}
	}
}

func checkOffset(t *testing.T, z *zone, at int64) {
	t.Helper()
	if _, want := time.Unix(at, 0).In(z.location).Zone(); z.offset(at) != int64(want) {
		t.Errorf("%s at %s: offset %d, want %d", z.location, time.Unix(at, 0).UTC(), z.offset(at), want)
	}
}
