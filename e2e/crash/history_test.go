package crash

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// history is what came of an installation: its ledger, and what others saw. All
// of it was read after a calm last start, with nothing at work any more.
type history struct {
	File   *job.File
	Jobs   []ledger.Job
	Runs   []run.Run
	Starts []start         // in the order in which the commands started
	Told   map[string]bool // runs that somebody was told of
	Until  time.Time       // due times up to here have their records
	Left   time.Time       // when the last scheduler was told to go; zero if none was
}

// start is one line of the witness file: a command's own word that it started.
type start struct {
	Run     string
	Attempt int
	Fence   int64
}

// readWitness reads the witness file. A command writes its line at once, so that
// a line is whole or absent.
func readWitness(words string) (starts []start, err error) {
	for line := range strings.Lines(words) {
		var s start
		if _, err := fmt.Sscanf(line, "%s %d %d\n", &s.Run, &s.Attempt, &s.Fence); err != nil {
			return nil, fmt.Errorf("witness: %q: %w", line, err)
		}
		starts = append(starts, s)
	}
	return starts, nil
}

// check lists everything in which the history breaks the promise.
func (h *history) check() []string {
	var broken []string
	say := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	h.checkRuns(say)
	h.checkStarts(say)
	h.checkFences(say)
	h.checkDue(say)
	return broken
}

type complaint func(format string, args ...any)

// checkRuns looks at each run alone.
func (h *history) checkRuns(say complaint) {
	for _, r := range h.Runs {
		// One that was prepared when the scheduler was told to go is taken back; the
		// next scheduler has it when it comes due.
		ahead := r.State == run.Planned && !r.Begun() && !h.Left.IsZero() && r.Due.After(h.Left)
		if r.State.Open() && !ahead {
			say("run %s is still %s", r.ID, r.State)
		}
		if slices.Contains([]run.State{run.Failed, run.TimedOut, run.Lost}, r.State) && !h.Told[r.ID] {
			say("run %s is %s and nobody was told", r.ID, r.State)
		}
		for _, a := range r.Attempts {
			if a.State == run.AttemptNotStarted && a.Reason == "" {
				say("run %s: attempt %d did not start, without proof", r.ID, a.N)
			}
			if a.State == run.AttemptStarting || a.State == run.AttemptRunning {
				say("run %s: attempt %d is still %s", r.ID, a.N, a.State)
			}
		}
		for i := range max(0, len(r.Attempts)-1) {
			if a := r.Attempts[i]; !mayGoOn(r, a) {
				say("run %s: attempt %d came after one that was %s", r.ID, a.N+1, a.State)
			}
		}
	}
}

// mayGoOn reports whether another attempt may follow the given one.
func mayGoOn(r run.Run, a run.Attempt) bool {
	switch a.State {
	case run.AttemptNotStarted:
		return true
	case run.AttemptFailed, run.AttemptTimedOut:
		return r.Policy.Retries > 0
	case run.AttemptLost:
		return r.Policy.Idempotent
	}
	return false
}

// checkStarts holds the witness against the record, both ways.
func (h *history) checkStarts(say complaint) {
	runs := map[string]run.Run{}
	for _, r := range h.Runs {
		runs[r.ID] = r
	}
	type key struct {
		run string
		n   int
	}
	started := map[key]int{}
	for _, s := range h.Starts {
		started[key{s.Run, s.Attempt}]++
		r, known := runs[s.Run]
		switch {
		case !known:
			say("run %s started and is not on record", s.Run)
		case r.State == run.Skipped:
			say("run %s started and is recorded as skipped: %s", s.Run, r.Reason)
		case s.Attempt < 1 || s.Attempt > len(r.Attempts):
			say("run %s: attempt %d started and is not on record", s.Run, s.Attempt)
		default:
			a := r.Attempts[s.Attempt-1]
			if a.State == run.AttemptNotStarted {
				say("run %s: attempt %d started and is recorded as not started: %s", s.Run, s.Attempt, a.Reason)
			}
			if a.Fence != s.Fence {
				say("run %s: attempt %d started with fence %d, and %d is recorded", s.Run, s.Attempt, s.Fence, a.Fence)
			}
		}
	}
	for k, n := range started {
		if n > 1 {
			say("run %s: attempt %d started %d times", k.run, k.n, n)
		}
	}
	for _, r := range h.Runs {
		for _, a := range r.Attempts {
			if a.State == run.AttemptSucceeded && started[key{r.ID, a.N}] == 0 {
				say("run %s: attempt %d succeeded without having started", r.ID, a.N)
			}
		}
	}
}

// checkFences looks at the fencing numbers of each job: no two attempts share
// one, they grow within a run, and where the job's slot keeps its runs apart they
// grow from start to start.
func (h *history) checkFences(say complaint) {
	apart := map[string]bool{}
	for _, j := range h.File.Jobs {
		apart[j.Name] = j.Overlap != job.Allow
	}
	given := map[string]string{}
	for _, r := range h.Runs {
		var last int64
		for _, a := range r.Attempts {
			key := fmt.Sprintf("%s %d", r.Job, a.Fence)
			if before, ok := given[key]; ok {
				say("run %s has the fence of run %s, %d", r.ID, before, a.Fence)
			}
			given[key] = r.ID
			if a.Fence <= last {
				say("run %s: attempt %d has fence %d after %d", r.ID, a.N, a.Fence, last)
			}
			last = a.Fence
		}
	}
	last := map[string]start{}
	for _, s := range h.Starts {
		name, _, _ := strings.Cut(s.Run, "@")
		if before := last[name]; apart[name] && s.Fence <= before.Fence {
			say("run %s started with fence %d after run %s with %d", s.Run, s.Fence, before.Run, before.Fence)
		}
		last[name] = s
	}
}

// checkDue looks for due times that have no record, or two.
func (h *history) checkDue(say complaint) {
	records := map[string][]run.Run{}
	for _, r := range h.Runs {
		if r.Trigger != run.Manual {
			records[r.Job] = append(records[r.Job], r)
		}
	}
	whens := map[string]*schedule.Schedule{}
	for _, j := range h.File.Jobs {
		when, err := schedule.Parse(j.When)
		if err != nil {
			say("job %s: %v", j.Name, err)
			continue
		}
		whens[j.Name] = when
	}
	for _, j := range h.Jobs {
		runs := records[j.Name]
		slices.SortFunc(runs, func(a, b run.Run) int { return a.Due.Compare(b.Due) })
		at := j.Since
		for _, r := range runs {
			next, _ := whens[j.Name].Next(at)
			switch {
			case r.Due.After(next):
				say("job %s: nothing is recorded from %v to %v", j.Name, next, r.Due)
			case r.Due.Before(next):
				say("run %s is of no due time, or of one that has its record", r.ID)
			}
			at = r.Due
			if !r.Until.IsZero() {
				at = r.Until
			}
		}
		if next, ok := whens[j.Name].Next(at); ok && next.Before(h.Until) {
			say("job %s: nothing is recorded from %v on", j.Name, next)
		}
	}
}
