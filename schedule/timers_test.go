package schedule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"pgregory.net/rapid"

	"github.com/solocron/solocron/awsloop"
)

// Each translation, with how often the job is due and its timers ring in 2027.
func TestTimers(t *testing.T) {
	accept := acceptor(t)
	tests := []struct {
		expr, zone, want string
		due, rings       int
	}{
		{"30 2 * * *", "Asia/Tokyo", "cron(30 2 * * ? *) Asia/Tokyo", 365, 365},
		{"30 2 * * *", "", "cron(30 2 * * ? *) UTC", 365, 365},
		{"30 3 * * mon-fri", "Europe/Berlin", "cron(30 3 ? * 2-6 *) Europe/Berlin", 261, 261},
		{"0 0 1 1,7 *", "UTC", "cron(0 0 1 1,7 ? *) UTC", 2, 2},
		{"0 0 * * 0", "UTC", "cron(0 0 ? * 1 *) UTC", 52, 52},
		{"0 0 * * 7,5-6", "UTC", "cron(0 0 ? * 1,6,7 *) UTC", 157, 157},
		{"@monthly", "America/New_York", "cron(0 0 1 * ? *) America/New_York", 12, 12},
		{"@hourly", "UTC", "cron(0 * * * ? *) UTC", 8760, 8760},
		{"* * * * *", "UTC", "cron(* * * * ? *) UTC", 525600, 525600},
		{"*/15 * * * *", "Asia/Tokyo", "cron(0/15 * * * ? *) Asia/Tokyo", 35040, 35040},
		{"*/40 * * * *", "UTC", "cron(0/40 * * * ? *) UTC", 17520, 17520},
		{"10-50/10 1-23/2 2-30/2 2-12/3 *", "UTC", "cron(10/10 1/2 2/2 2/3 ? *) UTC", 3540, 3540},
		{"0-30/10 8-18/2 * * 1-5/2", "UTC", "cron(0,10,20,30 8,10,12,14,16,18 ? * 2,4,6 *) UTC", 3768, 3768},
		{"5,6,7,9,10 4 * * *", "UTC", "cron(5-7,9,10 4 * * ? *) UTC", 1825, 1825},

		// Either day, and both.
		{"0 6 13 * fri", "UTC", "cron(0 6 13 * ? *) UTC, cron(0 6 ? * 6 *) UTC", 64, 65},
		{"0 6 1-31 * fri", "UTC", "cron(0 6 * * ? *) UTC", 365, 365},
		{"0 6 */2 * fri", "UTC", "cron(0 6 ? * 6 *) UTC", 27, 53},
		{"0 6 */10 * 1-5", "UTC", "cron(0 6 1/10 * ? *) UTC", 30, 43},
		{"0 6 */10 * */2", "UTC", "cron(0 6 1/10 * ? *) UTC", 25, 43},

		// AWS's own, of which some are not documented for Scheduler.
		{"cron(0 18 ? * MON-FRI *)", "UTC", "cron(0 18 ? * 2-6 *) UTC", 261, 261},
		{"cron(0 20-2 * * ? *)", "UTC", "cron(0 0-2,20-23 * * ? *) UTC", 2555, 2555},
		{"cron(0 9 ? * 6#5 *)", "UTC", "cron(0 9 ? * 6#5 *) UTC", 5, 5},
		{"cron(0 9 ? * 6L *)", "UTC", "cron(0 9 ? * 6L *) UTC", 12, 12},
		{"cron(0 9 ? * L *)", "UTC", "cron(0 9 ? * 7 *) UTC", 52, 52},
		{"cron(0 9 L * ? *)", "UTC", "cron(0 9 L * ? *) UTC", 12, 12},
		{"cron(0 9 15W * ? *)", "UTC", "cron(0 9 15W * ? *) UTC", 12, 12},
		{"cron(0 9 1W * ? *)", "UTC", "cron(0 9 1-3 * ? *) UTC", 12, 36},
		{"cron(0 9 30W * ? *)", "UTC", "cron(0 9 28-31 * ? *) UTC", 11, 41},
		{"cron(0 9 LW * ? *)", "UTC", "cron(0 9 26-31 * ? *) UTC", 12, 65},
		{"cron(0 9 1 1 ? 2026/4)", "UTC", "cron(0 9 1 1 ? 2026/4) UTC", 0, 0},
		{"cron(0 9 1 1 ? 2026-2030)", "UTC", "cron(0 9 1 1 ? 2026-2030) UTC", 1, 1},

		// By elapsed time, where the clock changes.
		{"* * * * *", "Europe/Berlin", "cron(* * * * ? *) UTC", 525600, 525600},
		{"0 * * * *", "Australia/Lord_Howe", "cron(0/30 * * * ? *) UTC", 8759, 17520},
		{"*/20 * * * *", "Australia/Adelaide", "cron(10/20 * * * ? *) UTC", 26280, 26280},
		{"*/15 9-17 * * mon-fri", "Europe/Berlin", "cron(0/15 7-16 ? * 2-6 *) UTC", 9396, 10440},
		{"*/15 9-17 * * mon-fri", "America/New_York", "cron(0/15 13-22 ? * 2-6 *) UTC", 9396, 10440},
		{"*/15 * * * mon", "America/New_York", "cron(0/15 * ? * 2,3 *) UTC", 4992, 9984},
		{"*/30 0 1 * *", "Europe/Berlin", "cron(0/30 22,23 28-31 * ? *) UTC", 24, 164},
		{"*/30 22 31 12 *", "America/New_York", "cron(0/30 2,3 1 1,12 ? *) UTC", 2, 8},
		{"*/30 22 * 12 *", "America/New_York", "cron(0/30 2,3 * 1,12 ? *) UTC", 62, 248},
		{"cron(0/30 22 L * ? *)", "America/New_York", "cron(0/30 2,3 1,29-31 * ? *) UTC", 24, 164},
		{"cron(0/30 9 LW * ? *)", "America/New_York", "cron(0/30 13,14 26-31 * ? *) UTC", 24, 260},
		{"cron(0/30 9 L * ? *)", "America/New_York", "cron(0/30 13,14 L * ? *) UTC", 24, 48},
		{"cron(0/30 9 ? * 3#2 *)", "America/New_York", "cron(0/30 13,14 ? * 3#2 *) UTC", 24, 48},
		{"cron(0/30 22 ? * 3#2 *)", "America/New_York", "cron(0/30 2,3 ? * 4 *) UTC", 24, 208},
		{"cron(0/30 22 31 12 ? 2026)", "America/New_York", "cron(0/30 2,3 1 1,12 ? 2026,2027) UTC", 2, 8},
		{"cron(0/30 0 1 1 ? 2028)", "Europe/Berlin", "cron(0/30 22,23 28-31 1,12 ? 2027,2028) UTC", 2, 32},
		{"0-59/15 * * * *", "America/Mexico_City", "cron(0/15 * * * ? *) America/Mexico_City", 35040, 35040},

		// Periods.
		{"every 15m", "Europe/Berlin", "cron(0/15 * * * ? *) UTC", 35040, 35040},
		{"every 1m", "UTC", "cron(* * * * ? *) UTC", 525600, 525600},
		{"every 1h", "UTC", "cron(0 * * * ? *) UTC", 8760, 8760},
		{"every 2h", "UTC", "cron(0 0/2 * * ? *) UTC", 4380, 4380},
		{"every 1d", "UTC", "cron(0 0 * * ? *) UTC", 365, 365},
		{"every 1w", "UTC", "cron(0 0 ? * 5 *) UTC", 52, 52},
		{"every 7m", "UTC", "cron(* * * * ? *) UTC", 75086, 525600},
		{"every 90m", "UTC", "cron(0/30 * * * ? *) UTC", 5840, 17520},
		{"every 36h", "UTC", "cron(0 0/12 * * ? *) UTC", 243, 730},
		{"every 2d", "UTC", "cron(0 0 * * ? *) UTC", 182, 365},
		{"every 2w", "UTC", "cron(0 0 ? * 5 *) UTC", 26, 52},
		{"rate(5 minutes)", "Asia/Tokyo", "cron(0/5 * * * ? *) UTC", 105120, 105120},

		// Once.
		{"at(2027-12-24T18:00:00)", "Europe/Berlin", "at(2027-12-24T18:00:00) Europe/Berlin", 1, 1},
		{"at(2019-12-24T18:00:00)", "Europe/Berlin", "at(2019-12-24T18:00:00) Europe/Berlin", 0, 0},
		{"at(2027-03-28T02:30:00)", "Europe/Berlin", "at(2027-03-28T01:00:00) UTC", 1, 1},
		{"at(2027-10-31T02:30:00)", "Europe/Berlin", "at(2027-10-31T00:30:00) UTC", 1, 1},
		{"at(2027-10-31T03:00:00)", "Europe/Berlin", "at(2027-10-31T03:00:00) Europe/Berlin", 1, 1},
		{"at(2027-10-31T01:59:00)", "Europe/Berlin", "at(2027-10-31T01:59:00) Europe/Berlin", 1, 1},

		// Longer than an expression may be.
		{
			"cron(0,2,4,7,9,12,14,17,19,22,24,27,29,32,34,37,39,42,44,47,49,52,54,57 1,3,6,8,11,13,16,18,21,23 1,3,5,8,10,13 * ? 2026/3,2027/5)", "UTC",
			"cron(0,2,4,7,9,12,14,17,19,22,24,27,29,32,34,37,39,42,44,47,49,52,54,57 1,3,6,8,11,13,16,18,21,23 1,3,5,8,10,13 * ? 2026-2197) UTC", 17280, 17280,
		},
	}
	for _, test := range tests {
		t.Run(strings.TrimSpace(test.expr+" "+test.zone), func(t *testing.T) {
			s := parse(t, Spec{Expr: test.expr, Zone: test.zone})
			got := timersOf(t, s)
			var texts []string
			rings := 0
			for _, timer := range got {
				texts = append(texts, timer.Expr+" "+timer.Zone)
				rings += in2027(parse(t, Spec{Expr: timer.Expr, Zone: timer.Zone}))
				accept(t, timer)
			}
			if text := strings.Join(texts, ", "); text != test.want {
				t.Errorf("\ngot  %s\nwant %s", text, test.want)
			}
			if due := in2027(s); due != test.due || rings != test.rings {
				t.Errorf("due %d times, rings %d times; want %d and %d", due, rings, test.due, test.rings)
			}
		})
	}
}

func timersOf(t rapid.TB, s *Schedule) []Timer {
	t.Helper()
	timers, err := s.Timers()
	if err != nil {
		t.Fatal(err)
	}
	return timers
}

func in2027(s *Schedule) int {
	n := 0
	for range s.Between(time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2027, 12, 31, 23, 59, 59, 0, time.UTC)) {
		n++
	}
	return n
}

// What all timers rest on: no zone has a longer name than Scheduler takes, or a
// clock that differs from UTC by more than whole minutes.
func TestTimersOfZones(t *testing.T) {
	for name := range zoneFiles() {
		z, err := findZone(name)
		if err != nil || len(name) > longestZone {
			t.Errorf("%s: %d characters, %v", name, len(name), err)
			continue
		}
		for _, offset := range z.offsets(installed) {
			if offset%60 != 0 {
				t.Errorf("%s is %d s ahead", name, offset)
			}
		}
	}
}

func TestTimersOfSeconds(t *testing.T) {
	for _, expr := range []string{"*/10 * * * * *", "30 0 2 * * *", "every 30s", "every 90s", "at(2027-12-24T18:00:30)"} {
		_, err := parse(t, Spec{Expr: expr}).Timers()
		if err == nil || !strings.Contains(err.Error(), expr) || !strings.Contains(err.Error(), "solocron serve") {
			t.Errorf("%s: %v", expr, err)
		}
	}
	if timers := timersOf(t, parse(t, Spec{Expr: "0 30 2 * * *"})); len(timers) != 1 || timers[0].Expr != "cron(30 2 * * ? *)" {
		t.Errorf("%v", timers)
	}
}

func TestSwept(t *testing.T) {
	tests := []struct {
		expr, zone string
		gap        Gap
		fold       Fold
		want       string
	}{
		{"30 2 * * *", "Europe/Berlin", "", "", "2027-03-28 01:00"},
		{"30 2 * * *", "Europe/Berlin", GapSkip, "", ""},
		{"30 2 * * *", "Europe/Berlin", "", FoldLast, "2027-03-28 01:00, 2027-10-31 01:30"},
		{"0,30 2 * * *", "Europe/Berlin", GapSkip, FoldBoth, "2027-10-31 01:00, 2027-10-31 01:30"},
		{"0,30 2,3 * * *", "Europe/Berlin", "", "", ""}, // 03:00 rings anyway
		{"30 3 * * *", "Europe/Berlin", "", FoldBoth, ""},
		{"*/30 2 * * *", "Europe/Berlin", "", "", ""},
		{"every 1h", "Europe/Berlin", "", FoldBoth, ""},
		{"at(2027-03-28T02:30:00)", "Europe/Berlin", "", "", ""},
		{"30 2 * * *", "Asia/Tokyo", "", FoldBoth, ""},
		{"0 0 * * *", "Africa/Cairo", "", "", "2027-04-29 22:00"},
	}
	for _, test := range tests {
		s := parse(t, Spec{Expr: test.expr, Zone: test.zone, Gap: test.gap, Fold: test.fold})
		var got []string
		for _, due := range s.Swept(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)) {
			got = append(got, due.Format("2006-01-02 15:04"))
		}
		if text := strings.Join(got, ", "); text != test.want {
			t.Errorf("%s gap=%s fold=%s: got %s, want %s", s, test.gap, test.fold, text, test.want)
		}
	}
	s := parse(t, Spec{Expr: "0,30 2 * * *", Zone: "Europe/Berlin", Fold: FoldBoth})
	half := time.Date(2027, 10, 31, 1, 30, 0, 0, time.UTC)
	if got := s.Swept(half, half.Add(time.Minute)); len(got) != 1 || !got[0].Equal(half) {
		t.Errorf("from %s: %v", half, got)
	}
	if got := s.Swept(half.Add(-time.Hour), half); len(got) != 1 || got[0].Equal(half) {
		t.Errorf("until %s: %v", half, got)
	}
}

// acceptor returns a check that the stand-in for Scheduler takes a timer.
func acceptor(t *testing.T) func(rapid.TB, Timer) {
	t.Helper()
	loop := awsloop.New(awsloop.Options{})
	t.Cleanup(func() { loop.Close() })
	awsloop.NewScheduler(loop, awsloop.NewLambda(loop), nil)
	config := loop.Config("us-east-1")
	config.HTTPClient = &http.Client{Transport: loop.RoundTripper()}
	client := scheduler.NewFromConfig(config)
	n := 0
	return func(tb rapid.TB, timer Timer) {
		tb.Helper()
		n++
		_, err := client.CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{
			Name:                       aws.String(fmt.Sprint("timer", n)),
			ScheduleExpression:         &timer.Expr,
			ScheduleExpressionTimezone: &timer.Zone,
			FlexibleTimeWindow:         &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
			Target: &types.Target{
				Arn:     aws.String("arn:aws:lambda:us-east-1:123456789012:function:fn"),
				RoleArn: aws.String("arn:aws:iam::123456789012:role/scheduler"),
			},
		})
		if err != nil {
			tb.Errorf("%s %s: %v", timer.Expr, timer.Zone, err)
		}
	}
}

// TestTimersRing compares the timers of any schedule with its due times, around
// changes of the clock and the ends of months.
func TestTimersRing(t *testing.T) {
	accept := acceptor(t)
	changes := map[string][]time.Time{}
	for _, name := range oddZones {
		location, err := Zone(name)
		if err != nil {
			t.Fatal(err)
		}
		changes[name] = clockChanges(location, 2026, 2045)
	}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(oddZones).Draw(t, "zone")
		change := rapid.SampledFrom(changes[zone]).Draw(t, "change")
		if rapid.Bool().Draw(t, "end of month") {
			change = time.Date(change.Year(), time.Month(rapid.SampledFrom([]int{1, 2, 3, 5}).Draw(t, "month")), 1, 0, 0, 0, 0, time.UTC)
		}
		location, err := Zone(zone)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(Spec{
			Expr: drawExpr(t, wallOf(change, location)),
			Zone: zone,
			Gap:  rapid.SampledFrom([]Gap{GapNext, GapSkip}).Draw(t, "gap"),
			Fold: rapid.SampledFrom([]Fold{FoldFirst, FoldLast, FoldBoth}).Draw(t, "fold"),
		})
		if errors.Is(err, ErrNever) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		from := change.Truncate(time.Minute).Add(-36 * time.Hour)
		to := from.Add(72 * time.Hour)
		rung := map[time.Time]bool{}
		for _, timer := range timersOf(t, s) {
			for _, at := range bell(t, timer).rings(from, to) {
				rung[at] = true
			}
			accept(t, timer)
		}
		swept := s.Swept(from, to)
		for due := range s.Between(from.Add(-time.Second), to.Add(-time.Second)) {
			if rung[due] == slices.ContainsFunc(swept, due.Equal) {
				t.Errorf("%s gap=%s fold=%s: due %s, rung: %v, swept: %v", s, s.gap, s.fold, due, rung[due], swept)
			}
			delete(rung, due)
		}
		if s.elapsed() || s.fold != FoldFirst || strings.ContainsAny(s.text, "LW*") {
			return // may ring more often
		}
		for at := range rung {
			t.Errorf("%s: rings at %s, where it is not due", s, at)
		}
	})
}

// drawExpr makes an expression of any kind, often for the given local time.
func drawExpr(t *rapid.T, near time.Time) string {
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return fmt.Sprintf("every %dm", rapid.SampledFrom([]int{1, 5, 7, 45, 60, 90, 120, 720, 1440, 2160, 2880, 10080, 20160}).Draw(t, "period"))
	case 1:
		return near.Add(time.Duration(rapid.IntRange(-180, 180).Draw(t, "minute")) * time.Minute).Format("at(2006-01-02T15:04:05)")
	case 2:
		minute := rapid.SampledFrom([]string{"*", "0", "30", "0/20", "10,20"}).Draw(t, "minute")
		return fmt.Sprintf("cron(%s %d %s)", minute, rapid.IntRange(0, 23).Draw(t, "hour"), drawDays(t).text)
	case 3: // no stars: exact
		fields := []string{}
		for i, most := range []int{59, 23, 31, 12} {
			a, b := rapid.IntRange(i/2, most).Draw(t, "a"), rapid.IntRange(i/2, most).Draw(t, "b")
			fields = append(fields, fmt.Sprintf("%d-%d", min(a, b), max(a, b)))
		}
		return strings.Join(fields, " ") + " " + rapid.SampledFrom([]string{"1", "0,6", "2-5"}).Draw(t, "weekday")
	}
	return drawCrontab(t, false, near.Hour()).text
}

// The timers of whatever Parse takes are documented expressions, and ring at
// the next due times.
func FuzzTimers(f *testing.F) {
	f.Add("*/5 0~30 1-7 jan,MAR fri-7", "Australia/Lord_Howe", "skip", "both", "12-24..01-02", int64(1_775_000_000))
	f.Add("*/20 * 1 1 *", "Pacific/Chatham", "", "", "", int64(1_775_000_000))
	f.Add("every 1h30m", "America/Sao_Paulo", "", "", "11-03", int64(1_800_000_000))
	f.Add("at(2026-03-29T02:30:00)", "Europe/Berlin", "next", "both", "", int64(1_774_000_000))
	f.Add("cron(0/5 20-2 LW * ? 2026/4)", "Africa/Cairo", "", "last", "", int64(1_900_000_000))
	f.Add("cron(5 10 ? 1/3 FRI#5 2030/7)", "Europe/Dublin", "", "", "", int64(4_000_000_000))
	f.Add("0/1 * ? * * *", "Europe/Dublin", "", "", "", int64(0))
	f.Fuzz(func(t *testing.T, expr, zone, gap, fold, except string, from int64) {
		s, err := Parse(Spec{Expr: expr, Zone: zone, Gap: Gap(gap), Fold: Fold(fold), Except: strings.Fields(except), Seed: expr})
		if err != nil {
			return
		}
		timers, err := s.Timers()
		if err != nil {
			return
		}
		var ringing []*Schedule
		for _, timer := range timers {
			bell(t, timer)
			ringing = append(ringing, parse(t, Spec{Expr: timer.Expr, Zone: timer.Zone, Gap: GapSkip}))
		}
		at := time.Unix(max(from, installed), 0)
		for range 10 {
			due, ok := s.Next(at)
			if !ok {
				break
			}
			rings := slices.ContainsFunc(ringing, func(r *Schedule) bool {
				next, _ := r.Next(due.Add(-time.Second))
				return next.Equal(due)
			})
			if !rings && len(s.Swept(due, due.Add(time.Second))) == 0 {
				t.Fatalf("%s: %v don't ring at %s", s, timers, due)
			}
			at = due
		}
	})
}
