package fleet

import (
	"cmp"
	"fmt"
	"slices"
)

// Strategy is how one of several candidates is picked.
type Strategy string

// The strategies. Random, Sticky and Prefer draw evenly where more than one
// host would do; the others break ties by host ID.
const (
	First       Strategy = "first"        // lowest ID
	Random      Strategy = "random"       // any, evenly
	RoundRobin  Strategy = "round-robin"  // the next by ID after the job's last host
	LeastRecent Strategy = "least-recent" // whose last run of the job is longest ago
	LeastBusy   Strategy = "least-busy"   // fewest attempts under way, of all jobs
	Oldest      Strategy = "oldest"       // launched first; unknown ages come last
	Newest      Strategy = "newest"       // launched last; unknown ages come last
	Sticky      Strategy = "sticky"       // the job's last host while it lasts, else any
	Prefer      Strategy = "prefer"       // any that has the preferred tags, else any
)

// Strategies lists them all.
var Strategies = []Strategy{First, Random, RoundRobin, LeastRecent, LeastBusy, Oldest, Newest, Sticky, Prefer}

// A chooser picks one of the candidates that fit, of which there is at least
// one, sorted by host ID, and gives each of them its reason.
type chooser func(p *Pick, fit []*Candidate) *Candidate

var choosers = map[Strategy]chooser{
	Random:      func(p *Pick, fit []*Candidate) *Candidate { return p.draw(fit, "drawn at random") },
	RoundRobin:  (*Pick).inTurn,
	Sticky:      (*Pick).stick,
	Prefer:      (*Pick).prefer,
	First:       least(byHost, "first by name", "later by name"),
	LeastRecent: least(byLastStart, "ran this job least recently", "ran this job more recently"),
	LeastBusy:   least(byBusy, "least busy", "busier"),
	Oldest:      least(byAge, "launched first", "launched later, or nobody knows when"),
	Newest:      least(byYouth, "launched last", "launched earlier, or nobody knows when"),
}

func byHost(a, b *Candidate) int      { return cmp.Compare(a.Host, b.Host) }
func byLastStart(a, b *Candidate) int { return a.LastStart.Compare(b.LastStart) }
func byBusy(a, b *Candidate) int      { return cmp.Compare(a.Busy, b.Busy) }
func byYouth(a, b *Candidate) int     { return b.Launched.Compare(a.Launched) }

func byAge(a, b *Candidate) int {
	if a.Launched.IsZero() || b.Launched.IsZero() {
		return byYouth(a, b)
	}
	return a.Launched.Compare(b.Launched)
}

// least makes the chooser that takes the first in the given order.
func least(order func(a, b *Candidate) int, why, against string) chooser {
	return func(_ *Pick, fit []*Candidate) *Candidate {
		best := slices.MinFunc(fit, order)
		equals := 0
		for _, c := range fit {
			c.Reason = "passed over: " + against
			if order(c, best) == 0 {
				c.Reason = "passed over: equal to " + best.Host + ", but later by name"
				equals++
			}
		}
		best.Reason = "chosen: " + why
		if equals > 1 {
			best.Reason += fmt.Sprintf(", and first by name of %d equals", equals)
		}
		return best
	}
}

// inTurn takes the next host after the one that ran the job last. One that has
// left the fleet since is no candidate, so the turn goes on from the last that
// is still known.
func (p *Pick) inTurn(fit []*Candidate) *Candidate {
	const against = "not next in turn"
	last := p.last()
	if last == "" {
		return choose(fit, fit[0], "first in turn", against)
	}
	for _, c := range fit {
		if c.Host > last {
			return choose(fit, c, "next in turn after "+last, against)
		}
	}
	return choose(fit, fit[0], "next in turn after "+last+", from the top", against)
}

// stick stays with the host that ran the job last.
func (p *Pick) stick(fit []*Candidate) *Candidate {
	last := p.last()
	for _, c := range fit {
		if c.Host == last {
			return choose(fit, c, "ran this job last", "not the host that ran this job last")
		}
	}
	if last == "" {
		return p.draw(fit, "drawn, since no candidate ran this job before")
	}
	return p.draw(fit, "drawn, since "+last+", which ran this job last, can't be picked")
}

// prefer draws among the preferred, and only without any among the rest.
func (p *Pick) prefer(fit []*Candidate) *Candidate {
	var preferred []*Candidate
	for _, c := range fit {
		if c.Preferred {
			preferred = append(preferred, c)
		}
		c.Reason = "passed over: not preferred"
	}
	if len(preferred) == 0 {
		return p.draw(fit, "drawn, since no preferred host can be picked")
	}
	return p.draw(preferred, "drawn from the preferred")
}

// choose says of the best why it was chosen, and against what of the rest.
func choose(fit []*Candidate, best *Candidate, why, against string) *Candidate {
	for _, c := range fit {
		c.Reason = "passed over: " + against
	}
	best.Reason = "chosen: " + why
	return best
}
