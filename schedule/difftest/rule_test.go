package difftest

import (
	"slices"
	"time"

	"github.com/solocron/solocron/schedule"
)

// A step is one comparison: which due time comes after another.
type step struct {
	query
	prev int64
	want int64 // ours, under all that the peer's dialect respells
	got  int64 // none if the peer finds none
}

const none = int64(-1)

// A rule is an intended difference between a peer and package schedule.
type rule struct {
	name   string
	reason string

	// respell gives the schedule that means to us what the line means to the
	// peer. The peer must then agree to the second.
	respell func(*meaning)
	// excuse reports whether a step that differs for all of them is one that
	// the reason is about.
	excuse func(*step) bool
	// avoid reports whether the peer can't be asked at all.
	avoid func(query) bool
}

// A meaning is a line with what the jobs file may say about clock changes.
type meaning struct {
	line line
	gap  schedule.Gap
	fold schedule.Fold
}

func (m meaning) parse(z *zone) (*schedule.Schedule, error) {
	return schedule.Parse(schedule.Spec{Expr: m.line.String(), Zone: z.name, Gap: m.gap, Fold: m.fold})
}

// spellOut writes stars as ranges, which are no stars to us.
func spellOut(m *meaning, evenWithoutStep bool, fields ...int) {
	for _, i := range fields {
		if it := m.line[i][0]; it.star && (it.step > 1 || evenWithoutStep) {
			m.line[i] = field{it.ranged(i)}
		}
	}
}

var gapSkip = rule{
	name:    "a gap is skipped",
	reason:  "A local time that the clock jumps over is not due; ours is due once, at the gap's end. `gap: skip` says the same.",
	respell: func(m *meaning) { m.gap = schedule.GapSkip },
}

var foldBoth = rule{
	name:    "a fold is due twice",
	reason:  "A local time that the clock shows twice is due both times, also for a fixed time; ours is due the first time. `fold: both` says the same.",
	respell: func(m *meaning) { m.fold = schedule.FoldBoth },
}

var steppedDays = rule{
	name:    "`*/n` restricts a day",
	reason:  "With `*/n` in one day field and days in the other, a day of either will do; ours, as crontab's, takes a field that begins with a star for unrestricted, and wants both.",
	respell: func(m *meaning) { spellOut(m, false, date, weekday) },
}

var foldOnce = rule{
	name:    "a fold is due once",
	reason:  "No local time is due twice, also not with a star in minute or hour; ours goes by elapsed time then, as Debian's cron.",
	respell: func(m *meaning) { m.gap = schedule.GapSkip; spellOut(m, true, minute, hour) },
}

var everyHour = rule{
	name:   "only every hour is elapsed time",
	reason: "It handles a fold, in which it is due the first time, unless each of the 24 hours is asked for. To us a star in minute or hour makes it elapsed time.",
	respell: func(m *meaning) {
		if count(m.line[hour].values(hour)) == 24 {
			m.gap, m.fold = schedule.GapSkip, schedule.FoldBoth
		} else {
			spellOut(m, true, minute, hour)
		}
	},
}

var landing = rule{
	name:   "the hour after a gap",
	reason: "If the clock jumps over an hour that is asked for, the hour after it takes its place, with all of its minutes. Ours is due once, at the gap's end.",
	excuse: func(s *step) bool {
		for _, c := range s.zone.since(s.prev-2*3600, s.got) {
			if local := s.got + c.after; c.gap() && s.got >= c.at && local-floor(c.at+c.after, 3600) < 3600 {
				return true
			}
		}
		return false
	},
}

var fullRange = rule{
	name:   "a full range is a star",
	reason: "Days that are listed one and all are no restriction; to us only a star says so.",
	respell: func(m *meaning) {
		for _, i := range []int{date, weekday} {
			if !slices.Contains(m.line[i].values(i)[bounds[i][0]:], false) {
				m.line[i] = field{star}
			}
		}
	},
}

var singleValue = rule{
	name:   "a list of times is no fixed time",
	reason: "Only a single time of the day is made up for in a gap and due once in a fold; to us so is every schedule without a star in minute and hour.",
	respell: func(m *meaning) {
		for _, i := range []int{minute, hour} {
			if n := count(m.line[i].values(i)); n > 1 || m.line[i].starred() {
				m.gap, m.fold = schedule.GapSkip, schedule.FoldBoth
			}
		}
	},
}

func count(have []bool) int {
	n := 0
	for _, has := range have {
		if has {
			n++
		}
	}
	return n
}

var oddMidnight = rule{
	name:   "a midnight that is not, or is twice",
	reason: "It looks for a month and a day at midnight, from the month's beginning. Where the clock jumps over one, or shows it twice, it loses the day or the month, or takes another day.",
	excuse: func(s *step) bool {
		return slices.ContainsFunc(s.zone.since(s.prev-32*86400, max(s.want, s.got)), func(c change) bool {
			first, last := c.at+min(c.before, c.after), c.at+max(c.before, c.after)
			return floor(last-1, 86400) >= first || floor(last, 86400) == last
		})
	},
}

var lostDay = rule{
	name:   "a day that is not",
	reason: "Its search never ends if the clock jumps over a whole day (Apia and Fakaofo in 2011, Kiritimati and Kwajalein in the nineties), so it isn't asked about the years before.",
	avoid: func(q query) bool {
		return slices.ContainsFunc(q.zone.since(q.after-86400, horizon), func(c change) bool { return c.after-c.before >= 20*3600 })
	},
}

var overMidnight = rule{
	name:   "a gap into the next day",
	reason: "If the clock jumps into another day, or over one, what was due meanwhile isn't made up for; ours is due once, at the gap's end.",
	excuse: func(s *step) bool {
		return slices.ContainsFunc(s.zone.since(s.prev, s.want), func(c change) bool {
			return c.gap() && c.at == s.want && floor(c.at+c.after, 86400) > c.at+c.before-1
		})
	},
}

var endless = rule{
	name:   "gives up at midnight",
	reason: "Where the clock jumps in the first hour of a day, or over its beginning, its search goes round in circles, and it says so.",
	excuse: func(s *step) bool {
		return s.got == none && slices.ContainsFunc(s.zone.since(s.prev-86400, s.want+86400), func(c change) bool {
			return c.gap() && floor(c.at+c.after, 86400)+3600 > c.at+c.before
		})
	},
}

var secondPass = rule{
	name:   "asked in the second pass of a fold",
	reason: "It is due in the second pass if it is asked then; to us that pass counts for elapsed time alone.",
	excuse: func(s *step) bool {
		return s.zone.inFold(s.got, func(c change) bool { return s.prev >= c.at })
	},
}

var eitherPass = rule{
	name:   "either pass of a fold",
	reason: "It leaves the choice between the two passes to the C library, whose guess is as good as any if neither is summer time (Rio Branco in 2013).",
	excuse: func(s *step) bool {
		return s.zone.inFold(s.got, func(c change) bool { return s.zone.summer(c.at-1) == s.zone.summer(c.at) })
	},
}

var laterPass = rule{
	name:   "the later pass of a long fold",
	reason: "In a fold of two hours (Troll) it starts over at a full hour, for which Go's time.Date takes the second pass.",
	excuse: func(s *step) bool {
		return s.zone.inFold(s.got, func(c change) bool { return c.before-c.after > 3600 && s.prev < c.at })
	},
}

var wideFold = rule{
	name:   "a fold of many hours",
	reason: "It looks three hours around for the other pass; Vostok's clock went back by seven in 1994.",
	excuse: func(s *step) bool {
		return s.zone.inFold(s.got, func(c change) bool { return c.before-c.after > 3*3600 })
	},
}

var winterTime = rule{
	name:   "winter time below zero",
	reason: "Where summer is the standard and winter an hour less (Dublin, Namibia until 2017), the C library's guess misses the rest of the day whose gap ends the winter.",
	excuse: func(s *step) bool {
		return slices.ContainsFunc(s.zone.since(s.prev-86400, max(s.want, s.got)), func(c change) bool {
			return c.gap() && s.zone.summer(c.at-1) && !s.zone.summer(c.at)
		})
	},
}

var longGap = rule{
	name:   "a gap of two hours",
	reason: "It takes a time in the gap (Troll) for one that is as much later, and passes over what is due before that.",
	excuse: func(s *step) bool {
		return s.got > s.want && slices.ContainsFunc(s.zone.since(s.prev-3600, s.want), func(c change) bool {
			return c.after-c.before > 3600 && s.got < c.at+2*(c.after-c.before)
		})
	},
}

var twiceMidnight = rule{
	name:   "a fold with a midnight",
	reason: "Where the clock shows a day's beginning or end twice, the second time counts as well, or alone.",
	excuse: func(s *step) bool {
		return s.zone.inFold(s.got, func(c change) bool { return floor(c.at+c.before, 86400) >= c.at+c.after })
	},
}

var february = rule{
	name:   "the first of March",
	reason: "In February it passes over the first days of March if the 29th, 30th or 31st are listed as well.",
	excuse: func(s *step) bool {
		from, to := time.Unix(s.prev, 0).In(s.zone.location), time.Unix(s.want, 0).In(s.zone.location)
		listed := s.line[date].values(date)
		return from.Month() == time.February && to.Month() == time.March && (listed[29] || listed[30] || listed[31])
	},
}

var zoneData = rule{
	name:   "other zone data",
	reason: "Node has its own, by ICU. Zones in which they don't say what ours do, at each change and every half year, are not compared.",
	avoid:  func(q query) bool { return !q.zone.icu },
}

var halfHour = rule{
	name:   "changes at the half hour",
	reason: "It goes on by whole hours. After a change by half an hour, or at one, it is between two hours, and passes over minutes or the day, stays where it is, or gives up.",
	excuse: func(s *step) bool {
		return slices.ContainsFunc(s.zone.since(s.prev-86400, max(s.want, s.got)+3600), func(c change) bool {
			return (c.at+c.before)%3600 != 0 || (c.at+c.after)%3600 != 0
		})
	},
}

func floor(n, unit int64) int64 { return n - (n%unit+unit)%unit }

var oddSeconds = rule{
	name:   "offsets of whole minutes",
	reason: "It counts in minutes of UTC, and Monrovia was 44 minutes and 30 seconds behind until 7 January 1972.",
	excuse: func(s *step) bool { return s.zone.offset(s.prev)%60 != 0 },
}

var crossing = rule{
	name:   "offset of the start",
	reason: "It adds seconds to its start, and corrects for a clock that has changed meanwhile in some cases alone. Only steps from one offset to the same are compared.",
	excuse: func(s *step) bool { return len(s.zone.since(s.prev, max(s.want, s.got))) > 0 },
}
