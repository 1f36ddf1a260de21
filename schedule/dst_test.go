package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// dueIn gives the due times from a date's midnight UTC to that of another, each
// with the zone's abbreviation.
func dueIn(t *testing.T, spec Spec, after, until string) string {
	t.Helper()
	s := parse(t, spec)
	var shown []string
	for due := range s.Between(utc(t, after+" 00:00:00"), utc(t, until+" 00:00:00")) {
		shown = append(shown, due.In(s.Location()).Format("2 15:04 MST"))
	}
	return strings.Join(shown, ", ")
}

// A gapCase is a schedule around a gap: what is due if the gap's due times run
// after it, and what if they are skipped.
type gapCase struct {
	name, zone, expr, after, until string
	next, skip                     string
}

func TestFault44GapInTheClock(t *testing.T) {
	checkGaps(t, []gapCase{
		{
			"Berlin loses 02:00 to 03:00", "Europe/Berlin", "30 2 * * *", "2026-03-28", "2026-03-30",
			"28 02:30 CET, 29 03:00 CEST", "28 02:30 CET",
		},
		{
			"several in the gap run once", "Europe/Berlin", "0-59/10 2 29 3 *", "2026-03-28", "2026-03-30",
			"29 03:00 CEST", "",
		},
		{
			"the gap's end is due anyway", "Europe/Berlin", "30 2,3 29 3 *", "2026-03-28", "2026-03-30",
			"29 03:00 CEST, 29 03:30 CEST", "29 03:30 CEST",
		},
		{
			"not doubled", "Europe/Berlin", "0,30 2,3 29 3 *", "2026-03-28", "2026-03-30",
			"29 03:00 CEST, 29 03:30 CEST", "29 03:00 CEST, 29 03:30 CEST",
		},
		{
			"New York loses 02:00 to 03:00", "America/New_York", "5 2 8 3 *", "2026-03-08", "2026-03-09",
			"8 03:00 EDT", "",
		},
		{
			"Lord Howe loses 02:00 to 02:30", "Australia/Lord_Howe", "15,45 2 4 10 *", "2026-10-03", "2026-10-05",
			"4 02:30 +11, 4 02:45 +11", "4 02:45 +11",
		},
		{
			"Troll loses two hours", "Antarctica/Troll", "0 1,2 29 3 *", "2026-03-28", "2026-03-30",
			"29 03:00 +02", "",
		},
		{
			"Dublin's summer is its standard", "Europe/Dublin", "30 1 29 3 *", "2026-03-28", "2026-03-30",
			"29 02:00 IST", "",
		},
		{
			"Monrovia lost 44 minutes and a half", "Africa/Monrovia", "30 0 7 1 *", "1972-01-06", "1972-01-08",
			"7 00:44 GMT", "",
		},
		{
			"AWS's cron too", "Europe/Berlin", "cron(30 2 29 3 ? *)", "2026-03-28", "2026-03-30",
			"29 03:00 CEST", "",
		},
		{
			"at too", "Europe/Berlin", "at(2027-03-28T02:30:00)", "2027-03-27", "2027-03-30",
			"28 03:00 CEST", "never",
		},
		{
			"a minute with a star goes by elapsed time", "Europe/Berlin", "*/30 1,2,3 29 3 *", "2026-03-28", "2026-03-30",
			"29 01:00 CET, 29 01:30 CET, 29 03:00 CEST, 29 03:30 CEST", "29 01:00 CET, 29 01:30 CET, 29 03:00 CEST, 29 03:30 CEST",
		},
	})
}

// A midnight or a whole day that a zone leaves out is made up for once.
func TestFault47LostMidnight(t *testing.T) {
	checkGaps(t, []gapCase{
		{
			"Cairo loses a midnight", "Africa/Cairo", "0 0 * * *", "2026-04-22", "2026-04-25",
			"23 00:00 EET, 24 01:00 EEST, 25 00:00 EEST", "23 00:00 EET, 25 00:00 EEST",
		},
		{
			"Sao Paulo lost a midnight", "America/Sao_Paulo", "0 0 * * *", "2018-11-03", "2018-11-06",
			"3 00:00 -03, 4 01:00 -02, 5 00:00 -02", "3 00:00 -03, 5 00:00 -02",
		},
		{
			"Apia lost a day", "Pacific/Apia", "0 9,17 30,31 12 *", "2011-12-30", "2012-01-01",
			"31 00:00 +14, 31 09:00 +14, 31 17:00 +14", "31 09:00 +14, 31 17:00 +14",
		},
	})
}

func checkGaps(t *testing.T, tests []gapCase) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := Spec{Expr: test.expr, Zone: test.zone}
			if got := dueIn(t, spec, test.after, test.until); got != test.next {
				t.Errorf("next: got  %s\n      want %s", got, test.next)
			}
			spec.Gap = GapSkip
			if _, err := Parse(spec); test.skip == "never" {
				if err == nil {
					t.Error("skip: the only due time is in a gap, and Parse took it")
				}
				return
			}
			if got := dueIn(t, spec, test.after, test.until); got != test.skip {
				t.Errorf("skip: got  %s\n      want %s", got, test.skip)
			}
		})
	}
}

func TestFault45Fold(t *testing.T) {
	tests := []struct {
		name, zone, expr, after, until string
		first, last, both              string
	}{
		{
			"Berlin shows 02:00 to 03:00 twice", "Europe/Berlin", "30 2 * * *", "2026-10-24", "2026-10-26",
			"24 02:30 CEST, 25 02:30 CEST", "24 02:30 CEST, 25 02:30 CET", "24 02:30 CEST, 25 02:30 CEST, 25 02:30 CET",
		},
		{
			"the edges", "Europe/Berlin", "0 2,3 25 10 *", "2026-10-24", "2026-10-26",
			"25 02:00 CEST, 25 03:00 CET", "25 02:00 CET, 25 03:00 CET", "25 02:00 CEST, 25 02:00 CET, 25 03:00 CET",
		},
		{
			"New York shows 01:00 to 02:00 twice", "America/New_York", "0 1 1 11 *", "2026-10-31", "2026-11-02",
			"1 01:00 EDT", "1 01:00 EST", "1 01:00 EDT, 1 01:00 EST",
		},
		{
			"Lord Howe shows half an hour twice", "Australia/Lord_Howe", "15,45 1 5 4 *", "2026-04-04", "2026-04-06",
			"5 01:15 +11, 5 01:45 +11", "5 01:15 +11, 5 01:45 +1030", "5 01:15 +11, 5 01:45 +11, 5 01:45 +1030",
		},
		{
			"Sao Paulo showed the end of a day twice", "America/Sao_Paulo", "30 23 * * *", "2018-02-18", "2018-02-20",
			"17 23:30 -02, 18 23:30 -03", "17 23:30 -03, 18 23:30 -03", "17 23:30 -02, 17 23:30 -03, 18 23:30 -03",
		},
		{
			"Dublin's winter is its summer time", "Europe/Dublin", "30 1 25 10 *", "2026-10-24", "2026-10-26",
			"25 01:30 IST", "25 01:30 GMT", "25 01:30 IST, 25 01:30 GMT",
		},
		{
			"Troll shows two hours twice", "Antarctica/Troll", "30 1,2 25 10 *", "2026-10-24", "2026-10-26",
			"25 01:30 +02, 25 02:30 +02", "25 01:30 +00, 25 02:30 +00", "25 01:30 +02, 25 02:30 +02, 25 01:30 +00, 25 02:30 +00",
		},
		{
			"at runs once in any case", "Europe/Berlin", "at(2026-10-25T02:30:00)", "2026-10-24", "2026-10-26",
			"25 02:30 CEST", "25 02:30 CET", "25 02:30 CEST",
		},
		{
			"a star goes by elapsed time", "Europe/Berlin", "*/30 2 25 10 *", "2026-10-24", "2026-10-26",
			"25 02:00 CEST, 25 02:30 CEST, 25 02:00 CET, 25 02:30 CET", "25 02:00 CEST, 25 02:30 CEST, 25 02:00 CET, 25 02:30 CET", "25 02:00 CEST, 25 02:30 CEST, 25 02:00 CET, 25 02:30 CET",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for fold, want := range map[Fold]string{FoldFirst: test.first, FoldLast: test.last, FoldBoth: test.both} {
				spec := Spec{Expr: test.expr, Zone: test.zone, Fold: fold}
				if got := dueIn(t, spec, test.after, test.until); got != want {
					t.Errorf("%s: got  %s\nwant %s", fold, got, want)
				}
			}
		})
	}
}

// A job that goes by elapsed time never notices a change of the clock.
func TestFault46ElapsedTime(t *testing.T) {
	for _, expr := range []string{"*/30 * * * *", "every 30m", "rate(30 minutes)", "cron(0/30 * * * ? *)", "cron(*/30 0/1 * * ? *)"} {
		s := parse(t, Spec{Expr: expr, Zone: "America/New_York", Fold: FoldLast})
		for _, date := range []string{"2026-03-08", "2026-11-01"} {
			at := utc(t, date+" 00:00:00")
			for range 96 {
				due, ok := s.Next(at)
				if !ok || due.Sub(at) != 30*time.Minute {
					t.Fatalf("%s: after %s comes %s", expr, at, due)
				}
				at = due
			}
		}
	}
}

func TestExceptAcrossChanges(t *testing.T) {
	// The date that counts is the one the schedule asks for, not the one on
	// which a skipped time runs.
	asked := Spec{Expr: "0 9 * * *", Zone: "Pacific/Apia", Except: []string{"2011-12-30"}}
	if got := dueIn(t, asked, "2011-12-30", "2012-01-01"); got != "31 09:00 +14, 1 09:00 +14" {
		t.Error(got)
	}
	// Where midnight is missing, the day after the exception begins later.
	period := Spec{Expr: "every 30m", Zone: "America/Sao_Paulo", Except: []string{"2018-11-03"}}
	s := parse(t, period)
	due, _ := s.Next(utc(t, "2018-11-03 12:00:00"))
	if got := due.In(s.Location()).Format("2 15:04 MST"); got != "4 01:00 -02" {
		t.Error(got)
	}
}

func TestChanges(t *testing.T) {
	from, to := utc(t, "2026-01-01 00:00:00"), utc(t, "2027-01-01 00:00:00")
	tests := []struct {
		spec Spec
		want []string
	}{
		{Spec{Expr: "30 2 * * *"}, nil},
		{Spec{Expr: "30 2 * * *", Zone: "Asia/Tokyo"}, nil},
		{Spec{Expr: "30 2 * * *", Zone: "Europe/Berlin"}, []string{
			"2026-03-29T01:00:00Z: 2026-03-29 02:00:00 CET, 2026-03-29 03:00:00 CEST: 1 [2026-03-29 02:30:00] skipped by the clock; runs once, at 2026-03-29 03:00:00 CEST",
			"2026-10-25T01:00:00Z: 2026-10-25 03:00:00 CEST, 2026-10-25 02:00:00 CET: 1 [2026-10-25 02:30:00] happens twice; runs at the first, in CEST",
		}},
		{Spec{Expr: "30 2 * * *", Zone: "Europe/Berlin", Gap: GapSkip, Fold: FoldLast}, []string{
			"2026-03-29T01:00:00Z: 2026-03-29 02:00:00 CET, 2026-03-29 03:00:00 CEST: 1 [2026-03-29 02:30:00] skipped by the clock; does not run",
			"2026-10-25T01:00:00Z: 2026-10-25 03:00:00 CEST, 2026-10-25 02:00:00 CET: 1 [2026-10-25 02:30:00] happens twice; runs at the second, in CET",
		}},
		{Spec{Expr: "0 3 * 3 *", Zone: "Europe/Berlin", Fold: FoldBoth}, []string{
			"2026-03-29T01:00:00Z: 2026-03-29 02:00:00 CET, 2026-03-29 03:00:00 CEST: 0 [] touches no due time",
			"2026-10-25T01:00:00Z: 2026-10-25 03:00:00 CEST, 2026-10-25 02:00:00 CET: 0 [] touches no due time",
		}},
		{Spec{Expr: "*/30 * * * *", Zone: "Australia/Lord_Howe"}, []string{
			"2026-04-04T15:00:00Z: 2026-04-05 02:00:00 +11, 2026-04-05 01:30:00 +1030: 1 [2026-04-05 01:30:00] happens twice; runs both times",
			"2026-10-03T15:30:00Z: 2026-10-04 02:00:00 +1030, 2026-10-04 02:30:00 +11: 1 [2026-10-04 02:00:00] skipped by the clock; not made up for, as the schedule goes by elapsed time",
		}},
		{Spec{Expr: "every 5m", Zone: "Europe/Berlin"}, []string{
			"2026-03-29T01:00:00Z: 2026-03-29 02:00:00 CET, 2026-03-29 03:00:00 CEST: 0 [] not touched: goes by elapsed time",
			"2026-10-25T01:00:00Z: 2026-10-25 03:00:00 CEST, 2026-10-25 02:00:00 CET: 0 [] not touched: goes by elapsed time",
		}},
	}
	for _, test := range tests {
		t.Run(test.spec.Expr+" "+test.spec.Zone, func(t *testing.T) {
			var got []string
			for _, c := range parse(t, test.spec).Changes(from, to) {
				got = append(got, c.At.Format(time.RFC3339)+": "+fmt.Sprintf("%s, %s: %d %v %s", c.Before, c.After, c.Count, c.Walls, c.What))
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}
