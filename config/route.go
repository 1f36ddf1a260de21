package config

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// byAddress is the executor that hands each host to the one its address names.
type byAddress struct{ local, ssh, agent executor.Executor }

func (e byAddress) of(h fleet.Host) executor.Executor {
	switch {
	case h.Address == fleet.ByAgent:
		return e.agent
	case strings.HasPrefix(h.Address, "ssh://"):
		return e.ssh
	}
	return e.local
}

func (e byAddress) Start(ctx context.Context, h fleet.Host, o guard.Order, grant func(context.Context) error) error {
	return e.of(h).Start(ctx, h, o, grant)
}

func (e byAddress) Holds(h fleet.Host) bool {
	patient, ok := e.of(h).(executor.Patient)
	return ok && patient.Holds(h)
}

func (e byAddress) Listens(ctx context.Context, h fleet.Host, a guard.Attempt) error {
	if patient, ok := e.of(h).(executor.Patient); ok {
		return patient.Listens(ctx, h, a)
	}
	return nil
}

func (e byAddress) Wait(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Result, error) {
	return e.of(h).Wait(ctx, h, a)
}

func (e byAddress) Status(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Status, error) {
	return e.of(h).Status(ctx, h, a)
}

func (e byAddress) Stop(ctx context.Context, h fleet.Host, a guard.Attempt, kill bool) error {
	return e.of(h).Stop(ctx, h, a, kill)
}

func (e byAddress) Output(ctx context.Context, h fleet.Host, a guard.Attempt, offset int64, limit int) ([]byte, error) {
	return e.of(h).Output(ctx, h, a, offset, limit)
}

func (e byAddress) Probe(ctx context.Context, h fleet.Host) fleet.Health {
	return e.of(h).Probe(ctx, h)
}

func (e byAddress) Close() error { return errors.Join(e.local.Close(), e.ssh.Close(), e.agent.Close()) }

// nobody is the executor of hosts that can't be reached for the reason that it
// holds.
type nobody struct{ why error }

func (e nobody) Start(_ context.Context, _ fleet.Host, _ guard.Order, _ func(context.Context) error) error {
	return &executor.NotStarted{Proof: "the order was not sent", Err: errors.Join(e.why, executor.ErrUnreachable)}
}

func (e nobody) Wait(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Result, error) {
	<-ctx.Done()
	return guard.Result{}, fmt.Errorf("wait for %s on %s: %w; %w", a.Dir(), h.ID, context.Cause(ctx), e.why)
}

func (e nobody) Status(_ context.Context, h fleet.Host, a guard.Attempt) (guard.Status, error) {
	return guard.Status{}, fmt.Errorf("status of %s on %s: %w", a.Dir(), h.ID, e.why)
}

func (e nobody) Stop(_ context.Context, h fleet.Host, a guard.Attempt, _ bool) error {
	return fmt.Errorf("stop %s on %s: %w", a.Dir(), h.ID, e.why)
}

func (e nobody) Output(_ context.Context, h fleet.Host, a guard.Attempt, _ int64, _ int) ([]byte, error) {
	return nil, fmt.Errorf("output of %s on %s: %w", a.Dir(), h.ID, e.why)
}

func (e nobody) Probe(context.Context, fleet.Host) fleet.Health {
	return fleet.Health{CheckedAt: time.Now().UTC(), Refused: e.why.Error()}
}

func (e nobody) Close() error { return nil }
