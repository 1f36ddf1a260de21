package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Strategy is how one of several candidates is picked.
type Strategy string

// The strategies. Ties are broken by host ID, except for Random and Prefer,
// which draw.
const (
	First       Strategy = "first"        // lowest ID
	Random      Strategy = "random"       // any, evenly
	RoundRobin  Strategy = "round-robin"  // the next by ID after the job's last host
	LeastRecent Strategy = "least-recent" // whose last run of the job is longest ago
	LeastBusy   Strategy = "least-busy"   // fewest attempts under way, of all jobs
	Oldest      Strategy = "oldest"       // launched first
	Newest      Strategy = "newest"       // launched last
	Sticky      Strategy = "sticky"       // the job's last host while it lasts, else any
	Prefer      Strategy = "prefer"       // any that has the preferred tags, else any
)

// Strategies lists them all.
var Strategies = []Strategy{First, Random, RoundRobin, LeastRecent, LeastBusy, Oldest, Newest, Sticky, Prefer}

// Candidate is a host as it was seen when a pick was made: the facts that the
// strategies use, and what came of it.
type Candidate struct {
	Host      string    `json:"host"`
	Refused   string    `json:"refused,omitempty"` // why it could not be picked at all
	Launched  time.Time `json:"launched_at,omitzero"`
	LastStart time.Time `json:"last_start,omitzero"` // of this job
	Busy      int       `json:"busy,omitempty"`
	Preferred bool      `json:"preferred,omitempty"`
	Reason    string    `json:"reason"` // why it was or wasn't chosen, for people
}

// Pick is the record of one choice. Strategy, Seed and the candidates' facts
// decide Chosen; see [Pick.Choose].
type Pick struct {
	Strategy   Strategy    `json:"strategy"`
	Seed       string      `json:"seed"`
	Candidates []Candidate `json:"candidates"` // by host ID
	Chosen     string      `json:"chosen,omitempty"`
}

// ErrNoHost means that no candidate may be picked.
var ErrNoHost = errors.New("no host")

// Choose sets Chosen and every candidate's reason, from the recorded facts
// alone: the same record gives the same host, on any machine, at any time. It
// returns an error that wraps [ErrNoHost] and counts the refusals by reason
// when no candidate is left.
func (p *Pick) Choose() error {
	slices.SortFunc(p.Candidates, func(a, b Candidate) int { return cmp.Compare(a.Host, b.Host) })
	p.Chosen = ""
	var fit []*Candidate
	for i := range p.Candidates {
		c := &p.Candidates[i]
		c.Reason = c.Refused
		if c.Refused == "" {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 {
		return fmt.Errorf("%w: %s", ErrNoHost, p.refusals())
	}
	best, why, passed := p.best(fit)
	for _, c := range fit {
		c.Reason = "passed over: " + passed
	}
	best.Reason = "chosen: " + why
	p.Chosen = best.Host
	return nil
}

// best applies the strategy to the candidates that fit, at least one, sorted by
// host. why says what spoke for the best, passed what spoke against the rest.
func (p *Pick) best(fit []*Candidate) (best *Candidate, why, passed string) {
	switch p.Strategy {
	case First:
		return fit[0], "first by name", "not the first by name"
	case RoundRobin:
		last := latest(p.Candidates)
		for _, c := range fit {
			if c.Host > last {
				return c, "next after " + nameOr(last, "the start of the list"), "not next in turn"
			}
		}
		return fit[0], "next after " + last + ", from the top", "not next in turn"
	case LeastRecent:
		best = slices.MinFunc(fit, func(a, b *Candidate) int { return a.LastStart.Compare(b.LastStart) })
		if best.LastStart.IsZero() {
			return best, "never ran this job", "not the least recent"
		}
		return best, "last ran this job longest ago", "ran this job more recently"
	case LeastBusy:
		best = slices.MinFunc(fit, func(a, b *Candidate) int { return cmp.Compare(a.Busy, b.Busy) })
		return best, fmt.Sprintf("least busy (%d under way)", best.Busy), "busier, or equally busy"
	case Oldest:
		best = slices.MinFunc(fit, func(a, b *Candidate) int { return launched(a).Compare(launched(b)) })
		return best, "launched first", "launched later"
	case Newest:
		best = slices.MaxFunc(fit, func(a, b *Candidate) int { return a.Launched.Compare(b.Launched) })
		return best, "launched last", "launched earlier"
	case Sticky:
		last := latest(p.Candidates)
		for _, c := range fit {
			if c.Host == last {
				return c, "ran this job last", "not the host that ran this job last"
			}
		}
		return p.draw(fit), "drawn, since " + nameOr(last, "no host") + " is no candidate", "not drawn"
	case Prefer:
		var preferred []*Candidate
		for _, c := range fit {
			if c.Preferred {
				preferred = append(preferred, c)
			}
		}
		if len(preferred) > 0 {
			return p.draw(preferred), "drawn from the preferred", "not preferred, or not drawn"
		}
		return p.draw(fit), "drawn, since no preferred host is a candidate", "not drawn"
	}
	return p.draw(fit), "drawn at random", "not drawn"
}

// draw picks evenly, with the recorded seed as the only source of chance.
func (p *Pick) draw(from []*Candidate) *Candidate {
	h := fnv.New64a()
	h.Write([]byte(p.Seed))
	r := rand.New(rand.NewPCG(h.Sum64(), uint64(len(p.Seed))))
	return from[r.IntN(len(from))]
}

// latest is the host that ran the job last, whether or not it fits today;
// empty if none of the known hosts did.
func latest(all []Candidate) string {
	var last Candidate
	for _, c := range all {
		if c.LastStart.After(last.LastStart) {
			last = c
		}
	}
	return last.Host
}

// launched orders hosts of unknown age behind all others.
func launched(c *Candidate) time.Time {
	if c.Launched.IsZero() {
		return time.Unix(1<<40, 0)
	}
	return c.Launched
}

func nameOr(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

// refusals counts the candidates by reason: "2 unreachable, 1 tag cron is not
// \"true\"".
func (p *Pick) refusals() string {
	if len(p.Candidates) == 0 {
		return "the fleet is empty"
	}
	count := map[string]int{}
	for _, c := range p.Candidates {
		count[c.Refused]++
	}
	reasons := make([]string, 0, len(count))
	for reason := range count {
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("%d %s", count[reason], reason)
	}
	return strings.Join(reasons, ", ")
}

// Match reports whether the tags fit the selector and, if not, why.
func (s Selector) Match(tags map[string]string) (reason string, ok bool) {
	keys := make([]string, 0, len(s))
	for k := range s {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		got, has := tags[k]
		switch {
		case !has:
			return fmt.Sprintf("has no tag %s", k), false
		case s[k] != "*" && got != s[k]:
			return fmt.Sprintf("tag %s is %q, not %q", k, got, s[k]), false
		}
	}
	return "", true
}
