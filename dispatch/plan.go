package dispatch

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// generation is a jobs file at work: its jobs in the order of their next due
// times.
type generation struct {
	file *job.File
	jobs map[string]*planned
	next queue
	// specs are the jobs by hash, and those of earlier files that runs stand under.
	specs map[string]*job.Job
}

// planned is a job and how far its due times have been dealt with.
type planned struct {
	*job.Job // the file's
	hash     string
	when     *schedule.Schedule
	last     time.Time // due times up to here have their runs
	next     time.Time // the first one after last
	never    bool      // there is none
	index    int       // in the queue; -1 while due times are being recorded
}

// advance moves on to the first due time after t.
func (p *planned) advance(t time.Time) {
	next, ok := p.when.Next(t)
	p.last, p.next, p.never = t, next, !ok
}

// Load puts a file to work in place of the one before. Due times that passed
// while no dispatcher ran are dealt with as each job's catchup says; a job
// whose schedule was edited is owed by its old schedule until now and by the
// new one from now on; one that was retired is in force again from now on. On an
// error the file before is still the one at work; what a job owed until now may
// have been recorded. It wraps [ledger.ErrWentBack] if the ledger is older than
// what was seen of it. Repeating is safe.
func (d *Dispatcher) Load(ctx context.Context, f *job.File, receivers map[string]notifier.Notifier) error {
	if err := d.check(ctx); err != nil {
		return fmt.Errorf("load %s: %w", f.Path, err)
	}
	at := d.now()
	known := map[string]ledger.Job{}
	jobs, err := d.Ledger.Jobs(ctx)
	if err != nil {
		return fmt.Errorf("load %s: %w", f.Path, err)
	}
	for _, k := range jobs {
		known[k.Name] = k
	}
	next := &generation{
		file: f, jobs: make(map[string]*planned, len(f.Jobs)),
		specs: make(map[string]*job.Job, len(f.Jobs)),
	}
	var specs []ledger.JobSpec
	all := make([]planned, len(f.Jobs))
	for i := range f.Jobs {
		j, p := &f.Jobs[i], &all[i]
		p.Job, p.hash = j, j.Hash()
		if p.when, err = schedule.Parse(j.When); err != nil {
			return fmt.Errorf("load %s: job %s: %w", f.Path, j.Name, err)
		}
		p.last = at
		k := known[j.Name]
		if k.Current() != "" {
			if err := d.owe(ctx, p, k, at); err != nil {
				return fmt.Errorf("load %s: job %s: %w", f.Path, j.Name, err)
			}
		}
		next.jobs[j.Name] = p
		next.specs[p.hash] = j
		if k.Current() != p.hash { // else the ledger has it as it stands
			specs = append(specs, specOf(j, p.hash))
		}
	}
	if err := d.Ledger.PutJobs(ctx, at, specs...); err != nil {
		return fmt.Errorf("load %s: %w", f.Path, err)
	}
	for _, p := range next.jobs {
		if p.advance(p.last); !p.never {
			heap.Push(&next.next, p)
		}
	}
	d.swap(next, known, receivers)
	return nil
}

// specOf is a job of the file as the ledger keeps it, under its hash.
func specOf(j *job.Job, hash string) ledger.JobSpec {
	return ledger.JobSpec{Name: j.Name, Hash: hash, When: j.WhenHash(), Body: j.Body()}
}

// owe sets from when on a job that the ledger knows is owed. If its schedule
// was edited, what the old one still owed is recorded first: as missed, or as
// planned, which the sweep then starts.
func (d *Dispatcher) owe(ctx context.Context, p *planned, k ledger.Job, at time.Time) error {
	last := later(k.Since, k.Through)
	if k.Through.Sub(k.Since) <= d.preparing() {
		// The latest run may have been prepared before the job was edited, and then
		// there may be due times before it that have none. Those that have are left.
		last = k.Since
	}
	if k.When == p.WhenHash() {
		p.last = last
		return nil
	}
	old, when, err := d.entry(ctx, k.Hash)
	if err != nil {
		return fmt.Errorf("its schedule until now: %w", err)
	}
	runs, missed := owed(old, when, last, at)
	if err := d.miss(ctx, old, missed); err != nil {
		return err
	}
	var late []ledger.Change
	for _, o := range runs {
		r := d.newOccurrence(old, o)
		r, _, err := run.Step(r, run.Wait{Until: r.NotBefore, Reason: "came due before its schedule was edited"}, at)
		if err != nil {
			return err
		}
		late = append(late, ledger.Change{Run: r})
	}
	if len(late) > 0 { // each is left alone if it has its record already
		_, err = d.Ledger.Write(ctx, late...)
	}
	return err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// swap makes the generation the current one.
func (d *Dispatcher) swap(g *generation, known map[string]ledger.Job, receivers map[string]notifier.Notifier) {
	d.mu.Lock()
	for name, p := range g.jobs {
		// What the generation before has dealt with stays dealt with.
		if was := d.gen.jobs[name]; was != nil && !p.never && was.WhenHash() == p.WhenHash() && was.last.After(p.last) {
			heap.Remove(&g.next, p.index)
			if p.advance(was.last); !p.never {
				heap.Push(&g.next, p)
			}
		}
		mark(d.paused, name, known[name].Pause.On)
		mark(d.retired, name, false)
	}
	d.gen = g
	d.receivers = receivers
	d.mu.Unlock()
	signal(d.replan)
}

// File is the jobs file at work, or nil before the first Load.
func (d *Dispatcher) File() *job.File {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gen.file
}

// plan makes a run of every due time when it comes, or when it is time to prepare
// it, until ctx is done.
func (d *Dispatcher) plan(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-d.replan:
		}
		if d.Halted() != nil {
			return
		}
		for _, a := range d.due(d.now()) {
			d.drivers.Go(func() { d.occur(a) })
		}
		// Armed after the work above, from a new look at the clock: else the
		// time it took would add up.
		timer.Reset(d.sleep(d.now()))
	}
}

// due takes from the queue every job that is due at t or soon enough after it to
// be prepared, with the due times it owes. A job comes back to the queue once they are recorded: until then no
// later due time of it may be, or a crash could leave a hole that nobody sees;
// and while the ledger is away the arrears grow instead of the memory.
func (d *Dispatcher) due(t time.Time) []arrears {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []arrears
	q := &d.gen.next
	soon := t.Add(d.preparing())
	for len(*q) > 0 && !(*q)[0].next.After(soon) {
		p := heap.Pop(q).(*planned)
		a := arrears{job: *p.Job, until: t}
		if p.next.After(t) {
			a.run, a.until = []occurrence{{p.next, run.Scheduled}}, p.next
		} else {
			a.run, a.missed = owed(*p.Job, p.when, p.last, t)
		}
		all = append(all, a)
	}
	return all
}

// requeue puts a job whose due times up to t are recorded back in the queue.
func (d *Dispatcher) requeue(name string, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.gen.jobs[name]
	if p == nil || p.index >= 0 || p.never {
		return // removed or reloaded meanwhile
	}
	if p.advance(later(p.last, t)); !p.never {
		heap.Push(&d.gen.next, p)
		signal(d.replan)
	}
}

// sleep is how long nothing comes due; at most maxSleep, so that a machine
// that was suspended or whose clock was set finds out.
func (d *Dispatcher) sleep(t time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.gen.next) == 0 {
		return maxSleep
	}
	return min(max(d.gen.next[0].next.Sub(t)-d.preparing(), 0), maxSleep)
}

// queue orders jobs by their next due time; see container/heap.
type queue []*planned

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].next.Before(q[j].next) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}
func (q *queue) Push(x any) {
	p := x.(*planned)
	p.index = len(*q)
	*q = append(*q, p)
}
func (q *queue) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	p.index = -1
	return p
}
