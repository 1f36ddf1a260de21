package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/schedule"
)

func showNext(g *globals, cmd *cobra.Command, o nextOptions, plans []plan) error {
	from := o.from.Time
	if from.IsZero() {
		from = time.Now().UTC().Truncate(time.Second)
	}
	list := dueTimes(plans, from, o.until.Time, o.count)
	if !o.dst {
		return g.print(cmd, list, func(s screen) string { return viewDueTimes(list, s) })
	}
	until := o.until.Time
	if until.IsZero() {
		until = from.AddDate(1, 0, 0)
	}
	changes := clockChanges(plans, from, until)
	return g.print(cmd, append(list, changes...), func(s screen) string {
		text := viewDueTimes(list, s) + "\n"
		if len(changes) == 0 {
			return text + fmt.Sprintf("no change of clocks from %s to %s\n", stamp(from), stamp(until))
		}
		return text + viewChanges(changes, s)
	})
}

// clockChanges lists the changes of the plans' clocks in [from, until), plan by
// plan.
func clockChanges(plans []plan, from, until time.Time) (list []coming) {
	for _, p := range plans {
		for _, c := range p.when.Changes(from, until) {
			list = append(list, coming{Job: p.job, Timezone: p.zone, Change: &c})
		}
	}
	return list
}

func viewDueTimes(list []coming, s screen) string {
	if len(list) == 0 {
		return "nothing is due\n"
	}
	t := table{head: []string{"LOCAL", "UTC", "JOB"}}
	for _, c := range list {
		t.add(row(c.clock, stamp(*c.Due), c.Job)...)
	}
	return t.render(s)
}

func viewChanges(list []coming, s screen) string {
	t := table{head: []string{"CLOCKS CHANGE", "FROM", "TO", "JOB", "DUE THEN", "WHAT HAPPENS"}}
	for _, c := range list {
		t.add(row(stamp(c.Change.At), c.Change.Before, c.Change.After, c.Job, touched(c.Change), c.Change.What)...)
	}
	return t.render(s)
}

// touched names the local times that a change of clocks touches.
func touched(c *schedule.Change) string {
	const most = 3
	var walls []string
	for _, w := range c.Walls[:min(len(c.Walls), most)] {
		_, clock, _ := strings.Cut(w, " ")
		walls = append(walls, clock)
	}
	if c.Count > len(walls) {
		walls = append(walls, fmt.Sprintf("and %d more", c.Count-len(walls)))
	}
	return strings.Join(walls, " ")
}
