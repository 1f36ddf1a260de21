package config

import (
	"context"
	"errors"
	"strings"

	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// byAddress is the executor that hands each host to the one its address names.
type byAddress struct{ local, ssh executor.Executor }

func (e byAddress) of(h fleet.Host) executor.Executor {
	if strings.HasPrefix(h.Address, "ssh://") {
		return e.ssh
	}
	return e.local
}

func (e byAddress) Start(ctx context.Context, h fleet.Host, o guard.Order, grant func(context.Context) error) error {
	return e.of(h).Start(ctx, h, o, grant)
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

func (e byAddress) Close() error { return errors.Join(e.local.Close(), e.ssh.Close()) }
