package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Selector is a set of tags that a candidate must all carry. A value of "*"
// asks only that the tag is there. The empty selector matches every host.
type Selector map[string]string

// String is the selector on one line: cron=true,role=web.
func (s Selector) String() string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(s)) {
		list = append(list, k+"="+s[k])
	}
	return strings.Join(list, ",")
}

// Match reports whether the tags fit the selector and, if not, why.
func (s Selector) Match(tags map[string]string) (reason string, ok bool) {
	for _, k := range slices.Sorted(maps.Keys(s)) {
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

// Facts is what the ledger knows of the hosts when a pick is made, by host ID.
// Nil maps are empty ones.
type Facts struct {
	LastStart map[string]time.Time // when the job last started there
	Busy      map[string]int       // attempts under way there, of all jobs
	Avoid     map[string]string    // why this run must not go there: tried already, ...
}

// NotProbed is why a host is refused that nobody has looked at yet.
const NotProbed = "not probed yet"

// Assess turns hosts, their health and the facts into the candidates of a
// pick, in the hosts' order. Every host becomes one: whoever doesn't fit says
// why in Refused. Only hosts that carry the preferred tags are Preferred; with
// an empty prefer none is.
func Assess(want, prefer Selector, hosts []Host, look func(Host) Health, facts Facts) []Candidate {
	candidates := make([]Candidate, 0, len(hosts))
	for _, h := range hosts {
		_, preferred := prefer.Match(h.Tags)
		candidates = append(candidates, Candidate{
			Host:      h.ID,
			Refused:   refusal(want, h, look, facts.Avoid[h.ID]),
			Launched:  h.Launched,
			LastStart: facts.LastStart[h.ID],
			Busy:      facts.Busy[h.ID],
			Preferred: preferred && len(prefer) > 0,
		})
	}
	return candidates
}

// refusal is the first thing that speaks against the host, the one that time
// won't change before the others.
func refusal(want Selector, h Host, look func(Host) Health, avoid string) string {
	if reason, ok := want.Match(h.Tags); !ok {
		return reason
	}
	if avoid != "" {
		return avoid
	}
	if h.Refused != "" {
		return h.Refused
	}
	health := look(h)
	if health.Refused == "" && health.CheckedAt.IsZero() {
		return NotProbed
	}
	return health.Refused
}
