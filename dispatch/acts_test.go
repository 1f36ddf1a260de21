package dispatch

import (
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// joins starts a scheduler, if there is room for one more.
func (o *ordeal) joins() {
	if most := 3; len(o.up) == 0 || !o.sole && len(o.up) < most {
		o.join()
	}
}

// kills ends a scheduler: at once, with a drain, or at one of its next writes.
func (o *ordeal) kills() {
	m := o.one()
	if m == nil {
		return
	}
	switch o.draw("how", 4) {
	case 0:
		m.ledger.die()
	case 1:
		m.stop()
		<-m.ended
		m.ledger.die()
	case 2, 3:
		how, in := harm(o.draw("when", 2)), 1+o.draw("writes", 6)
		m.ledger.set(func() { m.ledger.harm, m.ledger.in = how, in })
	}
}

// harms takes the ledger away from a scheduler, or gives it back, or spoils one
// of its next writes.
func (o *ordeal) harms() {
	m := o.one()
	if m == nil {
		return
	}
	how, in := unwritten+harm(o.draw("how", 2)), 1+o.draw("writes", 6)
	if o.draw("away", 2) == 0 {
		m.ledger.set(func() { m.ledger.away = !m.ledger.away })
		return
	}
	m.ledger.set(func() { m.ledger.harm, m.ledger.in = how, in })
}

// strikesHost lets a host die, restart, be cut off, or come back.
func (o *ordeal) strikesHost() {
	id := o.hosts.list[o.draw("host", len(o.hosts.list))].ID
	how := o.draw("how", 4)
	o.hosts.set(func() { o.hosts.down[id] = how == 0 || how == 1 })
	if how == 0 || how == 2 { // it dies or restarts, and its commands with it
		for _, a := range o.hosts.under(id) {
			o.hosts.finish(a, guard.Result{End: guard.Gone, EndedAt: time.Now().UTC(), Reason: "the host was restarted during the run"})
		}
	}
}

// under are the attempts that are under way on the host.
func (h *hosts) under(host string) (all []*attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.attempts {
		if a.order.Host == host && a.result == nil {
			all = append(all, a)
		}
	}
	return all
}

// edits changes a job's schedule, takes it out of the file or puts it back, or
// loads the file as it is.
func (o *ordeal) edits() {
	i := o.draw("job", len(o.file))
	switch name := o.file[i].Name; o.draw("how", 3) {
	case 0:
		if !o.clocks {
			o.file[i].When.Expr = o.drawWhen()
		}
	case 1:
		o.off[name] = !o.off[name]
	}
	o.reload()
}

// setsClock sets a scheduler's clock forward or back, or right. Schedules are
// not edited then: one that is edited by a clock that is behind due times that are
// recorded already is not owed what lies between, if the scheduler dies there.
func (o *ordeal) setsClock() {
	if m := o.one(); m != nil && o.clocks {
		by := among(o, "by", 0, time.Second, -time.Second, 90*time.Second, -90*time.Second, 20*time.Minute, -20*time.Minute)
		m.ahead.Store(int64(by))
	}
}

// disturbsGo holds up the next go, or loses it, or its answer.
func (o *ordeal) disturbsGo() {
	pause, wrong := time.Duration(o.draw("pause", 50))*time.Second, o.draw("wrong", 3)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slow, o.wrong = pause, wrong
	o.salt++
}

// person cancels a run, or decides about a lost one.
func (o *ordeal) person() {
	m := o.one()
	if m == nil {
		return
	}
	ctx, cancel := o.asks()
	defer cancel()
	switch o.draw("word", 3) {
	case 0:
		if r := o.some(run.Planned, run.Starting, run.Running); r.ID != "" {
			_, _ = m.Cancel(ctx, r.ID, "ann", o.draw("kill", 2) == 1)
		}
	case 1:
		if r := o.some(run.Lost); r.ID != "" {
			o.decided(r)
			_, _ = m.Resolve(ctx, r.ID, among(o, "as", run.Succeeded, run.Failed, run.Cancelled), "ann knows")
		}
	case 2:
		if r := o.some(run.Lost); r.ID != "" {
			o.decided(r)
			_, _ = m.Rerun(ctx, r.ID, "ann wants it")
		}
	}
}

// asksForRun starts a job by hand.
func (o *ordeal) asksForRun() {
	if m := o.one(); m != nil {
		ctx, cancel := o.asks()
		defer cancel()
		_, _ = m.RunNow(ctx, o.file[o.draw("job", len(o.file))].Name, "ann")
	}
}

// pauses a job, or resumes it.
func (o *ordeal) pauses() {
	if m := o.one(); m != nil {
		on := o.draw("on", 2) == 0
		_ = m.Dispatcher.Pause(o.ctx, o.file[o.draw("job", len(o.file))].Name, ledger.Pause{On: on, By: "ann", At: now()})
	}
}
