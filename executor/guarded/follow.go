package guarded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// following is a conversation from ready on. done is closed at its end; heard says
// whether the result arrived.
type following struct {
	of     where
	done   chan struct{}
	result guard.Result
	heard  bool

	// Both from go on, under the executor's lock.
	release func() // lets the next command start; nil when it was called
	slow    *time.Timer
}

// forget is how long a result that nobody waits for is kept in memory; the
// host keeps it anyway.
const forget = time.Minute

// errLeft is why a guard that stood ready gets no go.
var errLeft = errors.New("the guard left before its go")

// follow listens to a guard that stands ready, until its end, and then calls
// left. Waiters find it once go is handed over.
func (e *Executor) follow(h fleet.Host, a guard.Attempt, s Session, talk *guard.Reader, left context.CancelCauseFunc) *following {
	f := &following{of: where{h.ID, a}, done: make(chan struct{})}
	e.wg.Go(func() {
		stop := context.AfterFunc(e.quit, func() { s.Close() })
		talk.Await()
		e.hear(f, h, s, talk)
		stop()
		left(errLeft)
		close(f.done)
		time.AfterFunc(forget, func() { e.drop(f) })
	})
	return f
}

// hear listens to the end of the conversation.
func (e *Executor) hear(f *following, h fleet.Host, s Session, talk *guard.Reader) {
	outcome := e.listen(s, talk, func() { e.started(f) })
	f.result, f.heard = outcome.Result(), outcome.Ended()
	s.Close()
	e.started(f)
	if f.heard && e.opts.Dir != nil && outcome.Kept() {
		f.result.Output = e.kept(h, f.of.at, f.result.Output)
	}
}

// started lets the next command start, unless this one's place is free already.
func (e *Executor) started(f *following) {
	e.mu.Lock()
	release, slow := f.release, f.slow
	f.release, f.slow = nil, nil
	e.mu.Unlock()
	if release != nil {
		release()
	}
	if slow != nil {
		slow.Stop()
	}
}

func (e *Executor) drop(f *following) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.live[f.of] == f {
		delete(e.live, f.of)
	}
}

// listen reads to the guard's last word. Output that is still held a while
// after the command's end is left to whoever holds it.
func (e *Executor) listen(s Session, talk *guard.Reader, started func()) guard.Outcome {
	var outcome guard.Outcome
	var late *time.Timer
	for {
		m, err := talk.Next()
		if err != nil {
			break
		}
		if m.Word == "started" {
			started()
		}
		outcome.Take(m)
		if outcome.Ended() && late == nil {
			late = time.AfterFunc(e.opts.DrainWithin, func() { s.Close() })
		}
		if outcome.Complete(e.opts.Link) {
			break
		}
	}
	if late != nil {
		late.Stop()
	}
	return outcome
}

// kept is the output in a run directory on this machine.
func (e *Executor) kept(h fleet.Host, a guard.Attempt, said guard.Output) guard.Output {
	o, err := guard.Kept(e.opts.Dir(h, a))
	if err != nil {
		return said
	}
	o.Bytes = max(o.Bytes, said.Bytes)
	o.Cut = o.Cut || o.Bytes > int64(len(o.Head)+len(o.Tail))
	return o
}

// Wait hears or asks for the end. See [executor.Executor].
func (e *Executor) Wait(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Result, error) {
	key := where{h.ID, a}
	e.mu.Lock()
	f := e.live[key]
	e.mu.Unlock()
	if f != nil {
		select {
		case <-f.done:
			e.drop(f)
			if f.heard {
				return f.result, nil
			}
		case <-ctx.Done():
			return guard.Result{}, fmt.Errorf("wait for %s on %s: %w", a.Dir(), h.ID, context.Cause(ctx))
		}
	}
	return e.ask(ctx, h, a)
}

// glances is how many looks at local files stand in for one question.
const glances = 15

// ask questions the host until it knows the end.
func (e *Executor) ask(ctx context.Context, h fleet.Host, a guard.Attempt) (guard.Result, error) {
	failure := error(nil)
	pause := e.opts.AskFirst
	for n := 0; ; n++ {
		if n%glances == 0 || e.opts.Dir == nil || guard.Settled(e.opts.Dir(h, a)) {
			var status guard.Status
			status, failure = e.Status(ctx, h, a)
			switch {
			case failure != nil:
			case status.Phase == guard.PhaseEnded:
				return status.Result, nil
			case status.Phase == guard.PhaseAbsent:
				return guard.Result{End: guard.Absent, Reason: "the host has no run directory of this attempt"}, nil
			}
		}
		if err := rest(ctx, pause); err != nil {
			if failure != nil {
				return guard.Result{}, fmt.Errorf("wait for %s on %s: %w; at last: %w", a.Dir(), h.ID, err, failure)
			}
			return guard.Result{}, fmt.Errorf("wait for %s on %s: %w", a.Dir(), h.ID, err)
		}
		pause = min(2*pause, e.opts.AskMost)
	}
}

// rest waits for d, or returns why ctx is done.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
