package guarded

import (
	"context"
	"fmt"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// following is a conversation after go. done is closed at its end; heard says
// whether the result arrived.
type following struct {
	done   chan struct{}
	result guard.Result
	heard  bool
}

// forget is how long a result that nobody waits for is kept in memory; the
// host keeps it anyway.
const forget = time.Minute

// follow listens to a guard that was given its go, until its end.
func (e *Executor) follow(h fleet.Host, a guard.Attempt, s Session, talk *guard.Reader, release func()) {
	f := &following{done: make(chan struct{})}
	key := where{h.ID, a}
	e.mu.Lock()
	e.live[key] = f
	e.mu.Unlock()
	slow := time.AfterFunc(e.opts.ReadyWithin, release)
	e.wg.Go(func() {
		stop := context.AfterFunc(e.quit, func() { s.Close() })
		f.result, f.heard = e.listen(s, talk, release)
		stop()
		s.Close()
		slow.Stop()
		release()
		if f.heard && e.opts.Dir != nil && f.result.End != guard.Refused {
			f.result.Output = e.kept(h, a, f.result.Output)
		}
		close(f.done)
		time.AfterFunc(forget, func() { e.drop(key, f) })
	})
}

func (e *Executor) drop(key where, f *following) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.live[key] == f {
		delete(e.live, key)
	}
}

// listen reads to the guard's last word. Output that is still held a while
// after the command's end is left to whoever holds it.
func (e *Executor) listen(s Session, talk *guard.Reader, release func()) (guard.Result, bool) {
	var outcome guard.Outcome
	var late *time.Timer
	for {
		m, err := talk.Next()
		if err != nil {
			break
		}
		if m.Word == "started" {
			release()
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
	return outcome.Result(), outcome.Ended()
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
			e.drop(key, f)
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
