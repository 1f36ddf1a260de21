// Package schedule says when a job is due.
//
// [Parse] reads a crontab(5) line, a line with seconds, a macro such as
// @daily, "every 15m", or AWS's cron(), rate() and at(). [Schedule.Next] gives
// the due times one after the other. Everything here is a pure function of its
// arguments: two processes of one build, anywhere and at any time, find the
// same due times, and that is what makes a due time fit to be a key.
//
// The zone data is part of the binary for the same reason. The machine's own
// copy is never read, because two replicas whose copies differ would hold one
// local time for two different occurrences and run it twice. New rules of a
// country arrive with a new build; [ZoneData] names the release in use.
//
// # Clock changes
//
// A schedule whose minute and hour both don't start with * asks for local
// times, and [Gap] and [Fold] say what happens to one that the clock jumps over
// or shows twice. All others go by elapsed time, as in Debian's cron: they fire
// whenever the clock shows a matching time, so nothing is made up for in a gap
// and both passes of a repeated hour count. "every" and rate() count from
// 1970-01-01T00:00:00Z and know no clock.
//
// # Limits
//
// Due times are whole seconds from 1970 to 2199, the years of AWS's cron().
package schedule

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Spec is what the jobs file says about when.
type Spec struct {
	// Expr is one of
	//
	//	30 2 * * mon-fri       crontab(5): minute hour day month weekday
	//	*/10 30 2 * * *        the same with seconds in front
	//	@daily                 @hourly @daily @midnight @weekly @monthly @yearly @annually
	//	every 1h30m            whole s, m, h, d or w since the Unix epoch
	//	cron(0 18 ? * MON *)   AWS: minute hour day month weekday year
	//	rate(5 minutes)        AWS; as every
	//	at(2026-12-24T18:00:00) AWS; once
	//
	// In a crontab field a~b is one value from a to b that Seed picks.
	Expr   string
	Zone   string   // IANA name; empty for UTC
	Gap    Gap      // empty for GapNext
	Fold   Fold     // empty for FoldFirst
	Except []string // local dates left out: 2026-12-25, 2026-12-24..2027-01-02, every year 12-25 or 12-24..01-02
	Seed   string   // the job's name; one seed always picks the same
}

// Gap says what becomes of a local time that the clock jumps over.
type Gap string

// The policies for a gap.
const (
	GapNext Gap = "next" // due at the first instant after the gap; several of them are due there once
	GapSkip Gap = "skip" // not due at all, as on EventBridge
)

// Fold says what becomes of a local time that the clock shows twice.
type Fold string

// The policies for a fold.
const (
	FoldFirst Fold = "first"
	FoldLast  Fold = "last"
	FoldBoth  Fold = "both" // two due times; at() takes the first alone
)

// ErrNever is wrapped by Parse's error for a schedule without any due time.
var ErrNever = errors.New("never due")

// Schedule gives the due times of one job. It is immutable and safe for
// concurrent use; [Parse] makes it.
type Schedule struct {
	text   string
	zone   *zone
	gap    Gap
	fold   Fold
	except *except // nil for none

	period   int64    // seconds; 0 for a calendar
	calendar calendar // local times, if period is 0
}

// Parse reads a schedule. Its error joins one error for each problem: of the
// expression's fields, the zone, the policies and the exceptions. A past at()
// is no error, as Parse knows no time; a schedule that was never and will never
// be due is [ErrNever] with the reason.
func Parse(spec Spec) (*Schedule, error) {
	s := &Schedule{text: strings.Join(strings.Fields(spec.Expr), " "), gap: spec.Gap, fold: spec.Fold}
	exprErr := s.parseExpr(spec.Seed)
	policyErr := s.checkPolicies()
	var zoneErr, exceptErr error
	s.zone, zoneErr = findZone(spec.Zone)
	s.except, exceptErr = parseExcept(spec.Except)
	if err := errors.Join(exprErr, zoneErr, policyErr, exceptErr); err != nil {
		return nil, err
	}
	s.calendar.except = s.except
	if _, ok := s.next(-1); !ok {
		return nil, s.never()
	}
	return s, nil
}

// parseExpr fills in the period or the calendar.
func (s *Schedule) parseExpr(seed string) (err error) {
	head, args, call := strings.Cut(strings.TrimSuffix(s.text, ")"), "(")
	first, rest, _ := strings.Cut(s.text, " ")
	switch {
	case s.text == "":
		err = errors.New(`empty; write a crontab line such as "30 2 * * *", or "every 15m"`)
	case call && !strings.HasSuffix(s.text, ")"):
		err = fmt.Errorf("%s(...) has to end with )", head)
	case call:
		s.calendar, s.period, err = parseAWS(head, args)
	case strings.HasPrefix(s.text, "@"):
		s.calendar, err = parseMacro(s.text)
	case strings.EqualFold(first, "every"):
		s.period, err = parseEvery(rest)
	default:
		s.calendar, err = parseCrontab(s.text, seed)
	}
	return about(fmt.Sprintf("schedule %q", s.text), err)
}

// about puts the subject in front of err, or of each of the errors it joins.
func about(subject string, err error) error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s: %w", subject, err)
	}
	var errs []error
	for _, err := range joined.Unwrap() {
		errs = append(errs, fmt.Errorf("%s: %w", subject, err))
	}
	return errors.Join(errs...)
}

// checkPolicies fills in the defaults, and what elapsed time means.
func (s *Schedule) checkPolicies() error {
	var gapErr, foldErr error
	switch s.gap {
	case "":
		s.gap = GapNext
	case GapNext, GapSkip:
	default:
		gapErr = fmt.Errorf("dst gap %q: use next or skip", s.gap)
	}
	switch s.fold {
	case "":
		s.fold = FoldFirst
	case FoldFirst, FoldLast, FoldBoth:
	default:
		foldErr = fmt.Errorf("dst fold %q: use first, last or both", s.fold)
	}
	if s.calendar.once && s.fold == FoldBoth {
		s.fold = FoldFirst
	}
	if s.elapsed() {
		s.gap, s.fold = GapSkip, FoldBoth
	}
	return errors.Join(gapErr, foldErr)
}

// elapsed reports whether the schedule goes by elapsed time, so that Gap and
// Fold mean nothing to it.
func (s *Schedule) elapsed() bool { return s.period > 0 || s.calendar.wild }

// never explains why a schedule has no due time, by looking for the one part
// without which it would have one.
func (s *Schedule) never() error {
	why := "no date from 1970 to 2199 fits its day, month and year"
	all := *s
	all.except, all.calendar.except = nil, nil
	moved := *s
	moved.gap = GapNext
	if _, ok := all.next(-1); ok {
		why = "every date that it asks for is in except"
	} else if _, ok := moved.next(-1); ok {
		why = `the clock jumps over every time that it asks for; use dst gap "next"`
	}
	return fmt.Errorf("schedule %q: %w: %s", s.text, ErrNever, why)
}

// Next returns the first due time later than after, in UTC and to the second.
// It is false when the schedule is never due again.
func (s *Schedule) Next(after time.Time) (time.Time, bool) {
	t, ok := s.next(after.Unix())
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(t, 0).UTC(), true
}

func (s *Schedule) next(after int64) (int64, bool) {
	after = min(max(after, -1), lastSecond)
	if s.period > 0 {
		return s.nextPeriod(after)
	}
	return s.nextLocal(after)
}

// Between yields the due times in (after, until], oldest first.
func (s *Schedule) Between(after, until time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for {
			due, ok := s.Next(after)
			if !ok || due.After(until) || !yield(due) {
				return
			}
			after = due
		}
	}
}

// Location is the zone in which the schedule's local times are meant.
func (s *Schedule) Location() *time.Location { return s.zone.location }

// String is the expression and its zone: "30 2 * * * Asia/Tokyo".
func (s *Schedule) String() string { return s.text + " " + s.zone.location.String() }
