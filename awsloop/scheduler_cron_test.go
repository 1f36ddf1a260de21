package awsloop

import (
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/schedule"
)

func TestExpressionNext(t *testing.T) {
	t.Parallel()
	const minute = "2006-01-02 15:04"
	tests := []struct {
		text, zone, after string
		want              []string // in UTC
	}{
		{"cron(30 2 * * ? *)", "Asia/Tokyo", "2026-11-21 00:00", []string{"2026-11-21 17:30", "2026-11-22 17:30"}},
		{"cron(0 0 29 2 ? *)", "", "2096-03-01 00:00", []string{"2104-02-29 00:00", "2108-02-29 00:00"}},
		{"cron(0 0 L * ? *)", "", "2027-01-31 00:00", []string{"2027-02-28 00:00", "2027-03-31 00:00"}},
		{"cron(0 8 1W * ? *)", "", "2026-07-31 00:00", []string{"2026-08-03 08:00", "2026-09-01 08:00"}},
		{"cron(0 8 31W * ? *)", "", "2026-05-01 00:00", []string{"2026-05-29 08:00", "2026-07-31 08:00"}},
		{"cron(0 8 15W * ? *)", "", "2026-08-01 00:00", []string{"2026-08-14 08:00", "2026-09-15 08:00"}},
		{"cron(0 10 ? * 6L *)", "", "2026-11-01 00:00", []string{"2026-11-27 10:00", "2026-12-25 10:00"}},
		{"cron(0 10 ? * L *)", "", "2026-11-22 00:00", []string{"2026-11-28 10:00", "2026-12-05 10:00"}},
		{"cron(0 10 ? * 3#2 *)", "", "2026-11-01 00:00", []string{"2026-11-10 10:00", "2026-12-08 10:00"}},
		{"cron(0 10 ? * 1#5 *)", "", "2026-11-01 00:00", []string{"2026-11-29 10:00", "2027-01-31 10:00"}},
		{"cron(0 10 ? * FRI-MON *)", "", "2026-11-19 10:00", []string{"2026-11-20 10:00", "2026-11-21 10:00", "2026-11-22 10:00", "2026-11-23 10:00", "2026-11-27 10:00"}},
		{"cron(0 20-2 ? * MON-FRI *)", "", "2026-11-20 21:30", []string{"2026-11-20 22:00", "2026-11-20 23:00", "2026-11-23 00:00"}},
		{"cron(0/15 8 1,15 JAN,7 ? 2026-2027)", "", "2026-07-15 08:30", []string{"2026-07-15 08:45", "2027-01-01 08:00"}},
		{"cron(0 0 1/10 * ? *)", "", "2026-11-11 00:00", []string{"2026-11-21 00:00", "2026-12-01 00:00"}},
		{"cron(0 0 30 2 ? *)", "", "2026-01-01 00:00", nil},
		{"cron(0 0 1 1 ? 2025)", "", "2026-01-01 00:00", nil},

		// The gap is skipped, the fold counts once.
		{"cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-28 00:00", []string{"2026-03-28 01:30", "2026-03-30 00:30"}},
		{"cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-24 12:00", []string{"2026-10-25 00:30", "2026-10-26 01:30"}},
		{"cron(30 2 * * ? *)", "America/New_York", "2026-03-07 12:00", []string{"2026-03-09 06:30"}},
		{"cron(30 1 * * ? *)", "America/New_York", "2026-10-31 12:00", []string{"2026-11-01 05:30", "2026-11-02 06:30"}},
		{"cron(15 2 * * ? *)", "Australia/Lord_Howe", "2026-10-02 16:00", []string{"2026-10-04 15:15"}},
		{"cron(45 1 * * ? *)", "Australia/Lord_Howe", "2026-04-04 00:00", []string{"2026-04-04 14:45", "2026-04-05 15:15"}},
		{"cron(0 0 * * ? *)", "Africa/Cairo", "2026-04-23 12:00", []string{"2026-04-24 21:00"}},

		{"rate(1 minute)", "", "2026-01-01 00:00", []string{"2026-01-01 00:01", "2026-01-01 00:02"}},
		{"rate(2 days)", "Europe/Berlin", "2026-03-28 00:00", []string{"2026-03-30 00:00", "2026-04-01 00:00"}},
		{"at(2026-11-01T01:30:00)", "America/New_York", "2026-01-01 00:00", []string{"2026-11-01 05:30"}},
	}
	for _, tt := range tests {
		t.Run(tt.text+" "+tt.zone+" "+tt.after, func(t *testing.T) {
			t.Parallel()
			zone, err := loadZone(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			e, err := parseExpression(tt.text, zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(minute, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			for start, i := at, 0; ; i++ {
				next, ok := e.next(at, start)
				if !ok && len(tt.want) > i || ok && len(tt.want) == 0 {
					t.Fatalf("next after %s: %s, %v", at, next, ok)
				}
				if i >= len(tt.want) {
					return
				}
				if got := next.Format(minute); got != tt.want[i] {
					t.Fatalf("next after %s: %s, want %s", at, got, tt.want[i])
				}
				at = next
			}
		})
	}
}

func TestExpressionRefused(t *testing.T) {
	t.Parallel()
	for text := range strings.SplitSeq(`
garbage
cron(30 2 * * *)
cron(30 2 * * * *)
cron(30 2 ? * ? *)
cron(30 2 1 * MON *)
cron(60 2 * * ? *)
cron(+5 2 * * ? *)
cron(0 24 * * ? *)
cron(0 0 0 * ? *)
cron(0 0 32 * ? *)
cron(0 0 LW * ? *)
cron(0 0 L-3 * ? *)
cron(0 0 1W,15W * ? *)
cron(0 0 ? * 0 *)
cron(0 0 ? * 8 *)
cron(0 0 ? * mon *)
cron(0 0 ? * MON#2 *)
cron(0 0 ? * 2#6 *)
cron(0 0 ? * 2#1,3#2 *)
cron(0 0 ? * 2/2 *)
cron(*/5 * * * ? *)
cron(0-30/5 * * * ? *)
cron(0/0 * * * ? *)
cron(0/60 * * * ? *)
cron(0 0 1 1 ? 1969)
cron(0 0 1 1 ? 2200)
cron(0 0 1 1 ? 2030-2028)
cron(0 0 1 13 ? *)
cron(, * * * ? *)
cron (0 0 1 1 ? *)
CRON(0 0 1 1 ? *)
rate(1 minutes)
rate(2 minute)
rate(0 minutes)
rate(30 seconds)
rate(5  minutes)
rate(999999999 days)
at(2026-11-01T01:30)
at(2026-11-01T01:30:00Z)
at(2026-02-30T01:30:00)
at(2026-03-29T02:30:00)`, "\n") {
		zone, err := loadZone("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseExpression(text, zone); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestLoadZone(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"": true, "UTC": true, "Asia/Tokyo": true, "America/Argentina/Buenos_Aires": true,
		"Mars/Base": false, "Local": false, "../etc/passwd": false, " UTC": false,
	} {
		if _, err := loadZone(name); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestSecondOpinion compares this package's calendar with package schedule's,
// which moves a gap only if told to.
func TestSecondOpinion(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, text := range []string{
		"cron(30 2 * * ? *)", "cron(0 8 1W * ? *)", "cron(0 8 31W * ? *)", "cron(5 1 L * ? *)", "cron(45 1 ? * 1L *)",
		"cron(15 0 ? * 7#5 *)", "cron(0,30 22-3 ? * FRI-MON *)", "cron(7 3 29 2 ? 2024/4)", "cron(59 23 1/9 OCT-MAR ? *)",
		"cron(15 2 ? * SUN *)",
	} {
		for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu"} {
			zone, err := loadZone(name)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := parseExpression(text, zone)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := schedule.Parse(schedule.Spec{Expr: text, Zone: name, Gap: schedule.GapSkip, Fold: schedule.FoldFirst})
			if err != nil {
				t.Fatal(err)
			}
			for at, i := from, 0; i < 400; i++ {
				a, aOK := ours.next(at, from)
				b, bOK := theirs.Next(at)
				if aOK != bOK || !a.Equal(b) {
					t.Fatalf("%s in %s after %s: here %s %v, in package schedule %s %v", text, name, at, a, aOK, b, bOK)
				}
				if at = a; !aOK {
					break
				}
			}
		}
	}
}

func FuzzExpression(f *testing.F) {
	f.Add("cron(30 2 * * ? *)")
	f.Add("cron(0/15 20-2 ? JAN-DEC 6L 2026/4)")
	f.Add("cron(0 0 31W * ? *)")
	f.Add("rate(5 minutes)")
	f.Add("at(2026-11-01T01:30:00)")
	after := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		zone, err := loadZone("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		e, err := parseExpression(text, zone)
		if err != nil {
			return
		}
		if next, ok := e.next(after, after); ok && !next.After(after) {
			t.Errorf("%q: next after %s is %s", text, after, next)
		}
	})
}
