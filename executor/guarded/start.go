package guarded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/solocron/solocron/apart"
	"github.com/solocron/solocron/crash"
	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"golang.org/x/sync/semaphore"
)

// noGo is the proof that holds whenever a start breaks off before go: a guard
// starts nothing without it.
const noGo = "no go was given"

// Start brings the order to the host. See [executor.Executor].
func (e *Executor) Start(ctx context.Context, h fleet.Host, o guard.Order, grant func(context.Context) error) error {
	wire, err := o.Encode(e.opts.Link)
	if err != nil {
		return &executor.NotStarted{Proof: "the order was not sent", Err: err}
	}
	release, err := admit(ctx, e.readying)
	if err != nil {
		return &executor.NotStarted{Proof: noGo, Err: err}
	}
	var s Session
	var talk *guard.Reader
	apart.Do(func() { // the wait for the grant needs little of a stack
		defer release()
		s, talk, err = e.open(ctx, h, o, wire)
	})
	if err != nil {
		return err
	}
	there, left := context.WithCancelCause(ctx)
	f := e.follow(h, o.Attempt, s, talk, left)
	err = e.give(there, f.of, s, grant)
	if err == nil {
		err = e.handOver(f, s, o)
	}
	if err != nil {
		s.Close()
	}
	return err
}

// open brings the order to a guard that stands ready then.
func (e *Executor) open(ctx context.Context, h fleet.Host, o guard.Order, wire []byte) (Session, *guard.Reader, error) {
	s, err := e.transport.Open(ctx, h, guard.VerbStart)
	if err != nil {
		return nil, nil, &executor.NotStarted{Proof: noGo, Err: err}
	}
	talk := guard.NewReader(s)
	err = e.ready(ctx, s, talk, wire)
	if errors.Is(err, executor.ErrDelivered) {
		err = e.delivered(ctx, h, o, err)
	}
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	return s, talk, nil
}

// Holds reports whether a guard may be kept waiting. See [executor.Patient].
func (e *Executor) Holds(h fleet.Host) bool { return e.opts.Holds != nil && e.opts.Holds(h) }

// Listens tries the way to a guard that stands ready. See [executor.Patient].
func (e *Executor) Listens(_ context.Context, h fleet.Host, a guard.Attempt) error {
	e.mu.Lock()
	s := e.held[where{h.ID, a}]
	e.mu.Unlock()
	if s == nil {
		return nil // its end would have been seen
	}
	return s.Answers()
}

// hold lets Listens find the session until release.
func (e *Executor) hold(at where, s Session) (release func()) {
	r, ok := s.(Remote)
	if !ok {
		return func() {}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held[at] = r
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.held, at)
	}
}

// admit waits for a place.
func admit(ctx context.Context, places *semaphore.Weighted) (release func(), err error) {
	if places == nil {
		return func() {}, nil
	}
	if err := places.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	return sync.OnceFunc(func() { places.Release(1) }), nil
}

// ready sends the order and hears what the guard says to it. Any error but
// [executor.ErrDelivered] is a proof.
func (e *Executor) ready(ctx context.Context, s Session, talk *guard.Reader, wire []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, e.opts.ReadyWithin, fmt.Errorf("the guard was not ready within %s", e.opts.ReadyWithin))
	defer cancel()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	crash.Before("guard", "order")
	_, err := s.Write(wire)
	crash.After("guard", "order")
	var m guard.Message
	if err == nil || errors.Is(err, io.ErrClosedPipe) {
		m, err = talk.Next()
	} else if early, said := talk.Next(); said == nil {
		m, err = early, nil // it refused before it had read everything
	}
	switch {
	case ctx.Err() != nil:
		return &executor.NotStarted{Proof: noGo, Err: context.Cause(ctx)}
	case err != nil:
		return &executor.NotStarted{Proof: noGo, Err: complaint(s, fmt.Errorf("the guard did not get ready: %w", err))}
	case m.Word == "ready":
		return nil
	case m.Duplicate:
		return executor.ErrDelivered
	case m.Word == "end" && m.Result.End == guard.Refused:
		return &executor.NotStarted{Proof: "guard: " + m.Result.Reason, Busy: m.Result.Busy}
	}
	return &executor.NotStarted{Proof: noGo, Err: fmt.Errorf("the guard said %q instead of ready", m.Word)}
}

// delivered asks what became of the earlier delivery of the same order: if the
// host refused it, that is proof; else it may be running.
func (e *Executor) delivered(ctx context.Context, h fleet.Host, o guard.Order, err error) error {
	status, asked := e.Status(ctx, h, o.Attempt)
	if asked == nil && status.Phase == guard.PhaseEnded && status.Result.End == guard.Refused {
		return &executor.NotStarted{Proof: "guard: " + status.Result.Reason, Busy: status.Result.Busy}
	}
	return fmt.Errorf("start %s on %s: %w", o.Attempt.Dir(), h.ID, err)
}

// give calls grant for the guard that stands ready at the session's other end.
func (e *Executor) give(ctx context.Context, at where, s Session, grant func(context.Context) error) error {
	defer e.hold(at, s)()
	if err := ctx.Err(); err != nil {
		return &executor.NotStarted{Proof: noGo, Err: context.Cause(ctx)}
	}
	if err := grant(ctx); err != nil {
		return &executor.NotStarted{Proof: noGo, Err: err}
	}
	return nil
}

// handOver writes go when it is this start's turn. It was granted, so a context
// that ends now no longer matters; an error leaves the start in doubt.
func (e *Executor) handOver(f *following, s Session, o guard.Order) error {
	release, err := admit(context.Background(), e.starting)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.live[f.of] = f
	f.release, f.slow = release, time.AfterFunc(e.opts.ReadyWithin, func() { e.started(f) })
	e.mu.Unlock()
	late := time.AfterFunc(e.opts.GoWithin, func() { s.Close() })
	defer late.Stop()
	crash.Before("guard", "word of go")
	if _, err := io.WriteString(s, o.Go(time.Now())); err != nil {
		s.Close()
		<-f.done
		if f.heard {
			return nil // a guard that has told its end has heard the go, or needs none
		}
		e.drop(f)
		return fmt.Errorf("go for %s on %s may have been heard: %w", o.Attempt.Dir(), o.Host, err)
	}
	crash.After("guard", "word of go")
	return nil
}

// complaint adds what the guard's shell complained of.
func complaint(s Session, err error) error {
	if words := s.Complaint(); words != "" {
		return fmt.Errorf("%w: %s", err, words)
	}
	return err
}
