package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/solocron/solocron/job"
)

// growth measures what more jobs and more history cost.
func (b *bench) growth() error {
	if err := b.moreJobs(); err != nil {
		return err
	}
	return b.moreRuns()
}

// jobCounts end at what a jobs file may hold.
var jobCounts = []int{100, 1_000, 10_000, job.MaxJobs}

func (b *bench) moreJobs() error {
	b.heading("More jobs", fmt.Sprintf("As above, on a ledger that has the jobs already. A jobs file holds %d at most. For each job: beyond 100 jobs.", job.MaxJobs))
	fmt.Fprintf(b.out, "| jobs | load, ms | CPU time of it, ms | for each, ms | resident, MiB | for each, KiB | CPU time a minute, ms |\n|---|---|---|---|---|---|---|\n")
	var least still
	for i, n := range jobCounts {
		dir, err := os.MkdirTemp(b.root, "jobs-")
		if err != nil {
			return err
		}
		due := halfAnHourOff()
		if _, err := b.watch(dir, n, due, 0); err != nil {
			return err
		}
		s, err := b.watch(dir, n, due, b.rest/4)
		if err != nil {
			return err
		}
		eachLoad, eachKiB := "", ""
		if i == 0 {
			least = s
		} else {
			more := float64(n - jobCounts[0])
			eachLoad = fmt.Sprintf("%.3f", ms(s.loadCPU-least.loadCPU)/more)
			eachKiB = fmt.Sprintf("%.2f", float64(s.resident-least.resident)/more/1024)
		}
		fmt.Fprintf(b.out, "| %d | %.0f | %.0f | %s | %.1f | %s | %.1f |\n", n, ms(s.load), ms(s.loadCPU), eachLoad, float64(s.resident)/(1<<20), eachKiB, ms(s.cpu))
	}
	fmt.Fprintln(b.out)
	return nil
}

// moreRuns compares a ledger that has only jobs with one that has many runs too.
func (b *bench) moreRuns() error {
	b.heading("More history", fmt.Sprintf("10,000 jobs, and a ledger without runs beside one with %d of the last days. Starts are %d plain commands due at once,\nmedians of %d rounds.", b.records, historySize, historyRounds))
	due := halfAnHourOff()
	var dirs [2]string
	for i := range dirs {
		var err error
		if dirs[i], err = os.MkdirTemp(b.root, "runs-"); err != nil {
			return err
		}
		if _, err := b.watch(dirs[i], 10_000, due, 0); err != nil {
			return err
		}
		if i == 1 {
			if err := fill(filepath.Join(dirs[i], "ledger.db"), b.records, due); err != nil {
				return err
			}
			syscall.Sync() // a gigabyte on its way to disk would be in the way of all that follows
			// A file that something else wrote to is read through once.
			if _, err := b.watch(dirs[i], 10_000, due, 0); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(b.out, "| what | without | with | ratio | goal | |\n|---|---|---|---|---|---|\n")
	if err := b.restGrown(dirs, due); err != nil {
		return err
	}
	var rounds [2][]round
	for range historyRounds {
		for i, dir := range dirs {
			r, err := b.once(ours, historySize, false, filepath.Join(dir, "ledger.db"))
			if err != nil {
				return err
			}
			rounds[i] = append(rounds[i], r)
		}
	}
	for _, c := range columns {
		b.change(fmt.Sprintf("%d at once: %s", historySize, c.title), middle(rounds[0], c.of), middle(rounds[1], c.of), ratio(rounds[1], rounds[0], c.of))
	}
	fmt.Fprintln(b.out)
	return nil
}

// historySize is how many commands are started on a ledger with history.
const historySize = 1000

// historyRounds is of how many rounds the medians are: fewer differ by more than the
// tenth that is allowed.
const historyRounds = 9

// restGrown compares what it costs to load and to be at rest, in turns.
func (b *bench) restGrown(dirs [2]string, due time.Time) error {
	var rests [2][]still
	for range historyRounds {
		for i, dir := range dirs {
			s, err := b.watch(dir, 10_000, due, b.rest/4)
			if err != nil {
				return err
			}
			rests[i] = append(rests[i], s)
		}
	}
	for _, c := range []struct {
		what string
		of   func(still) float64
	}{
		{"load, ms", func(s still) float64 { return ms(s.load) }},
		{"resident, MiB", func(s still) float64 { return float64(s.resident) / (1 << 20) }},
		{"CPU time a minute, ms", func(s still) float64 { return ms(s.cpu) }},
	} {
		b.change(c.what, middle(rests[0], c.of), middle(rests[1], c.of), ratio(rests[1], rests[0], c.of))
	}
	return nil
}

func (b *bench) change(what string, without, with, ratio float64) {
	verdict := "met"
	if ratio > goalGrowth {
		verdict = "**not met**"
	}
	fmt.Fprintf(b.out, "| %s | %.4g | %.4g | %.2f | %g | %s |\n", what, without, with, ratio, goalGrowth, verdict)
}
