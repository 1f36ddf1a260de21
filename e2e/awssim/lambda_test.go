package awssim_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/executor/ssmexec"
	"github.com/solocron/solocron/ledger"
)

// lambda runs the function as Lambda does: one event at a time for each
// process, which it may keep for the next; an event that failed again, a minute
// later and then two; and it kills what takes too long.
type lambda struct {
	w               *world
	invokes, events post

	mu   sync.Mutex
	idle []*process
}

func newLambda(w *world) *lambda {
	return &lambda{
		w:       w,
		invokes: post{w: w, knobs: func(k awsloop.Knobs) awsloop.DeliveryKnobs { return k.Invokes }},
		events:  post{w: w, knobs: func(k awsloop.Knobs) awsloop.DeliveryKnobs { return k.Events }},
	}
}

// The function's limits, as its stack sets them, and how long before its time
// is over it stops by itself.
const (
	functionTimeout = time.Minute
	leave           = 2 * time.Second
	retries         = 2
)

// work is what the function does with an event.
type work func(ctx context.Context, p *process) error

func due(job string, at time.Time) work {
	return func(ctx context.Context, p *process) error { return p.steps.Due(ctx, job, "", at) }
}

func sweep(ctx context.Context, p *process) error { return p.steps.Sweep(ctx) }

// event is what EventBridge gets from Systems Manager. Its rule knows the
// document, and the function only looks at what is not just on its way.
func (l *lambda) event(text []byte) {
	var e struct {
		Detail struct {
			Command  string `json:"command-id"`
			Instance string `json:"instance-id"`
			Document string `json:"document-name"`
			Status   string `json:"status"`
		}
	}
	if err := json.Unmarshal(text, &e); err != nil {
		l.w.t.Errorf("event %s: %v", text, err)
		return
	}
	switch d := e.Detail; {
	case d.Document != document, d.Instance == "", d.Status == "Pending", d.Status == "InProgress", d.Status == "Delayed":
	default:
		l.events.send(func() { l.accept(hint(d.Command, d.Instance)) })
	}
}

func hint(command, instance string) work {
	return func(ctx context.Context, p *process) error {
		run, _, err := p.commands.Find(ctx, command, instance)
		switch {
		case errors.Is(err, ssmexec.ErrNotOurs):
			return nil
		case err != nil:
			return err
		}
		if err := p.steps.News(ctx, run); !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
		return nil
	}
}

// invokeAsync queues an event under the knobs for Invokes.
func (l *lambda) invokeAsync(do work) { l.invokes.send(func() { l.accept(do) }) }

// accept tries the event until it is done with, or given up.
func (l *lambda) accept(do work) {
	l.w.spawn(func() {
		for try := range 1 + retries {
			if !l.w.rest(l.w.ctx, time.Duration(try)*time.Minute) || l.invoke(do) == nil {
				return
			}
		}
	})
}

// invoke handles an event in a process of its own.
func (l *lambda) invoke(do work) error {
	p := l.take()
	ctx, cancel := context.WithTimeoutCause(p.alive, functionTimeout-leave, errors.New("the function's time is over"))
	defer cancel()
	defer time.AfterFunc(functionTimeout, p.kill).Stop()
	if k := l.w.loop.Knobs().Crash; l.w.roll(k.P) {
		defer time.AfterFunc(l.w.upTo(k.For), p.kill).Stop()
	}
	err := errors.Join(do(ctx, p), p.steps.Settle(ctx))
	if p.alive.Err() != nil {
		return errKilled
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = append(l.idle, p)
	return err
}

// take returns a process: as often as not one that was here before.
func (l *lambda) take() *process {
	warm := l.w.roll(0.5)
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.idle); n > 0 && warm {
		p := l.idle[n-1]
		l.idle = l.idle[:n-1]
		p.invocation++
		return p
	}
	return newProcess(l.w)
}

// post carries messages to their receivers under the knobs for their kind, as
// the stand-in's own does for functions that are processes.
type post struct {
	w     *world
	knobs func(awsloop.Knobs) awsloop.DeliveryKnobs

	mu   sync.Mutex
	held func() // waits for the next to overtake it
}

func (m *post) send(deliver func()) {
	k := m.knobs(m.w.loop.Knobs())
	if m.w.roll(k.Drop.P) {
		return
	}
	if m.w.roll(k.Duplicate.P) {
		m.later(k.Duplicate.For, deliver)
	}
	switch {
	case m.w.roll(k.Reorder.P):
		once := sync.OnceFunc(deliver)
		m.swap(once)()
		m.later(k.Reorder.For, once)
	case m.w.roll(k.Delay.P):
		m.later(k.Delay.For, deliver)
	default:
		deliver()
		m.swap(nil)()
	}
}

// swap holds the next message and returns what delivers the last one.
func (m *post) swap(next func()) (last func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, m.held = m.held, next
	if last == nil {
		return func() {}
	}
	return last
}

func (m *post) later(d time.Duration, deliver func()) {
	m.w.spawn(func() {
		if m.w.rest(m.w.ctx, d) {
			deliver()
		}
	})
}
