package deploy

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// How fast Scheduler is called. A small region allows 250 of each call a
// second, a large one 5,000; what is beyond is throttled and repeated.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html
const (
	atOnce    = 32
	perSecond = 200
)

// each calls f for 0 to n-1, several at a time and not too many a second. The
// first error ends it.
func (a *Account) each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	if n == 0 {
		return nil
	}
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range n {
		if i > 0 {
			select {
			case <-tick.C:
			case <-within.Done():
			}
		}
		if within.Err() != nil {
			break
		}
		g.Go(func() error { return f(within, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}
