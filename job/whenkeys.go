package job

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/solocron/solocron/schedule"
)

var dstShape = object("{gap, fold}",
	key("gap", "For a local time that the clock jumps over: next runs at the first instant after it, skip does not run.",
		oneOf(schedule.GapNext, schedule.GapSkip), func(s *schedule.Spec) *schedule.Gap { return &s.Gap }).or("next"),
	key("fold", "For a local time that the clock shows twice.",
		oneOf(schedule.FoldFirst, schedule.FoldLast, schedule.FoldBoth), func(s *schedule.Spec) *schedule.Fold { return &s.Fold }).or("first"),
)

// expression is a schedule without spare blanks, so that a change of blanks is
// none of the job. What it says is checked when the zone and so on are known.
var expression = parsed(`a schedule like "30 2 * * *"`, schema{"minLength": 1}, func(s string) (string, error) {
	return strings.Join(strings.Fields(s), " "), nil
})

// date is one date, or a range of them.
var date = parsed("a date like 2026-12-25", schema{}, func(s string) (string, error) {
	_, err := schedule.Parse(schedule.Spec{Expr: "@daily", Except: []string{s}})
	if err == nil || errors.Is(err, schedule.ErrNever) { // every day of the year: for the jobs to find out
		return s, nil
	}
	return "", cmp.Or(errors.Unwrap(separate(err)[0]), err)
})

// exceptShape reads dates, and names of calendars as the calendars' dates.
var exceptShape = shape[[]string]{kind: list, want: "a list of dates and calendars", remedy: several("", date).remedy,
	schema: schema{"type": "array", "items": schema{"type": "string"}},
	read: func(d *decoder, n *node, into *[]string) {
		*into = nil
		for _, item := range n.items {
			*into = append(*into, d.dates(item)...)
		}
	}}

// dates returns the dates that an item of except stands for.
func (d *decoder) dates(item *node) []string {
	known := d.document.calendars
	if dates, ok := known[item.text]; ok && item.kind == text {
		return dates
	}
	if item.kind == text && calendarForm.MatchString(item.text) {
		d.report(item.at, didYouMean(item.text, slices.Sorted(maps.Keys(known))), "except: there is no calendar %q", clip(item.text))
		return nil
	}
	before := len(d.problems)
	var one string
	if date.decode(d, item, &one); len(d.problems) > before {
		return nil
	}
	return []string{one}
}

// checkSchedule reports each of the schedule's problems at the schedule. Zone
// and dates were checked where they stand, so what is left is its own.
func checkSchedule(d *decoder, n *node, j *Job) {
	at := n.get("schedule")
	if at == nil || at.kind != text {
		return
	}
	_, err := schedule.Parse(j.When)
	for _, err := range separate(err) {
		d.report(at.at, "", "%v", err)
	}
}

// separate takes joined errors apart.
func separate(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, separate(err)...)
	}
	return all
}
