package guarded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// question opens a session, lets hear read the answer and closes the session,
// at the latest when within is over.
func (e *Executor) question(ctx context.Context, h fleet.Host, within time.Duration, hear func(Session) error, verb string, args ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no answer within %s", within))
	defer cancel()
	s, err := e.transport.Open(ctx, h, verb, args...)
	if err != nil {
		return err
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := hear(s); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return complaint(s, err)
	}
	return nil
}

// Status asks the host once. See [executor.Executor].
func (e *Executor) Status(ctx context.Context, h fleet.Host, a guard.Attempt) (status guard.Status, err error) {
	err = e.question(ctx, h, e.opts.AskWithin, func(s Session) (err error) {
		status, err = guard.ReadStatus(s)
		return err
	}, guard.VerbStatus, a.Kept, a.Dir())
	if err != nil {
		return guard.Status{}, fmt.Errorf("status of %s on %s: %w", a.Dir(), h.ID, err)
	}
	return status, nil
}

// Stop tells the guard to end the command. See [executor.Executor].
func (e *Executor) Stop(ctx context.Context, h fleet.Host, a guard.Attempt, kill bool) error {
	args := []string{a.Kept, a.Dir()}
	if kill {
		args = append(args, "kill")
	}
	err := e.question(ctx, h, e.opts.StopWithin, func(s Session) error {
		m, err := guard.NewReader(s).Next()
		switch {
		case err != nil:
			return err
		case m.Word == "phase":
			return nil
		}
		return fmt.Errorf("guard: %s", m.Text)
	}, guard.VerbStop, args...)
	if err != nil {
		return fmt.Errorf("stop %s on %s: %w", a.Dir(), h.ID, err)
	}
	return nil
}

// Output reads a part of the kept output. See [executor.Executor].
func (e *Executor) Output(ctx context.Context, h fleet.Host, a guard.Attempt, offset int64, limit int) (page []byte, err error) {
	if limit <= 0 || offset < 0 {
		return nil, nil
	}
	if e.opts.Dir != nil {
		return guard.ReadKept(e.opts.Dir(h, a), offset, limit)
	}
	err = e.question(ctx, h, e.opts.AskWithin, func(s Session) error {
		talk := guard.NewReader(s)
		m, err := talk.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil // nothing was kept yet
		case err != nil:
			return err
		case m.Word == "error":
			return fmt.Errorf("guard: %s", m.Text)
		}
		page, err = talk.Rest(limit)
		return err
	}, guard.VerbRead, a.Kept, a.Dir(), strconv.FormatInt(offset, 10), strconv.Itoa(limit))
	if err != nil {
		return nil, fmt.Errorf("output of %s on %s: %w", a.Dir(), h.ID, err)
	}
	return page, nil
}

// Probe looks at the host. See [executor.Executor].
func (e *Executor) Probe(ctx context.Context, h fleet.Host) fleet.Health {
	var health fleet.Health
	fit := false
	err := e.question(ctx, h, e.opts.AskWithin, func(s Session) error {
		asked := time.Now()
		talk := guard.NewReader(s)
		for {
			m, err := talk.Next()
			if errors.Is(err, io.EOF) && (fit || health.Refused != "") {
				return nil
			}
			if err != nil {
				return err
			}
			fit = fit || m.Word == "fit"
			note(&health, m, asked)
		}
	}, guard.VerbProbe, h.RunDir, e.keepDays(h.ID, time.Now()), strconv.FormatInt(e.opts.MinFreeBytes, 10))
	health.CheckedAt = time.Now().UTC()
	switch {
	case err != nil && !fit: // after that it only removes old attempts
		health.Refused = err.Error()
	case health.Refused == "" && health.Skew.Abs() > e.opts.MaxSkew:
		health.Refused = fmt.Sprintf("the host's clock is %s off: let it keep time, with chrony or the like", health.Skew.Round(time.Second))
	}
	return health
}

// A host is asked to remove the attempts that it has kept for long enough now and then:
// it looks at each that it has.
const (
	pruneFirst = 10 * time.Minute // after its first probe
	pruneEvery = time.Hour
)

// keepDays is for how many days the host keeps attempts, as a probe tells it when older
// ones are to be removed, or nothing.
func (e *Executor) keepDays(host string, now time.Time) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	last, known := e.pruned[host]
	switch {
	case !known:
		maps.DeleteFunc(e.pruned, func(_ string, last time.Time) bool { return now.Sub(last) > 2*pruneEvery }) // it has left
		e.pruned[host] = now.Add(pruneFirst - pruneEvery)
		return ""
	case now.Sub(last) < pruneEvery:
		return ""
	}
	e.pruned[host] = now
	return strconv.Itoa(e.opts.KeepDays)
}

// maxNote bounds what a host may say that it lacks, in bytes and a word.
const maxNote = 300

// note takes one line of a probe into the health.
func note(health *fleet.Health, m guard.Message, asked time.Time) {
	switch m.Word {
	case "unfit":
		health.Refused = m.Text
	case "free":
		health.FreeBytes, _ = strconv.ParseInt(m.Text, 10, 64)
	case "lacks":
		if len(health.Note) > maxNote {
			return
		}
		if health.Note != "" {
			health.Note += ", "
		}
		health.Note += "no " + m.Text
	case "time":
		// Without GNU's date there are no nanoseconds.
		seconds, fraction, _ := strings.Cut(m.Text, ".")
		s, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil {
			return
		}
		ns, _ := strconv.ParseInt(fraction, 10, 64)
		between := asked.Add(time.Since(asked) / 2)
		health.Skew = time.Unix(s, ns).Sub(between).Round(time.Millisecond)
	}
}
