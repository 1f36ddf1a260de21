package schedule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Zones are those of the data in the program, whatever the machine has, so that
// no update changes them under a scheduler at work.
func TestFault48ZoneData(t *testing.T) {
	machine := t.TempDir()
	t.Setenv("ZONEINFO", machine) // where Go would look first, and find a Berlin without summer time
	file, err := zoneFiles()["UTC"].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	utc, err := io.ReadAll(file)
	if err == nil {
		err = errors.Join(os.Mkdir(filepath.Join(machine, "Europe"), 0o700), os.WriteFile(filepath.Join(machine, "Europe/Berlin"), utc, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	summer, err := Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if _, offset := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).In(summer).Zone(); offset != 2*3600 {
		t.Errorf("Berlin's summer is %ds ahead", offset)
	}
	sum := sha256.Sum256(zoneinfo)
	if got, want := hex.EncodeToString(sum[:8])+" "+ZoneData(), pinnedZones; got != want {
		t.Errorf("the zone data is %s, pinned is %s", got, want)
	}
}

// pinnedZones names the archive in the program. It changes with the data alone.
const pinnedZones = "8f55634d05f8bca1 2025c"

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
