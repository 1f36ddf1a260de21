package awsloop

import (
	"context"
	"errors"
	"slices"
	"time"
)

// How much the agent takes at once [A].
const (
	workers = 5
	buffer  = 5
)

// agent is what an instance's agent is at. All is under the manager's lock.
type agent struct {
	waiting     []*ssmInvocation      // with the service, to be delivered
	buffered    []*documentRun        // delivered, to be started
	running     map[*documentRun]bool // by this agent
	interrupted []*documentRun        // by the instance's end, to be taken up after a boot
	unsent      []func()              // results that couldn't be told yet
}

// documentRun is one run of the document on the instance.
type documentRun struct {
	*ssmInvocation
	again  bool // it isn't the first; knobs no longer apply
	mute   bool // nobody tells of its result any more
	rerun  bool // the script asked to be run again after a restart
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when its processes are over
}

// Why a document run is ended from outside.
var (
	errCancelled = errors.New("cancelled")
	errTimeout   = errors.New("execution timed out")
	errDown      = errors.New("instance down")
)

// dispatch sends the invocation on its way to the agent. manager.mu is held.
func (v *ssmInvocation) dispatch(knobs AgentKnobs) {
	m := v.instance.manager
	switch {
	case m.server.roll(knobs.Drop):
		v.move(ssmInProgress)
	case m.server.roll(knobs.Delay):
		m.after(knobs.Delay.For, func() { v.instance.reach(v, knobs) })
	default:
		v.instance.reach(v, knobs)
	}
}

// reach delivers to an agent that is there, or leaves it to the service to try
// again when the agent is back.
func (i *Instance) reach(v *ssmInvocation, knobs AgentKnobs) {
	if i.online && i.manager.server.roll(knobs.Offline) {
		i.disconnect()
		i.comeBack(knobs.Offline)
	}
	if !i.online {
		v.move(ssmDelayed)
	}
	i.waiting = append(i.waiting, v)
	i.pump()
}

// comeBack brings the agent back after the knob's time.
func (i *Instance) comeBack(k Knob) {
	if k.For > 0 {
		i.manager.after(k.For, i.connect)
	}
}

func (i *Instance) disconnect() {
	if i.online {
		i.online, i.heard = false, time.Now().Add(-i.options.PingAge)
	}
}

func (i *Instance) connect() {
	if i.isDown || i.online {
		return
	}
	i.online = true
	unsent := i.unsent
	i.unsent = nil
	for _, send := range unsent {
		send()
	}
	for r := range i.running {
		if r.standing == ssmCancelling {
			r.cancel(errCancelled)
		}
	}
	i.pump()
}

// kill stops the agent: of what runs nobody tells any more.
func (i *Instance) kill() {
	i.disconnect()
	for r := range i.running {
		r.mute = true
		delete(i.running, r)
	}
}

// interrupt ends all that runs, to be taken up after a boot, and returns it.
func (i *Instance) interrupt() []*documentRun {
	var dying []*documentRun
	for r := range i.running {
		r.mute = true
		r.cancel(errDown)
		delete(i.running, r)
		dying = append(dying, r)
	}
	slices.SortFunc(dying, func(a, b *documentRun) int { return a.number - b.number })
	i.interrupted = append(i.interrupted, dying...)
	return dying
}

// boot starts the agent of an instance that was down. Of a document whose run
// was interrupted it tells that it failed [A], or runs it again.
func (i *Instance) boot() {
	if i.stopped || i.terminated {
		return
	}
	i.isDown = false
	interrupted := i.interrupted
	i.interrupted = nil
	i.connect()
	knobs := i.manager.server.Knobs().SSM
	for _, r := range interrupted {
		switch {
		case r.standing.final() && !r.rerun:
		case r.rerun || i.manager.server.roll(knobs.Redeliver):
			i.buffered = append(i.buffered, &documentRun{ssmInvocation: r.ssmInvocation, again: true})
		default:
			now := time.Now()
			i.report(r, result{
				standing: ssmFailed, code: 1, started: now, ended: now,
				note: "document process ssmFailed unexpectedly: document worker timed out , " +
					"check [ssm-document-worker]/[ssm-session-worker] log for crash reason",
			})
		}
	}
	i.pump()
}

// pump takes what the agent has room for, and starts what it has workers for.
func (i *Instance) pump() {
	for i.online && !i.manager.closed {
		switch {
		case len(i.buffered) > 0 && len(i.running) < workers:
			r := i.buffered[0]
			i.buffered = i.buffered[1:]
			if !r.standing.final() || r.again {
				i.start(r)
			}
		case len(i.waiting) > 0 && len(i.buffered) < buffer:
			v := i.waiting[0]
			i.waiting = i.waiting[1:]
			i.take(v)
		default:
			return
		}
	}
}

// take accepts a delivery. After TimeoutSeconds the service no longer makes
// one, and yet only ExpiresAfter tells so [B].
func (i *Instance) take(v *ssmInvocation) {
	if v.standing.final() || v.standing == ssmCancelling || time.Since(v.requested) > v.timeout {
		return
	}
	v.move(ssmInProgress)
	i.buffered = append(i.buffered, &documentRun{ssmInvocation: v})
	if i.manager.server.roll(i.manager.server.Knobs().SSM.Duplicate) {
		i.buffered = append(i.buffered, &documentRun{ssmInvocation: v, again: true})
	}
}

// start runs the document.
func (i *Instance) start(r *documentRun) {
	if i.running == nil {
		i.running = map[*documentRun]bool{}
	}
	m := i.manager
	ctx, cancel := context.WithCancelCause(m.server.ctx)
	r.cancel, r.done = cancel, make(chan struct{})
	started := m.server.spawn(func(context.Context) {
		defer cancel(nil)
		found := i.execute(ctx, r)
		close(r.done)
		i.locked(func() { i.finish(r, found) })
	})
	if !started {
		cancel(errDown)
		return
	}
	i.running[r] = true
	if !r.again {
		i.strike()
	}
}

// strike applies the knobs that hit a command which has just started.
func (i *Instance) strike() {
	m := i.manager
	knobs := m.server.Knobs().SSM
	if m.server.roll(knobs.Kill) {
		i.kill()
		i.comeBack(knobs.Kill)
	}
	if m.server.roll(knobs.Reboot) {
		m.server.spawn(func(ctx context.Context) {
			if pause(ctx, knobs.Reboot.For) {
				i.Reboot()
			}
		})
	}
}

// finish is what the agent does when a document run is over.
func (i *Instance) finish(r *documentRun, found result) {
	if r.mute {
		return
	}
	delete(i.running, r)
	m := i.manager
	switch {
	case found.code == exitReboot && found.standing == ssmFailed:
		i.restart(r)
	case i.online:
		i.report(r, found)
	default:
		i.unsent = append(i.unsent, func() { i.report(r, found) })
	}
	if k := m.server.Knobs().SSM.Redeliver; !r.again && m.server.roll(k) {
		m.after(k.For, func() {
			i.buffered = append(i.buffered, &documentRun{ssmInvocation: r.ssmInvocation, again: true})
			i.pump()
		})
	}
	i.pump()
}

// restart is what a command asks for with exit code 194: the agent restarts the
// host after a minute and runs the document again [A].
func (i *Instance) restart(r *documentRun) {
	m := i.manager
	r.rerun = true
	i.interrupted = append(i.interrupted, r)
	m.server.spawn(func(ctx context.Context) {
		if pause(ctx, time.Minute) {
			i.Reboot()
		}
	})
}

// report tells the service, which takes the first result only.
func (i *Instance) report(r *documentRun, found result) {
	if r.standing.final() {
		return
	}
	r.result = found
	r.move(found.standing)
}

// cancel asks the agent, or takes the invocation off the way to it. manager.mu
// is held.
func (v *ssmInvocation) cancel() {
	if v.standing.final() {
		return
	}
	if v.standing == ssmPending || v.standing == ssmDelayed { // the service won't deliver it
		v.move(ssmCancelled)
		return
	}
	i := v.instance
	v.move(ssmCancelling)
	if !i.online {
		return
	}
	waits := false
	i.buffered = slices.DeleteFunc(i.buffered, func(r *documentRun) bool {
		waits = waits || r.ssmInvocation == v
		return r.ssmInvocation == v
	})
	for r := range i.running {
		if r.ssmInvocation == v {
			waits = false
			r.cancel(errCancelled)
		}
	}
	if waits {
		v.move(ssmCancelled)
	}
}
