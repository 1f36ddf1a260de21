package simulate

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/memledger"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// engine lets a world's time pass: it takes one event after the other from a
// queue and sets the clock to it. It wakes the dispatcher when a due time has
// come, when a run may get on, and once a minute while any run is open: where
// none is, such a sweep changes nothing.
type engine struct {
	world World
	clock time.Time
	hosts *hosts
	downs downs // of the scheduler

	ledger     ledger.Ledger
	book       *book // the ledger, as the dispatcher at work sees it
	dispatcher *dispatch.Dispatcher
	context    context.Context // of that dispatcher

	queue    events
	seq      int
	records  map[string]run.Run
	open     map[string]bool // runs of due times up to the world's end
	sweeping bool            // a sweep is in the queue
	watch    time.Time       // sweep until then, whether or not a run is open
}

func newEngine(ctx context.Context, w World) (*engine, error) {
	e := &engine{
		world: w, clock: w.From, downs: schedulerDowns(w.Faults), ledger: memledger.New(),
		records: map[string]run.Run{}, open: map[string]bool{},
	}
	e.hosts = newHosts(&e.world, e.now, func(id string, at time.Time) { e.at(at, news, func() { e.news(id) }) })
	specs := make([]ledger.JobSpec, 0, len(w.Jobs))
	for _, j := range w.Jobs {
		when, err := schedule.Parse(j.When)
		if err != nil {
			return nil, err
		}
		specs = append(specs, ledger.JobSpec{Name: j.Name, Hash: j.Hash(), When: j.WhenHash(), Body: j.Body()})
		e.plan(j.Name, when, w.From)
	}
	for _, d := range e.downs {
		e.at(d.until, wake, func() { e.boot(ctx) })
	}
	for _, f := range w.Faults {
		if f.Kind == HostBack || f.Kind == HostDies && !f.Until.IsZero() {
			e.at(later(f.From, f.Until), wake, e.attend)
		}
	}
	e.boot(ctx)
	return e, e.ledger.PutJobs(ctx, w.From, specs...)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (e *engine) now() time.Time { return e.clock }

// heed is how long after an event that may bring news of lost runs they are
// asked for: a dispatcher asks every five minutes.
const heed = 6 * time.Minute

// attend has the sweeps go on for a while, if the world does.
func (e *engine) attend() {
	if !e.clock.After(e.world.To) {
		e.watch = e.clock.Add(heed)
	}
}

// boot starts a dispatcher in the place of the one before.
func (e *engine) boot(ctx context.Context) {
	ctx, kill := context.WithCancel(ctx)
	e.context = ctx
	e.book = &book{Ledger: e.ledger, engine: e, kill: kill, crash: e.world.chance.crash}
	e.dispatcher = dispatch.New(dispatch.Options{
		Ledger: e.book, Fleet: e.hosts, Executor: e.hosts, Log: e.world.Log,
		Secret:   func(string) (string, error) { return "", nil },
		Stepwise: true, Abreast: 1, Now: e.now, ClaimWithin: e.world.ClaimWithin,
		// Due times come when they are due; those of a time without a scheduler are
		// looked for as soon as there is one.
		Settled: time.Millisecond,
	})
	e.attend()
	e.step((*dispatch.Dispatcher).Sweep)
}

// plan puts a job's next due time into the queue.
func (e *engine) plan(name string, when *schedule.Schedule, after time.Time) {
	due, ok := when.Next(after)
	if !ok {
		return
	}
	e.at(due, planned, func() {
		e.plan(name, when, due)
		deliveries := []time.Duration{0}
		if e.world.chance.deliver != nil {
			deliveries = e.world.chance.deliver()
			e.attend()
		}
		for _, after := range deliveries {
			e.at(due.Add(after), arrival, func() {
				e.step(func(d *dispatch.Dispatcher, ctx context.Context) error { return d.Due(ctx, name, "", due) })
			})
		}
	})
}

// news wakes the dispatcher for one run.
func (e *engine) news(id string) {
	if _, known := e.records[id]; !known {
		return
	}
	e.step(func(d *dispatch.Dispatcher, ctx context.Context) error { return d.News(ctx, id) })
}

// poll wakes the dispatcher for a planned run that looks for a host, for as long
// as it has the patience to, and then leaves it to the sweeps.
func (e *engine) poll(id string, pause time.Duration) {
	e.at(e.clock.Add(pause), news, func() {
		if e.records[id].State != run.Planned {
			return
		}
		e.news(id)
		if pause < time.Minute {
			e.poll(id, 2*pause)
		}
	})
}

// step has the dispatcher do something, if there is one.
func (e *engine) step(do func(*dispatch.Dispatcher, context.Context) error) {
	if _, down := e.downs.at(e.clock); down {
		return
	}
	err := do(e.dispatcher, e.context)
	if err == nil {
		err = e.dispatcher.Settle(e.context)
	}
	if err != nil && e.context.Err() == nil {
		e.world.Log.Error("the dispatcher could not do its work", "at", e.clock, "error", err)
	}
}

// wrote takes note of what the dispatcher recorded.
func (e *engine) wrote(r run.Run) {
	was, known := e.records[r.ID]
	e.records[r.ID] = r
	if delete(e.open, r.ID); r.State.Open() && !r.Due.After(e.world.To) {
		e.open[r.ID] = true
	}
	switch {
	case r.State != run.Planned || known && was.State == run.Planned && was.NotBefore.Equal(r.NotBefore):
	case r.NotBefore.After(e.clock):
		e.at(r.NotBefore, news, func() { e.news(r.ID) })
	default:
		e.poll(r.ID, time.Second)
	}
}

// run lets time pass until the runs of the world's due times are over. Until
// then later ones come due as well, since they may be in their way.
func (e *engine) run(ctx context.Context) error {
	for len(e.queue) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		next := heap.Pop(&e.queue).(event)
		if len(e.open) == 0 && next.at.After(later(e.world.To, e.watch)) {
			return nil
		}
		e.clock = later(e.clock, next.at)
		next.do()
		if e.book.dead {
			e.boot(ctx)
		}
		if !e.sweeping && (len(e.open) > 0 || e.clock.Before(e.watch)) {
			e.sweeping = true
			e.at(e.clock.Truncate(time.Minute).Add(time.Minute), sweep, func() {
				e.sweeping = false
				e.step((*dispatch.Dispatcher).Sweep)
			})
		}
	}
	return nil
}

// runs are the records of the world's due times, the earliest first.
func (e *engine) runs() []run.Run {
	maps.DeleteFunc(e.records, func(_ string, r run.Run) bool { return r.Due.After(e.world.To) })
	return slices.SortedFunc(maps.Values(e.records), func(a, b run.Run) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Job, b.Job), cmp.Compare(a.ID, b.ID))
	})
}

// kind puts events of one instant in their order.
type kind int

const (
	wake kind = iota
	news
	planned
	arrival
	sweep
)

// event is something that is going to happen.
type event struct {
	at   time.Time
	kind kind
	seq  int
	do   func()
}

// events is a queue of them, the next one first; see container/heap.
type events []event

func (e *engine) at(t time.Time, k kind, do func()) {
	e.seq++
	heap.Push(&e.queue, event{t, k, e.seq, do})
}

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return cmp.Or(q[i].at.Compare(q[j].at), cmp.Compare(q[i].kind, q[j].kind), cmp.Compare(q[i].seq, q[j].seq)) < 0
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	last := len(*q) - 1
	next := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return next
}

// book is the ledger as one dispatcher sees it, who may die at any write.
type book struct {
	ledger.Ledger
	engine *engine
	crash  func() bool
	kill   context.CancelFunc
	dead   bool
}

var errKilled = errors.New("the scheduler was killed")

// Write implements [ledger.Ledger].
func (b *book) Write(ctx context.Context, changes ...ledger.Change) ([]ledger.Outcome, error) {
	if b.dies() {
		return nil, errKilled
	}
	outcomes, err := b.Ledger.Write(ctx, changes...)
	for _, o := range outcomes {
		if o.Err == nil {
			b.engine.wrote(o.Run)
		}
	}
	if b.dies() {
		return nil, errKilled
	}
	return outcomes, err
}

// dies reports whether the dispatcher is dead, or dies now.
func (b *book) dies() bool {
	if !b.dead && b.crash != nil && b.crash() {
		b.dead = true
		b.kill()
	}
	return b.dead
}
