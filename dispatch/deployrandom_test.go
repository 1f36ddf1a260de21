package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// People edit, retire and bring back a job, at once and with stale plans; its
// schedules ring late, twice, not at all, and for a while after they were
// replaced; sweeps come and go. The runs are those that the entry in force at
// each moment asks for: one each, and no others.
func TestDeployAtRandom(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inCloud(t, []string{"a", "b"}, nil, func(_ *testing.T, c *cloud) {
				h := history{cloud: c, rand: rand.New(rand.NewPCG(seed, 4)), replaced: func() {}, want: map[string]bool{}}
				for range 180 {
					h.minute()
				}
				h.replaced()
				pass(10 * time.Minute) // for what is on its way
				h.close(now())
				for range 20 {
					c.sweep()
				}
				h.judge()
			})
		})
	}
}

// history is what happened to the job, and what it makes due.
type history struct {
	*cloud
	rand *rand.Rand
	mu   sync.Mutex

	entry    *job.Job // in force, nil for none
	since    time.Time
	replaced func()          // tells the timer of the entry
	want     map[string]bool // runs that have to be, by ID
}

func (h *history) roll(n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rand.IntN(n)
}

func (h *history) seconds(n int) time.Duration {
	return time.Duration(h.roll(n*1000)) * time.Millisecond
}

// entries are what the job may be.
var entries = []string{"* * * * *", "*/2 * * * *", "*/5 * * * *", "every 90s"}

// minute lets one pass, in which timers ring, and people do something or not.
func (h *history) minute() {
	if h.roll(4) > 0 { // sweeps are lost, too
		time.AfterFunc(h.seconds(60), func() { _ = h.fresh().Sweep(h.t.Context()) })
	}
	if h.roll(6) == 0 {
		time.AfterFunc(h.seconds(60), h.change)
	}
	pass(time.Minute)
}

// change is one person's deployment, and perhaps another's from the same plan.
func (h *history) change() {
	was := h.entry
	next := aJob("j", entries[h.roll(len(entries))])
	next.Command = fmt.Sprint("as of ", now())
	changes := []Deployment{edit(was, next)}
	if was != nil && h.roll(3) == 0 {
		changes[0] = leave(*was)
	}
	if was != nil && h.roll(3) == 0 {
		stale := next
		stale.Command += ", stale"
		changes = append(changes, edit(was, stale))
	}
	at := now()
	errs := make([]error, len(changes))
	var all sync.WaitGroup
	for i, change := range changes {
		all.Go(func() { errs[i] = h.fresh().Deploy(h.t.Context(), change) })
	}
	all.Wait()
	refused := 0
	for _, err := range errs {
		if errors.Is(err, ErrMoved) {
			refused++
		} else if err != nil {
			h.t.Error(err)
		}
	}
	if refused != len(changes)-1 {
		h.t.Errorf("of %d deployments at once: %v", len(changes), errs)
	}
	h.now(at)
}

// now takes over what is in force by now.
func (h *history) now(at time.Time) {
	k, err := h.ledger.Job(h.t.Context(), "j")
	if err != nil {
		h.t.Error(err)
		return
	}
	was := h.entry
	var is *job.Job
	if hash := k.Current(); hash != "" {
		j, err := h.fresh().spec(h.t.Context(), hash)
		if err != nil {
			h.t.Error(err)
		}
		is = &j
	}
	if was == nil || is == nil || was.WhenHash() != is.WhenHash() {
		h.close(at)
		h.since = at
	}
	h.entry = is
	time.AfterFunc(h.seconds(200), h.replaced)
	ctx, cancel := context.WithCancel(h.t.Context())
	h.replaced = cancel
	if is != nil {
		go h.timer(ctx, *is)
	}
}

// close notes what the entry in force until then has made due.
func (h *history) close(at time.Time) {
	if h.entry == nil {
		return
	}
	when, err := schedule.Parse(h.entry.When)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, due := range between(when, h.since, at) {
		h.want[run.ID("j", due)] = true
	}
	h.since = at
}

// timer rings for an entry until some time after it was replaced.
func (h *history) timer(ctx context.Context, j job.Job) {
	when, err := schedule.Parse(j.When)
	if err != nil {
		h.t.Error(err)
		return
	}
	for due, ok := when.Next(now()); ok; due, ok = when.Next(due) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(due)):
		}
		for range h.roll(3) {
			time.AfterFunc(h.seconds(240), func() { _ = h.fresh().Due(h.t.Context(), "j", j.Hash(), due) })
		}
	}
}

func (h *history) judge() {
	h.t.Helper()
	have := map[string]bool{}
	for _, r := range h.all() {
		for due := r.Due; !due.After(later(r.Due, r.Until)); due = due.Add(time.Second) {
			if id := run.ID("j", due); h.want[id] || due.Equal(r.Due) {
				have[id] = true
			}
		}
	}
	missing := maps.Clone(h.want)
	maps.DeleteFunc(missing, func(id string, _ bool) bool { return have[id] })
	maps.DeleteFunc(have, func(id string, _ bool) bool { return h.want[id] })
	// What came due between the last minute that anybody cared for and the end.
	maps.DeleteFunc(have, func(id string, _ bool) bool {
		_, due, _ := run.ParseID(id)
		return due.After(h.since)
	})
	if len(missing)+len(have) > 0 {
		h.t.Errorf("of %d due times %d have no run: %v; runs that nothing asked for: %v",
			len(h.want), len(missing), slices.Sorted(maps.Keys(missing)), slices.Sorted(maps.Keys(have)))
	}
	seen := map[string]int{}
	for _, id := range h.agents.witness {
		if seen[id]++; seen[id] > 1 {
			h.t.Errorf("run %s was started %d times", id, seen[id])
		}
	}
}
