package deploy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/schedule"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/policy"
)

// warnings are what the file allows and people should know, the gravest first.
func (a *Account) warnings(i *stack.Installation, s *survey, hosts []Hosts) []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, h := range hosts {
		if len(h.Match) == 0 && h.Error == "" {
			add("no host can run %s now%s", few(h.Jobs), because(h))
		}
	}
	if s.stack.hasTable() && !s.table {
		add("the table %s is gone, though the stack made it: solocron destroy --confirm %s and apply make a new one", i.Name, i.Name)
	}
	if s.stack == nil && s.adopt {
		add("the table %s is there already: jobs in it that no destroy retired, if any, start again with the stack, those that left the file too; the plan after this one lists them", i.Name)
	}
	if s.stack != nil && s.action == None && !s.ours {
		add("document %s was changed by hand, and commands are sent with it; remove it, and apply with another name in fleet.document", i.File.Fleet.EC2.Document)
	}
	all = append(all, policy.Warnings(i)...)
	if len(i.TopicARNs()) == 0 {
		add("nobody is told when a job fails: there is no target under notify.targets")
	} else if len(i.AlarmTopics()) == 0 {
		add("no alarm reaches anybody: no topic under notify.targets is in %s and takes plain text", i.Region)
	}
	for _, name := range s.group.off {
		add("schedule %s was switched off by hand, and its job still runs, a little later, by the sweep; solocron pause is what stops a job", name)
	}
	return slices.Concat(all, hasty(i.File.Jobs), timeWarnings(i.File.Jobs, a.now()))
}

// few names jobs.
func few(jobs []string) string {
	if len(jobs) == 1 {
		return "job " + jobs[0]
	}
	return "jobs " + list(jobs)
}

// list names the first, and only counts the rest.
func list(names []string) string {
	const most = 5
	names = slices.Sorted(slices.Values(names))
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// because counts the hosts that don't match, by reason.
func because(h Hosts) string {
	if len(h.Others) == 0 {
		return ": the fleet is empty"
	}
	count := map[string]int{}
	for _, o := range h.Others {
		count[o.Reason]++
	}
	reasons := slices.SortedFunc(maps.Keys(count), func(a, b string) int { return cmp.Or(count[b]-count[a], cmp.Compare(a, b)) })
	var parts []string
	for _, r := range reasons[:min(len(reasons), 3)] {
		parts = append(parts, fmt.Sprintf("%d %s", count[r], r))
	}
	return ": " + strings.Join(parts, ", ")
}

// hasty tells of jobs that may be over before their timer rings.
func hasty(jobs []job.Job) []string {
	var names []string
	for _, j := range jobs {
		if j.StartWithin < time.Minute {
			names = append(names, j.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s may be skipped as late: EventBridge Scheduler rings within a minute of the due time, and start-within is shorter", few(names))}
}

// ahead is how far timeWarnings look.
const ahead = 365 * 24 * time.Hour

// sweepTakes is how long it may take until the sweep starts what no timer rang
// for: it waits 75 seconds for timers, and comes every minute.
const sweepTakes = 150 * time.Second

// timeWarnings are about due times that are not simply rung for. Jobs that have
// the same to be told are told of together.
func timeWarnings(jobs []job.Job, now time.Time) []string {
	var order []string
	told := map[string][]string{}
	tell := func(name, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if told[text] == nil {
			order = append(order, text)
		}
		told[text] = append(told[text], name)
	}
	for _, j := range jobs {
		when, err := schedule.Parse(j.When)
		if err != nil {
			continue // New has said so
		}
		timers, err := when.Timers()
		if err != nil {
			continue
		}
		if _, ok := when.Next(now); !ok {
			tell(j.Name, "never due again")
			continue
		}
		for _, c := range clockChanges(j.When, now) {
			tell(j.Name, "%s, the clock of %s goes to %s; %s %s", c.Before, when.Location(), c.After, walls(c), c.What)
		}
		if n := len(when.Swept(now, now.Add(ahead))); n > 0 {
			what := "starts about a minute late, by the sweep"
			if j.StartWithin < sweepTakes {
				what = "is left to the sweep, for which start-within may be too short: it may be missed"
			}
			tell(j.Name, "%s within a year is rung for by no timer and %s", counted(n, "due time"), what)
		}
		if len(timers) > 1 {
			tell(j.Name, "%d schedules for one crontab, as EventBridge can't say it in one; what both ring for runs once", len(timers))
		}
		if idle(timers, when, now) {
			tell(j.Name, "EventBridge can't say exactly when it is due, so the function is invoked more often and ignores the rest")
		}
	}
	var all []string
	for _, text := range order {
		all = append(all, few(told[text])+": "+text)
	}
	return all
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// walls are the local times of due times that a change of the clock touches.
func walls(c schedule.Change) string {
	var list []string
	for _, w := range c.Walls[:min(len(c.Walls), 3)] {
		list = append(list, w[len("2006-01-02 "):])
	}
	text := strings.Join(list, ", ")
	if c.Count > len(list) {
		text += fmt.Sprintf(" and %d more", c.Count-len(list))
	}
	return text
}

// clockChanges are those of the year to come that touch a due time of a schedule
// that goes by local time. To one that goes by elapsed time the policies for
// gaps and folds mean nothing, and nothing is lost or done twice.
func clockChanges(spec schedule.Spec, now time.Time) (touch []schedule.Change) {
	other := spec
	other.Gap, other.Fold = schedule.GapSkip, schedule.FoldLast
	if spec.Gap == schedule.GapSkip {
		other.Gap = schedule.GapNext
	}
	if spec.Fold == schedule.FoldLast {
		other.Fold = schedule.FoldFirst
	}
	when, err := schedule.Parse(spec)
	if err != nil {
		return nil
	}
	against, err := schedule.Parse(other)
	if err != nil {
		return nil // never due but for the policy, which then means something
	}
	theirs := against.Changes(now, now.Add(ahead))
	for n, c := range when.Changes(now, now.Add(ahead)) {
		if c.Count > 0 && c.What != theirs[n].What {
			touch = append(touch, c)
		}
	}
	return touch
}

// idle reports whether the timers ring noticeably more often than the job is
// due: by more than a tenth of the times to come.
func idle(timers []schedule.Timer, when *schedule.Schedule, now time.Time) bool {
	const most = 300
	rings := map[time.Time]bool{}
	until := now.Add(ahead)
	for _, t := range timers {
		s, err := schedule.Parse(schedule.Spec{Expr: t.Expr, Zone: t.Zone, Gap: schedule.GapSkip})
		if err != nil {
			return false // nothing can be said of it here
		}
		n := 0
		for at := range s.Between(now, until) {
			rings[at] = true
			if n++; n == most {
				until = at
			}
		}
	}
	maps.DeleteFunc(rings, func(at time.Time, _ bool) bool { return at.After(until) })
	due := 0
	for range when.Between(now, until) {
		due++
	}
	return len(rings)*10 > due*11
}
