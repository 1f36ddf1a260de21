package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
)

// notices are the messages that a change of a run gives rise to, one for each
// target of its job. They are stored in the same transaction as the change. A
// job that can't be read any more gets none, and the log says so; an error means
// that it may yet be read.
func (d *Dispatcher) notices(ctx context.Context, r run.Run, detail *ledger.Detail) ([]ledger.Notice, error) {
	j, err := d.spec(ctx, r.Spec)
	switch {
	case errors.Is(err, ledger.ErrNotFound), errors.Is(err, ledger.ErrCorrupt):
		d.Log.Error("nobody is told of a run", "run", r.ID, "error", err)
		return nil, nil
	case err != nil:
		return nil, err
	case len(j.Notify.To) == 0:
		return nil, nil
	}
	event := eventOf(r)
	if event == notifier.Succeeded && slices.Contains(j.Notify.On, notifier.Recovered) && d.recovers(ctx, r) {
		event = notifier.Recovered
	}
	if !slices.Contains(j.Notify.On, event) {
		return nil, nil
	}
	m := message(r, event, detail)
	body, err := json.Marshal(m)
	if err != nil {
		d.Log.Error("nobody is told of a run", "run", r.ID, "error", err)
		return nil, nil
	}
	list := make([]ledger.Notice, 0, len(j.Notify.To))
	for _, target := range j.Notify.To {
		list = append(list, ledger.Notice{
			ID: m.Key + "/" + target, Run: r.ID, Target: target, Body: body, Created: d.now(), Due: d.now(),
		})
	}
	return list, nil
}

// eventOf is what a change of a run means to people.
func eventOf(r run.Run) notifier.Event {
	switch {
	case r.State == run.Planned: // told although it goes on: it was lost, and is rerun
		return notifier.Lost
	case r.State == run.Skipped && strings.HasPrefix(r.Reason, run.ReasonOverlap):
		return notifier.Overlapped
	case r.State == run.Skipped && (strings.HasPrefix(r.Reason, run.ReasonPaused) || strings.HasPrefix(r.Reason, run.ReasonRemoved)):
		return "" // the operator knows
	}
	return notifier.Event(r.State)
}

// recovers reports whether the job's run before this one ended badly.
func (d *Dispatcher) recovers(ctx context.Context, r run.Run) bool {
	ended := []run.State{run.Succeeded, run.Failed, run.TimedOut, run.Lost}
	before, err := d.Ledger.Runs(ctx, ledger.Query{Job: r.Job, States: ended, Limit: 2})
	if err != nil {
		d.Log.Warn("whether a job recovered is not known", "job", r.Job, "error", err)
		return false
	}
	for _, b := range before {
		if b.ID != r.ID {
			return b.State != run.Succeeded
		}
	}
	return false
}

// message says how the run stands.
func message(r run.Run, event notifier.Event, detail *ledger.Detail) notifier.Message {
	m := notifier.Message{
		Key:   fmt.Sprintf("%s/%d/%s", r.ID, len(r.Attempts), event),
		Event: event, Job: r.Job, Run: r.ID, Due: r.Due, Host: r.Host(),
		State: string(r.State), Reason: r.Reason, ExitCode: r.ExitCode,
		StartedAt: r.StartedAt, EndedAt: r.EndedAt, Attempts: len(r.Attempts),
		More: "solocron show " + r.ID,
	}
	if !r.StartedAt.IsZero() && r.EndedAt.After(r.StartedAt) {
		m.Duration = r.EndedAt.Sub(r.StartedAt)
	}
	if detail != nil && detail.Output != nil {
		m.Tail = tail(*detail.Output)
	}
	return m
}

// How much of the output a message carries.
const (
	tailLines = 20
	tailBytes = 3 << 10
)

// tail is the last lines of an output, as valid UTF-8.
func tail(o guard.Output) string {
	end := o.Tail
	if len(end) == 0 {
		end = o.Head
	}
	end = end[max(0, len(end)-tailBytes):]
	text := strings.TrimRight(strings.ToValidUTF8(string(end), "\uFFFD"), "\n")
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// How deliveries are tried: soon again at first, for a day at most.
const (
	noticeTimeout = 20 * time.Second
	noticeLease   = time.Minute
	noticeEvery   = 5 * time.Second
	noticeBatch   = 4
	noticeFirst   = 5 * time.Second
	noticeSlowest = 15 * time.Minute
	noticeFor     = 24 * time.Hour
)
