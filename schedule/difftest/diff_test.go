// Package difftest compares the due times of package schedule with those that
// independent implementations find: random crontab lines, in every zone, from
// moments that are mostly near a change of the clock or the end of a month.
//
// A difference is intended, and then it has a rule with a name and a reason, or
// it fails the test. docs/schedules.md lists the rules. SOLOCRON_COMPARISONS
// sets how many due times are compared.
package difftest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/schedule"
)

// A peer is an implementation that ours is compared with.
type peer struct {
	name  string
	share int // of the comparisons, in percent: what it is fast enough for
	start func(t *testing.T) finder
	rules []rule
}

var peers = []peer{
	{
		name: "systemd", share: 40,
		start: func(t *testing.T) finder { return systemd{unpack(t)} },
		rules: []rule{gapSkip, foldOnce, secondPass, eitherPass, winterTime, oddMidnight, endless, longGap, halfHour, oddSeconds},
	},
	{
		name: "robfig", share: 35,
		start: func(t *testing.T) finder { return startRobfig(t) },
		rules: []rule{gapSkip, foldBoth, steppedDays, oddMidnight, laterPass, lostDay, halfHour, oddSeconds},
	},
	{
		name: "croner", share: 15,
		start: func(t *testing.T) finder { return startNode(t, "croner") },
		rules: []rule{steppedDays, singleValue, wideFold, overMidnight, zoneData},
	},
	{
		name: "cron-parser", share: 2,
		start: func(t *testing.T) finder { return startNode(t, "cron-parser") },
		rules: []rule{steppedDays, everyHour, landing, twiceMidnight, overMidnight, halfHour, zoneData},
	},
	{
		name: "croniter", share: 8,
		start: func(t *testing.T) finder { return startCroniter(t, unpack(t)) },
		rules: []rule{steppedDays, fullRange, crossing, february},
	},
}

func comparisons(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SOLOCRON_COMPARISONS")
	if text == "" {
		return 500_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("SOLOCRON_COMPARISONS: %v", err)
	}
	return n
}

func TestPeers(t *testing.T) {
	t.Parallel()
	all, total := zones(t), comparisons(t)
	icu(t, all)
	for i, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := &comparison{t: t, peer: p, counts: map[string]int{}}
			c.run(p.start(t), all, rand.New(rand.NewPCG(1, uint64(i))), total*p.share/100)
			c.report()
		})
	}
}

// A comparison is that with one peer.
type comparison struct {
	t      *testing.T
	peer   peer
	total  int
	counts map[string]int // by rule
	failed int
}

const several = "several rules at once"

const (
	batchSize = 24 // lines that share zone and moment
	walk      = 12 // due times of each
)

// run goes round the zones, once at least, until n due times are compared.
func (c *comparison) run(f finder, zones []*zone, r *rand.Rand, n int) {
	for i := 0; (c.total < n || i < len(zones)) && c.failed < 20; i++ {
		queries := randomBatch(r, zones[i%len(zones)], max(2, min(batchSize, n/len(zones)/walk)))
		if queries = c.askable(queries); len(queries) == 0 {
			continue
		}
		dues, err := f.find(queries)
		if err != nil {
			c.t.Fatal(err)
		}
		for j, q := range queries {
			c.walk(q, dues[j])
		}
	}
}

func randomBatch(r *rand.Rand, z *zone, size int) []query {
	after := z.moment(r)
	near := time.Unix(after, 0).In(z.location).Hour()
	var queries []query
	for len(queries) < size {
		q := query{randomLine(r, near), z, after, walk}
		if _, err := (meaning{line: q.line}).parse(z); err == nil { // and not 30 February
			queries = append(queries, q)
		}
	}
	return queries
}

// askable leaves out what the peer can't be asked.
func (c *comparison) askable(queries []query) []query {
	return slices.DeleteFunc(queries, func(q query) bool {
		i := slices.IndexFunc(c.peer.rules, func(r rule) bool { return r.avoid != nil && r.avoid(q) })
		if i >= 0 {
			c.counts[c.peer.rules[i].name] += q.count
		}
		return i >= 0
	})
}

// walk compares each due time with what comes after the one before it, so that
// a difference makes no other.
func (c *comparison) walk(q query, dues []int64) {
	if len(dues) < q.count && !q.line.either() { // a union may reach less far
		dues = append(dues, none)
	}
	ours, err := meaning{line: q.line}.parse(q.zone)
	if err != nil {
		c.t.Fatal(err)
	}
	prev := q.after
	for _, got := range dues {
		want := next(ours, prev)
		if min(want, got) >= horizon || want >= horizon && got == none {
			return
		}
		c.total++
		if got != want {
			c.differ(&step{q, prev, want, got})
		}
		prev = got
	}
}

func next(s *schedule.Schedule, prev int64) int64 {
	due, ok := s.Next(time.Unix(prev, 0))
	if !ok {
		return horizon
	}
	return due.Unix()
}

// differ finds the rule for a step that differs.
func (c *comparison) differ(s *step) {
	all := meaning{line: s.line}
	for _, rule := range c.peer.rules {
		if rule.respell == nil {
			continue
		}
		alone := meaning{line: s.line}
		rule.respell(&alone)
		if c.means(alone, s) == s.got {
			c.counts[rule.name]++
			return
		}
		rule.respell(&all)
	}
	if s.want = c.means(all, s); s.want == s.got {
		c.counts[several]++
		return
	}
	for _, rule := range c.peer.rules {
		if rule.excuse != nil && rule.excuse(s) {
			c.counts[rule.name]++
			return
		}
	}
	c.failed++
	show := func(second int64) string {
		if second == none {
			return "none"
		}
		return time.Unix(second, 0).In(s.zone.location).Format("Mon 2006-01-02T15:04:05-07:00")
	}
	c.t.Errorf("%q in %s after %s (%d): %s says %s, we say %s (%s)",
		s.line, s.zone.name, show(s.prev), s.prev, c.peer.name, show(s.got), show(s.want), all.line)
}

// means returns what comes next for a meaning, or none if it is never due.
func (c *comparison) means(m meaning, s *step) int64 {
	schedule, err := m.parse(s.zone)
	if err != nil {
		return none
	}
	return next(schedule, s.prev)
}

// report prints what was compared, with a row of docs/schedules.md for each
// rule.
func (c *comparison) report() {
	var rows []string
	differing := c.counts[several]
	for _, rule := range c.peer.rules {
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |", c.peer.name, rule.name, rule.reason))
		if rule.avoid == nil {
			differing += c.counts[rule.name]
		}
	}
	fmt.Printf("%s: %d due times compared, %d differ as intended (%d by several rules at once), %d in other ways\n",
		c.peer.name, c.total, differing, c.counts[several], c.failed)
	listed, err := os.ReadFile("../../docs/schedules.md")
	if err != nil {
		c.t.Error(err)
	}
	for i, row := range rows {
		fmt.Println(row, c.counts[c.peer.rules[i].name], "|")
		if !strings.Contains(string(listed), row) {
			c.t.Errorf("docs/schedules.md lacks the row %s", row)
		}
	}
}
