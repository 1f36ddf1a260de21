package schedule

// nextLocal walks over the spans in which the clock runs evenly, from the one
// that holds the second after after. Within a span an instant is a local time
// less the offset. What is special is all at its ends, where the clock jumps
// ahead over a gap or back into a fold.
func (s *Schedule) nextLocal(after int64) (int64, bool) {
	z := s.zone
	search := search{calendar: &s.calendar, found: -forever}
	for i := z.index(after + 1); i < len(z.spans); i++ {
		start, offset := z.spans[i].start, z.spans[i].offset
		if s.gap == GapNext && start > after && search.next(start+z.before(i)) < start+offset {
			return start, true
		}
		first, end := s.window(i)
		if w := search.next(max(first, after+1+offset)); w < end {
			return w - offset, true
		}
	}
	return 0, false
}

// window returns the local times [first, end) that count in span i. Those which
// the clock shows again in the next span, or has shown in the one before, count
// in either or both of the two, as the fold policy says.
func (s *Schedule) window(i int) (first, end int64) {
	z := s.zone
	offset := z.spans[i].offset
	before, after := offset, offset
	if s.fold == FoldFirst {
		before = max(offset, z.before(i))
	}
	if s.fold == FoldLast {
		after = min(offset, z.after(i))
	}
	return z.spans[i].start + before, min(z.end(i)+after, forever)
}

// search remembers its last answer, so that walking over changes of the clock
// doesn't search the calendar again.
type search struct {
	calendar    *calendar
	from, found int64 // no local time of the calendar is in [from, found)
}

// next returns the first local time of the calendar that is not before w, or
// forever.
func (s *search) next(w int64) int64 {
	if w < s.from || w > s.found {
		s.from, s.found = w, s.calendar.next(w)
	}
	return s.found
}
