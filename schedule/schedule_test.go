package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// parse is Parse for schedules that must be right.
func parse(t testing.TB, spec Spec) *Schedule {
	t.Helper()
	s, err := Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func utc(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateTime, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// local shows the due times in (after, until] in the schedule's zone, without
// their seconds when those are zero.
func local(t testing.TB, s *Schedule, after, until string) string {
	t.Helper()
	var shown []string
	for due := range s.Between(utc(t, after), utc(t, until)) {
		text := due.In(s.Location()).Format("01-02 15:04:05")
		shown = append(shown, strings.TrimSuffix(text, ":00"))
	}
	return strings.Join(shown, ", ")
}

func TestGrammar(t *testing.T) {
	const after, year, long = "2026-01-01 00:00:00", "2026-12-31 23:59:59", "2200-01-01 00:00:00"
	tests := []struct{ expr, until, want string }{
		{"30 2 * * *", "2026-01-03 12:00:00", "01-01 02:30, 01-02 02:30, 01-03 02:30"},
		{"0,30 9-17/4 * * *", "2026-01-01 18:00:00", "01-01 09:00, 01-01 09:30, 01-01 13:00, 01-01 13:30, 01-01 17:00, 01-01 17:30"},
		{"*/20 1 * * *", "2026-01-02 00:00:00", "01-01 01:00, 01-01 01:20, 01-01 01:40"},
		{"0 12 * JAN,mar Mon", "2026-03-03 00:00:00", "01-05 12:00, 01-12 12:00, 01-19 12:00, 01-26 12:00, 03-02 12:00"},
		{"0 0 * * 7", "2026-01-12 00:00:00", "01-04 00:00, 01-11 00:00"},
		{"0 0 * * fri-7", "2026-01-10 00:00:00", "01-02 00:00, 01-03 00:00, 01-04 00:00, 01-09 00:00, 01-10 00:00"},
		{"0 0 13 * fri", "2026-01-17 00:00:00", "01-02 00:00, 01-09 00:00, 01-13 00:00, 01-16 00:00"}, // either
		{"0 0 */13 * fri", "2026-12-31 00:00:00", "02-27 00:00, 03-27 00:00, 05-01 00:00, 08-14 00:00, 11-27 00:00"},
		{"0 0 1-7 * *", "2026-01-03 00:00:00", "01-02 00:00, 01-03 00:00"},
		{"0 0 31 * *", year, "01-31 00:00, 03-31 00:00, 05-31 00:00, 07-31 00:00, 08-31 00:00, 10-31 00:00, 12-31 00:00"},
		{"0 0 29 2 *", "2033-01-01 00:00:00", "02-29 00:00, 02-29 00:00"},
		{"*/20 59 23 31 12 *", "2027-01-01 00:00:00", "12-31 23:59, 12-31 23:59:20, 12-31 23:59:40"},
		{"@hourly", "2026-01-01 02:00:00", "01-01 01:00, 01-01 02:00"},
		{"@daily", "2026-01-02 12:00:00", "01-02 00:00"},
		{"@midnight", "2026-01-02 12:00:00", "01-02 00:00"},
		{"@Weekly", "2026-01-12 00:00:00", "01-04 00:00, 01-11 00:00"},
		{"@monthly", "2026-03-02 00:00:00", "02-01 00:00, 03-01 00:00"},
		{"@yearly", "2028-01-01 00:00:00", "01-01 00:00, 01-01 00:00"},
		{"@annually", "2027-06-01 00:00:00", "01-01 00:00"},

		{"every 15m", "2026-01-01 00:30:00", "01-01 00:15, 01-01 00:30"},
		{"every 1h30m", "2026-01-01 04:00:00", "01-01 01:30, 01-01 03:00"},
		{"every 90 minutes", "2026-01-01 04:00:00", "01-01 01:30, 01-01 03:00"},
		{"Every  2 hours", "2026-01-01 04:00:00", "01-01 02:00, 01-01 04:00"},
		{"every day", "2026-01-02 04:00:00", "01-02 00:00"},
		{"every 1s", "2026-01-01 00:00:02", "01-01 00:00:01, 01-01 00:00:02"},
		{"every 1w", "2026-01-15 00:00:00", "01-08 00:00, 01-15 00:00"}, // Thursdays, as 1970-01-01 was one

		{"rate(1 hour)", "2026-01-01 02:00:00", "01-01 01:00, 01-01 02:00"},
		{"rate(5 minutes)", "2026-01-01 00:10:00", "01-01 00:05, 01-01 00:10"},
		{"rate(2 days)", "2026-01-06 00:00:00", "01-03 00:00, 01-05 00:00"},
		{"at(2026-12-24T18:00:01)", long, "12-24 18:00:01"},
		{"at(2025-12-24T18:00:00)", long, ""},

		{"cron(0 10 * * ? *)", "2026-01-02 12:00:00", "01-01 10:00, 01-02 10:00"},
		{"cron(15 12 ? * 1 *)", "2026-01-12 00:00:00", "01-04 12:15, 01-11 12:15"},
		{"cron(0 18 ? * MON-FRI *)", "2026-01-05 23:00:00", "01-01 18:00, 01-02 18:00, 01-05 18:00"},
		{"cron(0 0 ? * SAT-MON *)", "2026-01-06 00:00:00", "01-03 00:00, 01-04 00:00, 01-05 00:00"},
		{"cron(0/20 8-9 1 * ? *)", "2026-01-02 00:00:00", "01-01 08:00, 01-01 08:20, 01-01 08:40, 01-01 09:00, 01-01 09:20, 01-01 09:40"},
		{"cron(0 20-2 1 1 ? 2026)", "2026-01-02 00:00:00", "01-01 01:00, 01-01 02:00, 01-01 20:00, 01-01 21:00, 01-01 22:00, 01-01 23:00"},
		{"cron(0 20-2/3 2 1 ? 2026)", long, "01-02 02:00, 01-02 20:00, 01-02 23:00"},
		{"cron(0 0 1/10 1 ? 2026)", long, "01-11 00:00, 01-21 00:00, 01-31 00:00"},
		{"cron(0 0 L * ? 2026-2028/2)", "2026-04-01 00:00:00", "01-31 00:00, 02-28 00:00, 03-31 00:00"},
		{"cron(0 0 L FEB ? 2026/2)", "2029-01-01 00:00:00", "02-28 00:00, 02-29 00:00"},
		{"cron(0 0 LW * ? *)", "2026-06-01 00:00:00", "01-30 00:00, 02-27 00:00, 03-31 00:00, 04-30 00:00, 05-29 00:00"},
		{"cron(0 0 1W * ? *)", "2026-04-02 00:00:00", "02-02 00:00, 03-02 00:00, 04-01 00:00"},
		{"cron(0 0 1W 8 ? 2026)", long, "08-03 00:00"},  // the 1st is a Saturday
		{"cron(0 0 31W 5 ? 2026)", long, "05-29 00:00"}, // the 31st is a Sunday
		{"cron(0 0 31W 4,10 ? 2026)", long, "10-30 00:00"},
		{"cron(0 0 3W 1 ? 2026)", long, "01-02 00:00"}, // a Saturday, so the day before
		{"cron(0 0 ? * 3#2 *)", "2026-02-28 00:00:00", "01-13 00:00, 02-10 00:00"},
		{"cron(0 0 ? * FRI#5 *)", "2026-06-01 00:00:00", "01-30 00:00, 05-29 00:00"},
		{"cron(0 0 ? * 6L *)", "2026-03-01 00:00:00", "01-30 00:00, 02-27 00:00"},
		{"cron(0 0 ? * L *)", "2026-01-10 00:00:00", "01-03 00:00, 01-10 00:00"},
		{"cron(0 0 1 JAN ? 2199)", long, "01-01 00:00"},
	}
	for _, test := range tests {
		t.Run(test.expr, func(t *testing.T) {
			s := parse(t, Spec{Expr: test.expr})
			if got := local(t, s, after, test.until); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestNextIsStrictlyLater(t *testing.T) {
	s := parse(t, Spec{Expr: "* * * * *"})
	tests := []struct{ after, want string }{
		{"2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"},
		{"2026-01-01T00:00:59.999999999Z", "2026-01-01T00:01:00Z"},
		{"2026-01-01T00:01:00.5Z", "2026-01-01T00:02:00Z"},
		{"2026-01-01T09:00:00+09:00", "2026-01-01T00:01:00Z"},
		{"0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
		{"1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z"},
		{"2199-12-31T23:59:00Z", ""},
		{"9999-12-31T23:59:00Z", ""},
	}
	for _, test := range tests {
		after, err := time.Parse(time.RFC3339Nano, test.after)
		if err != nil {
			t.Fatal(err)
		}
		due, ok := s.Next(after)
		if got := due.Format(time.RFC3339Nano); ok != (test.want != "") || ok && got != test.want {
			t.Errorf("after %s: %s %t, want %s", test.after, got, ok, test.want)
		}
	}
}

func TestBetweenStopsWhenAsked(t *testing.T) {
	s := parse(t, Spec{Expr: "every 1s"})
	n := 0
	for range s.Between(time.Unix(0, 0), time.Unix(1e9, 0)) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d due times after break", n)
	}
}

func TestRandomSpread(t *testing.T) {
	minutes := map[int]int{}
	for i := range 600 {
		s := parse(t, Spec{Expr: "~ 8~17 * * *", Seed: fmt.Sprintf("job-%d", i)})
		due, _ := s.Next(utc(t, "2026-01-01 00:00:00"))
		if h := due.Hour(); h < 8 || h > 17 {
			t.Fatalf("8~17 gave hour %d", h)
		}
		minutes[due.Minute()]++
	}
	if len(minutes) != 60 {
		t.Errorf("600 jobs share %d minutes of 60", len(minutes))
	}
	// The picks are part of every job's identity: a new build may not move them.
	s := parse(t, Spec{Expr: "~ 8~17 ~ ~ *", Seed: "nightly"})
	if got := local(t, s, "2026-01-01 00:00:00", "2026-12-31 00:00:00"); got != "11-11 10:42" {
		t.Errorf("seed nightly moved to %s", got)
	}
}

func TestJitter(t *testing.T) {
	due := utc(t, "2026-01-01 00:00:00")
	const most = 10 * time.Minute
	var sum time.Duration
	for i := range 1000 {
		j := Jitter("job", due.Add(time.Duration(i)*time.Hour), most)
		if j < 0 || j >= most || j%time.Millisecond != 0 {
			t.Fatalf("jitter %s", j)
		}
		sum += j
	}
	if mean := sum / 1000; mean < 4*time.Minute || mean > 6*time.Minute {
		t.Errorf("mean jitter %s of %s", mean, most)
	}
	if Jitter("job", due, most) != Jitter("job", due.Local(), most) || Jitter("job", due, 0) != 0 || Jitter("job", due, -1) != 0 {
		t.Error("jitter depends on more than its arguments, or isn't zero for none")
	}
}

func TestExcept(t *testing.T) {
	tests := []struct {
		spec  Spec
		until string
		want  string
	}{
		{Spec{Expr: "0 9 * * *", Except: []string{"2026-12-25"}}, "2026-12-27 00:00:00", "12-24 09:00, 12-26 09:00"},
		{Spec{Expr: "0 9 * * *", Except: []string{"12-24..12-26", "2026-12-28"}}, "2026-12-30 00:00:00", "12-27 09:00, 12-29 09:00"},
		{Spec{Expr: "0 9 * * *", Except: []string{"2026-12-24..2027-01-02"}}, "2027-01-04 00:00:00", "01-03 09:00"},
		{Spec{Expr: "0 9 * * *", Except: []string{"12-25..01-03"}}, "2027-01-04 10:00:00", "12-24 09:00, 01-04 09:00"},
		{Spec{Expr: "every 12h", Except: []string{"2026-12-25"}}, "2026-12-27 00:00:00", "12-24 12:00, 12-26 00:00, 12-26 12:00, 12-27 00:00"},
		{Spec{Expr: "rate(12 hours)", Except: []string{"2026-12-25"}, Zone: "Asia/Tokyo"}, "2026-12-26 12:00:00", "12-24 21:00, 12-26 09:00, 12-26 21:00"},
		{Spec{Expr: "0 1 * * *", Except: []string{"2026-12-25"}, Zone: "Asia/Tokyo"}, "2026-12-26 23:00:00", "12-26 01:00, 12-27 01:00"},
		{Spec{Expr: "at(2026-12-25T09:00:00)", Except: []string{"02-29"}}, "2027-01-01 00:00:00", "12-25 09:00"},
	}
	for _, test := range tests {
		t.Run(test.spec.Expr+" "+strings.Join(test.spec.Except, " "), func(t *testing.T) {
			if got := local(t, parse(t, test.spec), "2026-12-24 00:00:00", test.until); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestFault50NeverDue(t *testing.T) {
	for _, spec := range []Spec{
		{Expr: "0 0 30 2 *"},
		{Expr: "0 0 31 4,6,9,11 *"},
		{Expr: "cron(0 0 29 2 ? 2027)"},
		{Expr: "0 0 25 12 *", Except: []string{"12-25"}},
		{Expr: "every 15m", Except: []string{"01-01..12-31"}},
		{Expr: "at(2026-03-29T02:30:00)", Zone: "Europe/Berlin", Gap: GapSkip},
	} {
		if _, err := Parse(spec); !errors.Is(err, ErrNever) {
			t.Errorf("%+v: %v", spec, err)
		}
	}
}

func TestString(t *testing.T) {
	s := parse(t, Spec{Expr: "  30 2 \t* * * ", Zone: "Asia/Tokyo"})
	if got := s.String(); got != "30 2 * * * Asia/Tokyo" {
		t.Error(got)
	}
}

func TestParseReportsEveryProblem(t *testing.T) {
	_, err := Parse(Spec{Expr: "61 25 * * *", Zone: "Mars/Base", Gap: "jump", Fold: "twice", Except: []string{"soon", "13-01"}})
	problems := strings.Split(err.Error(), "\n")
	for _, want := range []string{"minute", "hour", "Mars/Base", "gap", "fold", "soon", "13-01"} {
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("no problem names %q:\n%v", want, err)
		}
	}
	if len(problems) != 7 {
		t.Errorf("%d problems:\n%v", len(problems), err)
	}
}
