package fleet

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

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
// when no candidate is left, and another error for a strategy it doesn't know.
func (p *Pick) Choose() error {
	p.Chosen = ""
	choose, known := choosers[p.Strategy]
	if !known {
		return fmt.Errorf("unknown strategy %q", p.Strategy)
	}
	slices.SortFunc(p.Candidates, byName)
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
	p.Chosen = choose(p, fit).Host
	return nil
}

// draw picks evenly among those that fit. The recorded seed is the only source
// of chance, and a hash of it rather than a generator from the library, whose
// sequence another release might change.
func (p *Pick) draw(fit []*Candidate, why string) *Candidate {
	sum := sha256.Sum256([]byte(p.Seed))
	i := binary.BigEndian.Uint64(sum[:]) % uint64(len(fit))
	return choose(fit, fit[i], why, "not drawn")
}

// last is the host that ran the job last, whether or not it fits today; empty
// if none of the candidates did.
func (p *Pick) last() string {
	var last Candidate
	for _, c := range p.Candidates {
		if c.LastStart.After(last.LastStart) {
			last = c
		}
	}
	return last.Host
}

// refusals counts the candidates by reason: "2 unreachable, 1 tag cron is
// \"false\", not \"true\"".
func (p *Pick) refusals() string {
	if len(p.Candidates) == 0 {
		return "the fleet is empty"
	}
	count := map[string]int{}
	var reasons []string
	for _, c := range p.Candidates {
		if count[c.Refused]++; count[c.Refused] == 1 {
			reasons = append(reasons, c.Refused)
		}
	}
	slices.SortFunc(reasons, func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("%d %s", count[reason], reason)
	}
	return strings.Join(reasons, ", ")
}

func byName(a, b Candidate) int { return cmp.Compare(a.Host, b.Host) }
