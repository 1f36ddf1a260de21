package schedule

import (
	"fmt"
	"testing"
	"time"
)

var benchmarks = []string{
	"30 2 * * *",
	"*/15 * * * *",
	"0 0 1,15 * fri",
	"0 0 29 2 */7",
	"cron(0 9 ? * 6#5 *)",
	"every 15m",
}

func BenchmarkNext(b *testing.B) {
	for _, expr := range benchmarks {
		b.Run(expr, func(b *testing.B) {
			s := parse(b, Spec{Expr: expr, Zone: "Europe/Berlin"})
			at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
			b.ReportAllocs()
			for b.Loop() {
				s.Next(at)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, expr := range benchmarks {
		b.Run(expr, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				parse(b, Spec{Expr: expr, Zone: "Europe/Berlin"})
			}
		})
	}
}

// BenchmarkParseMany is what loading a file of 10,000 jobs spends here.
func BenchmarkParseMany(b *testing.B) {
	for b.Loop() {
		for i := range 10_000 {
			parse(b, Spec{Expr: "~ 2~5 * * mon-fri", Zone: "America/New_York", Seed: fmt.Sprint(i), Except: []string{"12-24..01-02", "2026-05-01"}})
		}
	}
}

// BenchmarkZone is what the first job in a zone costs in addition.
func BenchmarkZone(b *testing.B) {
	location, err := Zone("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		newZone(location)
	}
}

// BenchmarkTimersMany is what planning a file of 10,000 jobs spends here, once
// they are parsed.
func BenchmarkTimersMany(b *testing.B) {
	for _, expr := range []string{"~ 2~5 * * mon-fri", "*/15 9-17 * * mon-fri"} {
		b.Run(expr, func(b *testing.B) {
			var all []*Schedule
			for i := range 10_000 {
				all = append(all, parse(b, Spec{Expr: expr, Zone: "America/New_York", Seed: fmt.Sprint(i)}))
			}
			for b.Loop() {
				for _, s := range all {
					if _, err := s.Timers(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
