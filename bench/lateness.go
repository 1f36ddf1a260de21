package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// column is one figure of a round.
type column struct {
	title string
	of    func(round) float64
	form  string
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

var columns = []column{
	{"first", func(r round) float64 { return ms(r.first) }, "%.1f"},
	{"p50", func(r round) float64 { return ms(r.p50) }, "%.1f"},
	{"p99", func(r round) float64 { return ms(r.p99) }, "%.1f"},
	{"max", func(r round) float64 { return ms(r.max) }, "%.1f"},
	{"all done", func(r round) float64 { return ms(r.all) }, "%.1f"},
	{"CPU each", func(r round) float64 { return ms(r.cpu) }, "%.2f"},
	{"peak MiB", func(r round) float64 { return float64(r.peak) / (1 << 20) }, "%.0f"},
}

// lateness measures all starters with plain commands.
func (b *bench) lateness() error {
	b.heading("Many commands due in the same second",
		"Lateness of the starts after the due time, the time until all have ended, and CPU time for each command with the\ncommand's own, in milliseconds; peak memory of the starter's processes, where what two of them share counts twice.")
	return b.each(func(n int) error { return b.compare(fmt.Sprint(n), n, false) })
}

// shell measures commands that take a shell.
func (b *bench) shell() error {
	b.heading("Commands that need a shell", "The same with `sh -c 'command && :'`, 1,000 at once.")
	return b.compare("1000", 1000, true)
}

func (b *bench) heading(title, text string) {
	fmt.Fprintf(b.out, "### %s\n\n%s\n\n", title, text)
}

// compare lets the starters take turns, and prints a row for each and what
// solocron's figures are of each other one's.
func (b *bench) compare(label string, n int, shell bool) error {
	among, err := b.chosen()
	if err != nil {
		return err
	}
	rounds := make([][]round, len(among))
	for range b.rounds {
		for i, s := range among {
			r, err := b.once(s, n, shell, "")
			if err != nil {
				return err
			}
			rounds[i] = append(rounds[i], r)
		}
	}
	b.tableHead("due at once", columns)
	for i, s := range among {
		b.row(label, s.name, columns, func(c column) string { return fmt.Sprintf(c.form, middle(rounds[i], c.of)) })
	}
	b.row(label, "solocron at its worst", columns, func(c column) string { return fmt.Sprintf(c.form, most(rounds[0], c.of)) })
	for i, s := range among[1:] {
		b.row(label, "solocron ÷ "+s.name, columns, func(c column) string { return fmt.Sprintf("%.2f", ratio(rounds[0], rounds[i+1], c.of)) })
	}
	fmt.Fprintln(b.out)
	return nil
}

func (b *bench) tableHead(label string, columns []column) {
	fmt.Fprintf(b.out, "| %s | |", label)
	for _, c := range columns {
		fmt.Fprintf(b.out, " %s |", c.title)
	}
	fmt.Fprintf(b.out, "\n|---|---|%s\n", strings.Repeat("---|", len(columns)))
}

func (b *bench) row(label, name string, columns []column, figure func(column) string) {
	fmt.Fprintf(b.out, "| %s | %s |", label, name)
	for _, c := range columns {
		fmt.Fprintf(b.out, " %s |", figure(c))
	}
	fmt.Fprintln(b.out)
}

// ratio is the median of the rounds' ratios.
func ratio[T any](ours, theirs []T, of func(T) float64) float64 {
	var each []float64
	for i := range ours {
		each = append(each, of(ours[i])/of(theirs[i]))
	}
	return middle(each, func(r float64) float64 { return r })
}

// most is the highest of what the rounds came to.
func most[T any, V cmp.Ordered](rounds []T, of func(T) V) V {
	worst := of(rounds[0])
	for _, r := range rounds[1:] {
		worst = max(worst, of(r))
	}
	return worst
}

// middle is the median of what the rounds came to.
func middle[T any, V cmp.Ordered](rounds []T, of func(T) V) V {
	var all []V
	for _, r := range rounds {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
