package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// pick chooses the host of the run's next attempt and returns the record of
// the choice. done must be called once the intent is written, or isn't going
// to be: until then the pick counts as an attempt under way on its host.
func (d *Dispatcher) pick(ctx context.Context, j job.Job, r *run.Run) (_ fleet.Host, _ *fleet.Pick, done func(), _ error) {
	hosts, err := d.Fleet.Find(ctx, j.Hosts)
	if err != nil {
		return fleet.Host{}, nil, nil, err
	}
	if j.Pick == fleet.LeastBusy {
		// Runs that come due together must see each other's choice.
		d.picking.Lock()
		defer d.picking.Unlock()
	}
	facts, err := d.facts(ctx, j)
	if err != nil {
		return fleet.Host{}, nil, nil, err
	}
	facts.Avoid = avoid(j, r, hosts)
	p := &fleet.Pick{
		Strategy:   j.Pick,
		Seed:       fmt.Sprintf("%s.%d", r.ID, len(r.Attempts)+1),
		Candidates: fleet.Assess(j.Hosts, j.Prefer, hosts, d.Fleet.Health, facts),
	}
	if err := p.Choose(); err != nil {
		return fleet.Host{}, p, nil, err
	}
	for _, h := range hosts {
		if h.ID == p.Chosen {
			d.count(h.ID, 1)
			return h, p, func() { d.count(h.ID, -1) }, nil
		}
	}
	return fleet.Host{}, p, nil, fmt.Errorf("picked host %s is not in the fleet", p.Chosen)
}

func (d *Dispatcher) count(host string, by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.picked[host] += by
}

// recent is how many of a job's latest runs tell where it ran last.
const recent = 100

// facts are what the job's strategy needs to know of the past, and no more:
// most strategies need nothing, and a read before every start costs time.
func (d *Dispatcher) facts(ctx context.Context, j job.Job) (fleet.Facts, error) {
	var f fleet.Facts
	var err error
	switch j.Pick {
	case fleet.LeastBusy:
		if f.Busy, err = d.Ledger.Busy(ctx); err != nil {
			return f, err
		}
		if f.Busy == nil {
			f.Busy = map[string]int{}
		}
		d.mu.Lock()
		for host, n := range d.picked {
			f.Busy[host] += n
		}
		d.mu.Unlock()
	case fleet.RoundRobin, fleet.LeastRecent, fleet.Sticky:
		runs, err := d.Ledger.Runs(ctx, ledger.Query{Job: j.Name, Limit: recent})
		if err != nil {
			return f, err
		}
		f.LastStart = map[string]time.Time{}
		for _, r := range runs {
			for _, a := range r.Attempts {
				if a.StartedAt.After(f.LastStart[a.Host]) {
					f.LastStart[a.Host] = a.StartedAt
				}
			}
		}
	}
	return f, nil
}

// avoid says which hosts the run's next attempt should not be on: those that
// were proven unable to start it, and where a retry may not go.
func avoid(j job.Job, r *run.Run, hosts []fleet.Host) map[string]string {
	no := map[string]string{}
	last := ""
	for _, a := range r.Attempts {
		switch {
		case a.Revoked:
		case a.State == run.AttemptNotStarted:
			no[a.Host] = fmt.Sprintf("attempt %d could not start: %s", a.N, a.Reason)
		default:
			last = a.Host
		}
	}
	if last == "" {
		return no
	}
	switch j.Retry.Host {
	case job.SameHost:
		for _, h := range hosts {
			if h.ID != last {
				no[h.ID] = "a retry stays on " + last
			}
		}
	case job.OtherHost:
		for _, h := range hosts {
			_, fits := j.Hosts.Match(h.Tags)
			if h.ID != last && fits && no[h.ID] == "" {
				no[last] = "the attempt before ended badly here"
				break
			}
		}
	}
	return no
}

// noHost decides about a run for which no host was found: look again for a
// while, since fleets are replaced host by host, then say so.
func (d *Dispatcher) noHost(ctx context.Context, j job.Job, r run.Run, pick *fleet.Pick, cause error) (run.Run, error) {
	if !errors.Is(cause, fleet.ErrNoHost) && !errors.Is(cause, fleet.ErrInventory) {
		return r, cause
	}
	reason := strings.TrimPrefix(cause.Error(), fleet.ErrNoHost.Error()+": ")
	since := later(r.Created, r.Due.Add(j.Delay(r.Due)))
	failed := ""
	for _, a := range r.Attempts {
		since = later(since, a.EndedAt)
		if a.State == run.AttemptNotStarted && !a.Revoked {
			failed = a.Reason
		}
	}
	detail := &ledger.Detail{Pick: pick}
	over := d.now().After(since.Add(d.Patience))
	switch {
	case failed != "" && (over || d.triedAll(ctx, j, &r)):
		return d.write(ctx, r, run.GiveUp{Reason: "could not start anywhere: " + failed}, ledger.Slot{}, detail)
	case over:
		return d.write(ctx, r, run.Skip{Reason: run.ReasonNoHost + ": " + reason}, ledger.Slot{}, detail)
	}
	return d.hold(ctx, r, run.Wait{Reason: "looking for a host: " + reason}, detail, time.Second)
}

// triedAll reports whether no host of the fleet is left that the run has not
// been on and that may yet become fit.
func (d *Dispatcher) triedAll(ctx context.Context, j job.Job, r *run.Run) bool {
	hosts, err := d.Fleet.Find(ctx, j.Hosts)
	if err != nil {
		return false
	}
	tried := avoid(j, r, hosts)
	return !slices.ContainsFunc(hosts, func(h fleet.Host) bool {
		_, fits := j.Hosts.Match(h.Tags)
		return fits && tried[h.ID] == ""
	})
}
