package schedule

import (
	"testing"
	"time"
)

// Whatever Parse takes has a first due time, and each is later than the last.
func FuzzParse(f *testing.F) {
	f.Add("30 2 * * *", "Asia/Tokyo", "next", "first", "2026-12-25", int64(1_790_000_000))
	f.Add("*/5 0~30 1-7 jan,MAR fri-7", "Australia/Lord_Howe", "skip", "both", "12-24..01-02", int64(1_775_000_000))
	f.Add("*/10 0 0 29 2 */7", "Pacific/Apia", "", "last", "2026-12-24..2027-01-02", int64(-1))
	f.Add("every 1h30m", "America/Sao_Paulo", "", "", "11-03", int64(1_541_000_000))
	f.Add("rate(5 minutes)", "UTC", "", "", "02-29", int64(0))
	f.Add("at(2026-03-29T02:30:00)", "Europe/Berlin", "next", "both", "01-01", int64(0))
	f.Add("cron(0/5 20-2 LW * ? 2026/4)", "Africa/Cairo", "", "", "01-01", int64(0))
	f.Add("cron(0 10 ? * FRI#5 *)", "Europe/Dublin", "", "", "01-01", int64(0))
	f.Add("cron(0 10 ? * #)", "Local", "", "", "..", int64(0))
	f.Add("@daily", "../x", "?", "?", "2026-02-30", int64(0))
	f.Fuzz(func(t *testing.T, expr, zone, gap, fold, except string, from int64) {
		s, err := Parse(Spec{Expr: expr, Zone: zone, Gap: Gap(gap), Fold: Fold(fold), Except: []string{except}, Seed: expr})
		if err != nil {
			return
		}
		if _, ok := s.Next(time.Unix(-1, 0)); !ok {
			t.Fatalf("%s: never due, and Parse took it", s)
		}
		at := time.Unix(from, 0)
		for range 10 {
			due, ok := s.Next(at)
			if !ok {
				break
			}
			if !due.After(at) || due.Year() < 1969 || due.Year() > 2200 || due.Nanosecond() != 0 {
				t.Fatalf("%s: after %s comes %s", s, at, due)
			}
			at = due
		}
		s.Changes(time.Unix(from, 0), time.Unix(from, 0).AddDate(1, 0, 0))
	})
}
