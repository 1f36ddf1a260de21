package simulate

import (
	"slices"
	"time"
)

// down is a time in which something is not there: [from, until), for good if
// until is zero.
type down struct{ from, until time.Time }

// downs are such times in their order, apart from each other.
type downs []down

// hostDowns are the times in which a host is not there.
func hostDowns(faults []Fault, host string) downs {
	var all downs
	var backs []time.Time
	for _, f := range faults {
		if f.Name == host && f.Kind == HostBack {
			backs = append(backs, f.From)
		}
	}
	for _, f := range faults {
		if f.Name != host || f.Kind != HostDies {
			continue
		}
		d := down{f.From, f.Until}
		for _, b := range backs {
			if b.After(d.from) && (d.until.IsZero() || b.Before(d.until)) {
				d.until = b
			}
		}
		all = append(all, d)
	}
	return joined(all)
}

// schedulerDowns are the times in which no scheduler runs.
func schedulerDowns(faults []Fault) downs {
	var all downs
	for _, f := range faults {
		if f.Kind == SchedulerDown {
			all = append(all, down{f.From, f.Until})
		}
	}
	return joined(all)
}

// joined puts the times in order and makes one of those that touch.
func joined(all downs) downs {
	slices.SortFunc(all, func(a, b down) int { return a.from.Compare(b.from) })
	var one downs
	for _, d := range all {
		if len(one) == 0 || !one[len(one)-1].until.IsZero() && d.from.After(one[len(one)-1].until) {
			one = append(one, d)
			continue
		}
		last := &one[len(one)-1]
		if d.until.IsZero() || !last.until.IsZero() && d.until.After(last.until) {
			last.until = d.until
		}
	}
	return one
}

// at is the down time that t lies in.
func (all downs) at(t time.Time) (down, bool) {
	for _, d := range all {
		if !t.Before(d.from) && (d.until.IsZero() || t.Before(d.until)) {
			return d, true
		}
	}
	return down{}, false
}

// first is the first down time that begins in (after, before).
func (all downs) first(after, before time.Time) (down, bool) {
	for _, d := range all {
		if d.from.After(after) && d.from.Before(before) {
			return d, true
		}
	}
	return down{}, false
}
