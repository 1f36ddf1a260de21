package schedule

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:generate sh -c "cp \"$(go env GOROOT)/lib/time/zoneinfo.zip\" . && chmod 644 zoneinfo.zip"
//go:generate sh -c "sed -n 's/^DATA=//p' \"$(go env GOROOT)/lib/time/update.bash\" > zoneinfo.version"

//go:embed zoneinfo.zip
var zoneinfo []byte

//go:embed zoneinfo.version
var zoneinfoVersion string

// ZoneData names the release of the IANA time zone database in use: "2025c".
func ZoneData() string { return strings.TrimSpace(zoneinfoVersion) }

// Zone returns the location of an IANA name, and UTC for the empty name. It
// reads the data in the binary alone. A name that isn't there is an error with
// a suggestion; "Local" always is, since it means another zone on each machine.
func Zone(name string) (*time.Location, error) {
	z, err := findZone(name)
	if err != nil {
		return nil, err
	}
	return z.location, nil
}

// A zone is a location and every change of its clock from 1970 to 2199.
type zone struct {
	location *time.Location
	spans    []span // in order, without holes, from -forever to forever
}

// A span is a time in which the clock runs evenly: from start, a Unix second,
// to the start of the next span. Local time is offset seconds ahead of UTC.
type span struct{ start, offset int64 }

var zones = struct {
	sync.Mutex
	byName map[string]*zone
}{byName: map[string]*zone{"UTC": newZone(time.UTC)}}

func findZone(name string) (*zone, error) {
	if name == "" {
		name = "UTC"
	}
	zones.Lock()
	defer zones.Unlock()
	if z, ok := zones.byName[name]; ok {
		return z, nil
	}
	file, ok := zoneFiles()[name]
	if !ok {
		return nil, unknownZone(name)
	}
	location, err := readZone(name, file)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: embedded data: %w", name, err)
	}
	z := newZone(location)
	zones.byName[name] = z
	return z, nil
}

// zoneFiles maps names to the files of the archive.
var zoneFiles = sync.OnceValue(func() map[string]*zip.File {
	archive, err := zip.NewReader(bytes.NewReader(zoneinfo), int64(len(zoneinfo)))
	if err != nil {
		panic("schedule: zoneinfo.zip: " + err.Error()) // the build is broken; a test reads every zone
	}
	files := map[string]*zip.File{}
	for _, file := range archive.File {
		if !strings.HasSuffix(file.Name, "/") && file.Name != "Factory" {
			files[file.Name] = file
		}
	}
	return files
})

func readZone(name string, file *zip.File) (*time.Location, error) {
	r, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return time.LoadLocationFromTZData(name, data)
}

func newZone(location *time.Location) *zone {
	z := &zone{location: location}
	for t := int64(0); t <= lastSecond+day; {
		at := time.Unix(t, 0).In(location)
		_, offset := at.Zone()
		if n := len(z.spans); n == 0 || z.spans[n-1].offset != int64(offset) {
			z.spans = append(z.spans, span{t, int64(offset)})
		}
		_, end := at.ZoneBounds()
		if end.IsZero() {
			break
		}
		if end.Unix() <= t {
			end = at.Add(day * time.Second) // ZoneBounds thinks that all years end after 365 days
		}
		t = end.Unix()
	}
	z.spans[0].start = -forever
	z.spans = slices.Clip(z.spans)
	return z
}

// index returns the span of an instant.
func (z *zone) index(t int64) int {
	low, high := 0, len(z.spans)
	for high-low > 1 {
		if mid := (low + high) / 2; z.spans[mid].start <= t {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func (z *zone) offset(t int64) int64 { return z.spans[z.index(t)].offset }

// end returns the instant at which span i ends.
func (z *zone) end(i int) int64 {
	if i+1 < len(z.spans) {
		return z.spans[i+1].start
	}
	return forever
}

// before returns the offset of the span before span i.
func (z *zone) before(i int) int64 { return z.spans[max(i-1, 0)].offset }

// after returns the offset of the span after span i.
func (z *zone) after(i int) int64 { return z.spans[min(i+1, len(z.spans)-1)].offset }

// reach returns the first instant from t on whose local time is not before
// local.
func (z *zone) reach(t, local int64) int64 {
	for i := z.index(t); ; i++ {
		if at := max(t, z.spans[i].start, local-z.spans[i].offset); at < z.end(i) {
			return at
		}
	}
}
