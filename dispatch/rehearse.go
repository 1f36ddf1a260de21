package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/run"
)

// rehearsal is the name of the job that a rehearsal seems to be of.
const rehearsal = "solocron-rehearsal"

// Rehearse has a host go through all that a job's start takes: the order reaches
// it, the guard makes a run directory, asks for its go or posts its claim,
// starts a command, which does nothing, and reports the end. No run is
// recorded. Unclaimed leaves the claim out, as for a job with claim: off. The
// error says how far it came. It waits for as long as ctx allows; repeating is
// safe.
func (d *Dispatcher) Rehearse(ctx context.Context, hostID string, unclaimed bool) error {
	h, err := d.host(ctx, hostID)
	if err != nil {
		return fmt.Errorf("rehearse on %s: %w", hostID, err)
	}
	at := d.now().UTC().Truncate(time.Second)
	attempt := guard.Attempt{Run: run.ManualID(rehearsal, at, token()[:6]), N: 1, Kept: h.RunDir, Unclaimed: unclaimed}
	err = d.Executor.Start(ctx, h, guard.Order{
		Attempt: attempt, Token: token(), StartBy: at.Add(time.Minute),
		Job: rehearsal, Due: at, Host: h.ID, Command: ":", Timeout: time.Minute, Grace: time.Second,
	}, func(context.Context) error { return nil })
	if err != nil {
		return fmt.Errorf("rehearse on %s: %w", h.ID, err)
	}
	result, err := d.Executor.Wait(ctx, h, attempt)
	switch {
	case err != nil:
		return fmt.Errorf("rehearse on %s: %w", h.ID, err)
	case result.End != guard.Exited || result.Code != 0:
		return fmt.Errorf("rehearse on %s: %s: %s", h.ID, result.End, result.Reason)
	}
	return nil
}

// host is the host of the fleet with the ID.
func (d *Dispatcher) host(ctx context.Context, id string) (fleet.Host, error) {
	hosts, err := d.Fleet.Hosts(ctx)
	if err != nil {
		return fleet.Host{}, err
	}
	for _, h := range hosts {
		if h.ID == id {
			return h, nil
		}
	}
	return fleet.Host{}, fmt.Errorf("it is not one of the fleet's %d hosts", len(hosts))
}
