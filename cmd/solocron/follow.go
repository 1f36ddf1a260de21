package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

// follower writes a run's output while it grows. It outlives a restart of the
// scheduler, as the run does.
type follower struct {
	client *web.Client
	out    io.Writer
	talk   func(format string, args ...any)
	only   int // the attempt to follow; 0 for all of them, one after the other
}

// How often a host is asked for more output: soon after some came, seldom
// while none does. A change of the run is noticed at once.
const (
	soon   = 100 * time.Millisecond
	seldom = 2 * time.Second
)

// change is a run that changed, or why that can't be known any more.
type change struct {
	run web.Run
	err error
}

// follow returns the run when it is over, or the one attempt is.
func (f *follower) follow(ctx context.Context, r web.Run) (web.Run, error) {
	ctx, cancel := context.WithCancel(ctx)
	news := make(chan change)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { f.watch(ctx, r, news) })

	n, offset, pause := max(f.only, 1), int64(0), soon
	for {
		over := n <= len(r.Attempts) && ended(r.Attempts[n-1])
		grew, trouble, err := int64(0), error(nil), error(nil)
		if n <= len(r.Attempts) {
			grew, trouble, err = f.drain(ctx, r.ID, n, offset)
		}
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return r, err
		}
		if over && trouble != nil {
			f.talk("the output of attempt %d can't be read: %v", n, trouble)
		}
		switch {
		case over && f.only == 0 && n < len(r.Attempts):
			n, offset, pause = n+1, 0, soon
			f.talk("attempt %d on %s", n, r.Attempts[n-1].Host)
			continue
		case over && f.only > 0, !r.State.Open():
			return r, nil
		}
		offset, pause = offset+grew, min(pause*2, seldom)
		if grew > 0 {
			pause = soon
		}
		select {
		case c := <-news:
			if c.err != nil {
				return r, c.err
			}
			r = c.run
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// drain writes what there is by now of an attempt's output from offset on, and
// returns how much that was. Trouble is why no more of it could be read; err,
// why it could not be written.
func (f *follower) drain(ctx context.Context, id string, n int, offset int64) (grew int64, trouble, err error) {
	for {
		chunk, trouble := f.client.Output(ctx, id, n, offset+grew)
		if trouble != nil || len(chunk) == 0 {
			return grew, trouble, nil
		}
		if _, err := f.out.Write(chunk); err != nil {
			return grew, nil, err
		}
		grew += int64(len(chunk))
	}
}

// watch sends every change of the run until it is over.
func (f *follower) watch(ctx context.Context, r web.Run, news chan<- change) {
	for r.State.Open() {
		next, err := f.wait(ctx, r)
		if err == nil && next.Version == r.Version {
			continue
		}
		select {
		case news <- change{next, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		r = next
	}
}

// How long a scheduler may be away before its clients give up, and how often
// they look for it.
const (
	patience  = time.Minute
	lookEvery = time.Second
)

// wait returns the run's next state. While the scheduler is away it looks for
// it again.
func (f *follower) wait(ctx context.Context, r web.Run) (web.Run, error) {
	gone := time.Time{}
	for {
		next, err := f.client.Wait(ctx, r.ID, r.Version)
		switch {
		case err == nil || ctx.Err() != nil || refused(err):
			return next, err
		case gone.IsZero():
			gone = time.Now()
			f.talk("%v; the run goes on, waiting for the scheduler", err)
		case time.Since(gone) > patience:
			return next, err
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return next, ctx.Err()
		}
	}
}

// refused reports whether the scheduler itself said no, rather than being away
// or in trouble.
func refused(err error) bool {
	var p *web.Problem
	return errors.As(err, &p) && p.Status >= 400 && p.Status < 500
}

func ended(a web.Attempt) bool {
	return a.State != run.AttemptStarting && a.State != run.AttemptRunning
}
