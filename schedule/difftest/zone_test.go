package difftest

import (
	"archive/zip"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/schedule"
)

// The embedded zone data, which every peer but node's is given too.
const zoneinfo = "../zoneinfo.zip"

// Due times are compared from 2 January 1970, everywhere a day of the years that
// we know, to the end of 2100.
const beginning = 86400

var horizon = time.Date(2101, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

// A zone is a name and the changes of its clock until the horizon.
type zone struct {
	name     string
	location *time.Location
	changes  []change
	icu      bool // node's own data say the same
}

// A change is the first second at which a clock is another number of seconds
// ahead of UTC than before.
type change struct{ at, before, after int64 }

func (c change) gap() bool { return c.after > c.before }

// since returns the changes in (from, to].
func (z *zone) since(from, to int64) []change {
	i := sort.Search(len(z.changes), func(i int) bool { return z.changes[i].at > from })
	j := sort.Search(len(z.changes), func(j int) bool { return z.changes[j].at > to })
	return z.changes[i:max(i, j)]
}

func (z *zone) offset(at int64) int64 {
	_, offset := time.Unix(at, 0).In(z.location).Zone()
	return int64(offset)
}

func (z *zone) summer(at int64) bool { return time.Unix(at, 0).In(z.location).IsDST() }

// inFold reports whether an instant is in one of the two passes of a fold that
// is as wanted.
func (z *zone) inFold(at int64, wanted func(change) bool) bool {
	const longest = 86400 // a day was shown twice, too
	return slices.ContainsFunc(z.since(at-longest, at+longest), func(c change) bool {
		fold := c.before - c.after
		return fold > 0 && at >= c.at-fold && at < c.at+fold && wanted(c)
	})
}

// zones reads every zone of the embedded data.
func zones(t *testing.T) []*zone {
	t.Helper()
	archive, err := zip.OpenReader(zoneinfo)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var all []*zone
	for _, file := range archive.File {
		if strings.HasSuffix(file.Name, "/") || file.Name == "Factory" {
			continue
		}
		location, err := schedule.Zone(file.Name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, newZone(file.Name, location))
	}
	slices.SortFunc(all, func(a, b *zone) int { return strings.Compare(a.name, b.name) })
	return all
}

// newZone walks from change to change. Where ZoneBounds gives an end that is
// over already, as it does at the end of leap years, it goes on day by day.
func newZone(name string, location *time.Location) *zone {
	z := &zone{name: name, location: location}
	last := z.offset(0)
	for at := int64(0); at < horizon; {
		_, end := time.Unix(at, 0).In(location).ZoneBounds()
		if end.IsZero() {
			break
		}
		if at += 86400; end.Unix() > at-86400 {
			at = end.Unix()
		}
		if now := z.offset(at); now != last {
			z.changes = append(z.changes, change{z.firstSecond(at, now), last, now})
			last = now
		}
	}
	return z
}

// firstSecond goes back from at to where the offset began.
func (z *zone) firstSecond(at, offset int64) int64 {
	low := at - 2*86400
	return low + int64(sort.Search(int(at-low), func(i int) bool { return z.offset(low+int64(i)) == offset }))
}

// moment picks one: near a change of the clock, near the end of a month or a
// year, or anywhere.
func (z *zone) moment(r *rand.Rand) int64 {
	kind := r.IntN(20)
	switch {
	case kind < 13 && len(z.changes) > 0:
		before := []int64{2 * 3600, 40 * 3600}[r.IntN(2)]
		return max(beginning, z.changes[r.IntN(len(z.changes))].at-r.Int64N(before))
	case kind < 18:
		m := []int{1, 3, 1 + r.IntN(12)}[r.IntN(3)]
		year := 1970 + r.IntN(131)
		if r.IntN(4) == 0 {
			year = []int{1972, 2000, 2096, 2100}[r.IntN(4)] // leap years, and what looks like one
		}
		end := time.Date(year, time.Month(m), 1, 0, 0, 0, 0, z.location).Unix()
		return max(beginning, end-r.Int64N(30*3600))
	}
	return beginning + r.Int64N(horizon-beginning)
}

// unpack puts the zone data into a folder, as the system's are.
func unpack(t *testing.T) string {
	t.Helper()
	archive, err := zip.OpenReader(zoneinfo)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	dir := t.TempDir()
	if err := os.CopyFS(dir, archive); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "Europe", "Berlin")); err != nil {
		t.Fatal(err)
	}
	return dir
}
