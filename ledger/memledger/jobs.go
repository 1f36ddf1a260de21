package memledger

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/sqlrow"
)

// PutJobs implements [ledger.Ledger].
func (l *Ledger) PutJobs(_ context.Context, now time.Time, jobs ...ledger.JobSpec) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var moved []string
	for _, s := range jobs {
		j := l.jobs[s.Name]
		if !s.Meets(j) {
			moved = append(moved, s.Name)
			continue
		}
		if j.Current() == "" || j.When != s.When {
			j.Since = at(now)
		}
		j.Name, j.Hash, j.When, j.Retired = s.Name, s.Hash, s.When, time.Time{}
		l.jobs[s.Name] = j
		l.specs[s.Hash] = slices.Clone(s.Body)
	}
	return sqlrow.Moved(moved)
}

// Retire implements [ledger.Ledger].
func (l *Ledger) Retire(_ context.Context, now time.Time, name, hash string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	j, known := l.jobs[name]
	switch {
	case !known:
		return fmt.Errorf("retire job %s: %w", name, ledger.ErrNotFound)
	case !j.Retired.IsZero():
		return nil
	case j.Hash != hash:
		return fmt.Errorf("retire job %s: %w", name, ledger.ErrMoved)
	}
	j.Retired = at(now)
	l.jobs[name] = j
	return nil
}

// Jobs implements [ledger.Ledger].
func (l *Ledger) Jobs(context.Context) ([]ledger.Job, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]ledger.Job, 0, len(l.jobs))
	for _, name := range slices.Sorted(maps.Keys(l.jobs)) {
		list = append(list, l.job(name))
	}
	return list, nil
}

// Job implements [ledger.Ledger].
func (l *Ledger) Job(_ context.Context, name string) (ledger.Job, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.jobs[name]; !known {
		return ledger.Job{}, fmt.Errorf("job %s: %w", name, ledger.ErrNotFound)
	}
	return l.job(name), nil
}

// job is a known job with its slot and its newest run.
func (l *Ledger) job(name string) ledger.Job {
	j := l.jobs[name]
	j.Holder, j.Fence = l.slots[name].Holder, l.slots[name].Fence
	if last, ok := l.through[name]; ok {
		j.Through = sqlrow.Time(last.Through)
	}
	return j
}

// Check implements [ledger.Ledger].
func (l *Ledger) Check(_ context.Context, name string, through time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	j, known := l.jobs[name]
	if !known {
		return fmt.Errorf("check job %s: %w", name, ledger.ErrNotFound)
	}
	if through.After(j.Checked) {
		j.Checked = at(through)
		l.jobs[name] = j
	}
	return nil
}

// Spec implements [ledger.Ledger].
func (l *Ledger) Spec(_ context.Context, hash string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	body, ok := l.specs[hash]
	if !ok {
		return nil, fmt.Errorf("spec %s: %w", hash, ledger.ErrNotFound)
	}
	return slices.Clone(body), nil
}

// Pause implements [ledger.Ledger].
func (l *Ledger) Pause(_ context.Context, name string, p ledger.Pause) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	j, ok := l.jobs[name]
	switch {
	case !ok:
		return fmt.Errorf("pause job %s: %w", name, ledger.ErrNotFound)
	case !p.On:
		j.Pause = ledger.Pause{}
	case !j.Pause.On:
		j.Pause = p
		if !p.At.IsZero() {
			j.Pause.At = at(p.At)
		}
	}
	l.jobs[name] = j
	return nil
}

// Beat implements [ledger.Ledger].
func (l *Ledger) Beat(ctx context.Context, owner string, now time.Time, ttl time.Duration) (ledger.Mark, error) {
	if err := ctx.Err(); err != nil {
		return ledger.Mark{}, context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owners[owner] = at(now.Add(ttl))
	l.mark.Beats++
	l.mark.At = at(now)
	return l.mark, nil
}

// Mark implements [ledger.Ledger].
func (l *Ledger) Mark(context.Context) (ledger.Mark, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mark, nil
}

// Halt implements [ledger.Ledger].
func (l *Ledger) Halt(_ context.Context, why string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark.Halted = cmp.Or(l.mark.Halted, why)
	return nil
}

// Resume implements [ledger.Ledger].
func (l *Ledger) Resume(_ context.Context, now time.Time, fences int64, m ledger.Mark) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, j := range l.jobs {
		if j.Current() != "" && j.Since.Before(at(now)) {
			j.Since = at(now)
		}
		l.jobs[name] = j
		slot := l.slots[name] // one that was never taken goes on from above too
		l.slots[name] = slot
	}
	for name, s := range l.slots {
		s.Fence += fences
		l.slots[name] = s
	}
	l.mark = ledger.Mark{Ledger: m.Ledger, Beats: m.Beats, At: at(now)}
	return nil
}

// Owners implements [ledger.Ledger].
func (l *Ledger) Owners(_ context.Context, now time.Time) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	alive := []string{}
	for owner, until := range l.owners {
		if until.After(at(now)) {
			alive = append(alive, owner)
		}
	}
	slices.Sort(alive)
	return alive, nil
}

// Leave implements [ledger.Ledger].
func (l *Ledger) Leave(_ context.Context, owner string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.owners, owner)
	return nil
}

// TakeNotices implements [ledger.Ledger].
func (l *Ledger) TakeNotices(_ context.Context, target string, now time.Time, lease time.Duration, limit int) ([]ledger.Notice, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = at(now)
	var due []*letter
	for _, n := range l.notices {
		if n.Target == target && n.Settled.IsZero() && !n.Due.After(now) && !n.kept.After(now) {
			due = append(due, n)
		}
	}
	slices.SortFunc(due, func(a, b *letter) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
	taken := []ledger.Notice{}
	for _, n := range due[:min(limit, len(due))] {
		n.kept = now.Add(lease)
		n.Tries++
		taken = append(taken, copyOfNotice(n.Notice))
	}
	return taken, nil
}

// SettleNotice implements [ledger.Ledger].
func (l *Ledger) SettleNotice(_ context.Context, id string, s ledger.Settlement) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.notices[id]
	if !ok || !n.Settled.IsZero() {
		return nil
	}
	n.Error, n.kept = s.Error, time.Time{}
	if !s.Retry.IsZero() {
		n.Due = at(s.Retry)
		return nil
	}
	n.Settled, n.Dead = at(s.At), s.Error != ""
	return nil
}

// Notices implements [ledger.Ledger].
func (l *Ledger) Notices(_ context.Context, runID string) ([]ledger.Notice, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []ledger.Notice{}
	for _, n := range l.notices {
		if n.Run == runID {
			list = append(list, copyOfNotice(n.Notice))
		}
	}
	slices.SortFunc(list, func(a, b ledger.Notice) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// Prune implements [ledger.Ledger].
func (l *Ledger) Prune(_ context.Context, before time.Time) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone := 0
	for name, runs := range l.byJob {
		l.byJob[name] = slices.DeleteFunc(runs, func(r *record) bool {
			if r == l.through[name] || !r.body.State.Final() || r.Ended == nil || *r.Ended >= before.UnixMilli() {
				return false
			}
			delete(l.runs, r.ID)
			delete(l.details, r.ID)
			gone++
			return true
		})
	}
	for id, n := range l.notices {
		if _, ok := l.runs[n.Run]; !ok && !n.Settled.IsZero() {
			delete(l.notices, id)
		}
	}
	return gone, nil
}
