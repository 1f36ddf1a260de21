// Package listfleet is the fleet that the jobs file lists host by host. It
// never changes and never fails once made.
package listfleet

import (
	"context"
	"fmt"

	"github.com/solocron/solocron/fleet"
)

// Fleet is a fixed list of hosts.
type Fleet struct{ hosts []fleet.Host }

// New returns the fleet of the given hosts, in any order, or an error that
// wraps [fleet.ErrInventory] and names the first host that is wrong.
func New(hosts []fleet.Host) (*Fleet, error) {
	list, err := fleet.Inventory(hosts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fleet.ErrInventory, err)
	}
	return &Fleet{hosts: list}, nil
}

// Hosts implements [fleet.Fleet].
func (f *Fleet) Hosts(ctx context.Context) ([]fleet.Host, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", fleet.ErrInventory, context.Cause(ctx))
	}
	return fleet.Clone(f.hosts), nil
}
