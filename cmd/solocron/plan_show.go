package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/schedule"
	"github.com/solocron/solocron/stack/cost"
	"github.com/solocron/solocron/stack/deploy"
	"github.com/solocron/solocron/stack/policy"
)

// page is a plan as people read it: one section below the other, and of long
// lists only the beginning.
type page struct {
	screen
	strings.Builder
}

// longest is how many things of a kind the page shows; the JSON has all.
const longest = 20

// marks are what stands in front of a thing, by what happens to it.
var marks = map[deploy.Action]cell{
	deploy.Create: {"+", green}, deploy.Update: {"~", yellow}, deploy.Delete: {"-", red}, deploy.Leave: {"?", faint},
}

func viewPlan(p *deploy.Plan, s screen) string {
	v := &page{screen: s}
	fmt.Fprintf(v, "%s in %s, account %s\n", v.paint(bold, p.Name), p.Region, p.Account)
	v.stack(&p.Stack)
	v.jobs(p)
	v.hosts(p.Hosts)
	v.rights(p.Rights)
	v.cost(p.Cost)
	v.warnings(p.Warnings)
	if !p.Changed() {
		v.WriteString("\nNothing to do: what is there is what the file says.\n")
	}
	return v.String()
}

// section begins a part of the page.
func (v *page) section(format string, args ...any) {
	fmt.Fprintf(v, "\n%s\n", v.paint(bold, sanitize(fmt.Sprintf(format, args...))))
}

// rest tells how many of n things the page doesn't show.
func (v *page) rest(n int, what string) {
	if n > longest {
		fmt.Fprintf(v, "  and %s; --output json has all\n", counted(n-longest, "more "+what))
	}
}

func (v *page) stack(c *deploy.StackChange) {
	if c.Elsewhere {
		v.section("Stack: left to who made it")
		return
	}
	if c.Action == deploy.None {
		v.section("Stack: as it should be")
		return
	}
	v.section("Stack: %s to %s", counted(len(c.Resources), "resource"), map[deploy.Action]string{deploy.Create: "create", deploy.Update: "change"}[c.Action])
	t := table{indent: "  ", cut: true}
	for _, r := range c.Resources {
		what := strings.Join(r.Properties, ", ")
		if r.Replacement {
			what = strings.TrimPrefix(what+"; is replaced by a new one", "; ")
		}
		t.add(marks[r.Action], cell{text: r.ID}, cell{strings.TrimPrefix(r.Type, "AWS::"), faint}, cell{text: what})
	}
	v.WriteString(t.render(v.screen))
	if c.Adopted {
		v.WriteString("  the table is there already and is taken as it is\n")
	}
	if c.Make {
		fmt.Fprintf(v, "  the bucket %s is made for the code\n", c.Bucket)
	}
	if c.Upload {
		fmt.Fprintf(v, "  the code goes to s3://%s/%s\n", c.Bucket, clip(c.Code, 24))
	}
}

func (v *page) jobs(p *deploy.Plan) {
	count := map[deploy.Action]int{}
	for _, j := range p.Jobs {
		count[j.Action]++
	}
	var parts []string
	for _, of := range []struct {
		action deploy.Action
		what   string
	}{{deploy.Create, "to add"}, {deploy.Update, "to change"}, {deploy.Delete, "to remove"}, {deploy.Leave, "not in the file"}} {
		if n := count[of.action]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, of.what))
		}
	}
	if p.Unchanged > 0 || len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("%d as they are", p.Unchanged))
	}
	v.section("Jobs: %s", strings.Join(parts, ", "))
	for i, j := range p.Jobs {
		if i == longest {
			v.rest(len(p.Jobs), "job")
			break
		}
		v.job(j)
	}
	v.schedules(p.Schedules)
}

func (v *page) job(j deploy.JobChange) {
	mark := marks[j.Action]
	fmt.Fprintf(v, "  %s %s%s\n", v.paint(mark.ink, mark.text), j.Name, v.remark(j))
	t := table{indent: "      "}
	for _, f := range j.Fields {
		t.add(cell{f.Key, noInk}, cell{orNone(f.Before), red}, cell{"→", faint}, cell{orNone(f.After), green})
	}
	v.WriteString(t.render(v.screen))
	if len(j.Before) > 0 && !same(j.Before, j.After) {
		fmt.Fprintf(v, "      %s %s\n", v.paint(faint, "due until now:"), clocks(j.Before, j.Zone))
	}
	if len(j.After) > 0 {
		fmt.Fprintf(v, "      %s %s\n", v.paint(faint, "next due:"), clocks(j.After, j.Zone))
	}
	for _, timer := range j.Timers {
		fmt.Fprintf(v, "      %s %s %s\n", v.paint(faint, "timer:"), timer.Expr, timer.Zone)
	}
}

func (v *page) remark(j deploy.JobChange) string {
	var parts []string
	if j.Action == deploy.Leave {
		parts = append(parts, "stays until apply --prune")
	}
	if j.Paused != "" && j.Action != deploy.Delete {
		parts = append(parts, "paused by "+sanitize(j.Paused)+", and stays so")
	}
	if len(parts) == 0 {
		return ""
	}
	return "  " + v.paint(faint, strings.Join(parts, "; "))
}

func (v *page) schedules(s deploy.Schedules) {
	if s.Create+s.Delete > 0 {
		fmt.Fprintf(v, "  schedules: %d to create, %d to delete, %d as they are\n", s.Create, s.Delete, s.Keep)
	}
	for _, list := range []struct {
		names []string
		what  string
	}{
		{s.Edited, "was edited by hand and is made anew"},
		{s.Disabled, "was switched off by hand and stays so"},
		{s.Foreign, "is not solocron's and stays"},
	} {
		for i, name := range list.names {
			if i == longest {
				v.rest(len(list.names), "such schedule")
				break
			}
			fmt.Fprintf(v, "  schedule %s %s\n", sanitize(name), list.what)
		}
	}
}

func (v *page) hosts(all []deploy.Hosts) {
	if len(all) == 0 {
		return
	}
	v.section("Hosts now")
	for i, h := range all {
		if i == longest {
			v.rest(len(all), "selector")
			break
		}
		who := fleet.Selector(h.Selector).String()
		if who == "" {
			who = "any host"
		}
		match := cell{strings.Join(h.Match, " "), green}
		switch {
		case h.Error != "":
			match = cell{"not known: " + h.Error, yellow}
		case len(h.Match) == 0:
			match = cell{"none", red}
		case len(h.Match) > longest:
			match.text = strings.Join(h.Match[:longest], " ") + fmt.Sprintf(" and %d more", len(h.Match)-longest)
		}
		fmt.Fprintf(v, "  %s (%s): %s\n", sanitize(who), counted(len(h.Jobs), "job"), v.paint(match.ink, sanitize(match.text)))
		t := table{indent: "      ", cut: true}
		for _, o := range h.Others[:min(len(h.Others), longest)] {
			t.add(cell{o.Host, faint}, cell{text: o.Reason})
		}
		v.WriteString(t.render(v.screen))
		v.rest(len(h.Others), "host")
	}
}

func (v *page) rights(all []deploy.Right) {
	if len(all) == 0 {
		return
	}
	v.section("Rights")
	role, t := "", table{indent: "    "}
	flush := func() {
		v.WriteString(t.render(v.screen))
		t.rows = nil
	}
	for _, r := range all {
		if r.Role != role {
			flush()
			role = r.Role
			fmt.Fprintf(v, "  %s\n", sanitize(role))
		}
		mark := marks[r.Action]
		t.add(mark, cell{text: r.Statement.Needs})
		if r.Before != nil {
			t.add(cell{}, cell{"before: " + rule(*r.Before), red})
			t.add(cell{}, cell{"after:  " + rule(r.Statement), green})
			continue
		}
		t.add(cell{}, cell{strings.Join(r.Statement.Actions, " "), faint})
	}
	flush()
	v.WriteString("  solocron iam prints every statement in full\n")
}

// rule is a statement on one line.
func rule(s policy.Statement) string {
	var b strings.Builder
	b.WriteString(strings.Join(s.Actions, " ") + " on " + strings.Join(s.Resources, " "))
	for _, operator := range slices.Sorted(maps.Keys(s.Condition)) {
		for _, key := range slices.Sorted(maps.Keys(s.Condition[operator])) {
			b.WriteString(" if " + key + " " + operator + " " + strings.Join(s.Condition[operator][key], " or "))
		}
	}
	return b.String()
}

func (v *page) cost(e cost.Estimate) {
	v.section("Cost: about $%.2f a month (list prices of %s, %s)", e.Total, e.Region, e.Priced)
	t := table{indent: "  "}
	for _, i := range e.Items {
		t.add(cell{text: fmt.Sprintf("$%.2f", i.Dollars)}, cell{text: i.Service}, cell{fmt.Sprintf("%.0f %s", i.Quantity, i.Unit), faint})
	}
	v.WriteString(t.render(v.screen))
}

func (v *page) warnings(all []string) {
	if len(all) == 0 {
		return
	}
	v.section("Warnings")
	for i, w := range all {
		if i == longest {
			v.rest(len(all), "warning")
			break
		}
		fmt.Fprintf(v, "  %s %s\n", v.paint(yellow, "!"), sanitize(w))
	}
}

// clocks are due times as the job's zone shows them.
func clocks(due []time.Time, zone string) string {
	location, err := schedule.Zone(zone)
	if err != nil {
		location = time.UTC
	}
	var parts []string
	for _, t := range due {
		parts = append(parts, t.In(location).Format("Mon 2006-01-02 15:04 MST"))
	}
	return strings.Join(parts, ", ")
}

func same(a, b []time.Time) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

// orNone is a value on one line.
func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return clip(sanitize(s), 60)
}
