package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// judge holds what the hosts saw against the ledger and the schedules, and
// returns what is against the promise.
func judge(w World, out Outcome) (problems []string) {
	found := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	jobs := map[string]job.Job{}
	for _, j := range w.Jobs {
		jobs[j.Name] = j
		for _, missing := range unrecorded(j, w, out.Runs) {
			found("%s has no record", run.ID(j.Name, missing))
		}
	}
	starts := map[string][]Start{}
	for _, s := range out.Starts {
		starts[s.Run] = append(starts[s.Run], s)
	}
	for _, r := range out.Runs {
		for _, problem := range judgeRun(r, starts[r.ID]) {
			found("%s, %s: %s", r.ID, r.State, problem)
		}
		delete(starts, r.ID)
	}
	for id := range starts {
		found("%s was started and has no record", id)
	}
	for name, j := range jobs {
		if j.Overlap == job.Allow {
			continue
		}
		if a, b := together(name, out.Starts); a.Run != "" {
			found("%s.%d on %s ran until %s, and %s.%d on %s began at %s", a.Run, a.Attempt, a.Host, a.End, b.Run, b.Attempt, b.Host, b.At)
		}
	}
	return problems
}

// judgeRun holds one run's record against the starts of its command.
func judgeRun(r run.Run, starts []Start) (problems []string) {
	found := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if r.State.Open() {
		found("it is still open")
	}
	begun := map[int]Start{}
	for _, s := range starts {
		if _, twice := begun[s.Attempt]; twice {
			found("attempt %d was started twice", s.Attempt)
		}
		begun[s.Attempt] = s
	}
	for i, a := range r.Attempts {
		s, started := begun[a.N]
		delete(begun, a.N)
		switch {
		case a.State == run.AttemptNotStarted && a.Reason == "":
			found("attempt %d is not_started without a proof", a.N)
		case a.State == run.AttemptNotStarted && started:
			found("attempt %d was started on %s although proven not to be: %s", a.N, s.Host, a.Reason)
		case a.State == run.AttemptSucceeded && (!started || s.Died || s.Code != 0),
			a.State == run.AttemptFailed && (!started || s.Died || s.Code == 0),
			a.State == run.AttemptTimedOut && (!started || s.Died):
			found("attempt %d is %s, and its host saw %+v", a.N, a.State, s)
		case started && s.Host != a.Host:
			found("attempt %d was meant for %s and started on %s", a.N, a.Host, s.Host)
		}
		if i == len(r.Attempts)-1 {
			continue
		}
		switch a.State { // another one follows
		case run.AttemptNotStarted:
		case run.AttemptFailed, run.AttemptTimedOut:
			if r.Policy.Retries == 0 && !r.Policy.Idempotent {
				found("attempt %d was followed by another without a retry", a.N)
			}
		case run.AttemptLost, run.AttemptSucceeded, run.AttemptCancelled: // heard of after its rerun
			if !r.Policy.Idempotent {
				found("attempt %d is %s and was followed by another", a.N, a.State)
			}
		default:
			found("attempt %d is %s and was followed by another", a.N, a.State)
		}
	}
	for n := range begun {
		found("attempt %d was started and is not on record", n)
	}
	if len(starts) > 1 && r.Policy.Retries == 0 && !r.Policy.Idempotent {
		found("it was started %d times", len(starts))
	}
	if len(starts) > 0 && r.State == run.Skipped {
		found("it was started: %s", r.Reason)
	}
	return problems
}

// unrecorded are the job's due times that no record stands for.
func unrecorded(j job.Job, w World, runs []run.Run) (missing []time.Time) {
	when, err := schedule.Parse(j.When)
	if err != nil {
		panic(err)
	}
	recorded := map[time.Time]bool{}
	var ranges []run.Run
	for _, r := range runs {
		if r.Job == j.Name {
			recorded[r.Due] = true
			if r.Count > 1 {
				ranges = append(ranges, r)
			}
		}
	}
	for due, ok := when.Next(w.From); ok && !due.After(w.To); due, ok = when.Next(due) {
		inRange := func(r run.Run) bool { return !due.Before(r.Due) && !due.After(r.Until) }
		if !recorded[due] && !slices.ContainsFunc(ranges, inRange) {
			missing = append(missing, due)
		}
	}
	return missing
}

// together returns two starts of the job that ran at the same time, if any did.
func together(name string, starts []Start) (a, b Start) {
	mine := slices.DeleteFunc(slices.Clone(starts), func(s Start) bool { return s.Job != name })
	slices.SortFunc(mine, func(a, b Start) int { return cmp.Or(a.At.Compare(b.At), a.End.Compare(b.End)) })
	for i := 1; i < len(mine); i++ {
		if mine[i].At.Before(mine[i-1].End) {
			return mine[i-1], mine[i]
		}
	}
	return a, b
}

// The judge itself: it finds what was done to a good world.
func TestJudge(t *testing.T) {
	t.Parallel()
	w := randomWorld(1)
	w.Faults, w.chance, w.Jobs = nil, chance{}, w.Jobs[:1]
	w.Jobs[0].When.Expr, w.Jobs[0].Overlap, w.Jobs[0].Idempotent, w.Jobs[0].Retry.Attempts = "@hourly", job.Skip, false, 0
	good := func() Outcome {
		out, err := Run(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if problems := judge(w, good()); len(problems) > 0 {
		t.Fatalf("a good world: %v", problems)
	}
	for name, spoil := range map[string]func(*Outcome){
		"a record is gone":        func(o *Outcome) { o.Runs = o.Runs[1:] },
		"a start more":            func(o *Outcome) { o.Starts = append(o.Starts, o.Starts[0]) },
		"a start less":            func(o *Outcome) { o.Starts = o.Starts[1:] },
		"another attempt started": func(o *Outcome) { o.Starts = append(o.Starts, o.Starts[0]); o.Starts[len(o.Starts)-1].Attempt = 2 },
		"another host":            func(o *Outcome) { o.Starts[0].Host = "elsewhere" },
		"another result":          func(o *Outcome) { o.Starts[0].Code = 1 },
		"its host died":           func(o *Outcome) { o.Starts[0].Died = true },
		"still open":              func(o *Outcome) { o.Runs[0].State = run.Running },
		"skipped":                 func(o *Outcome) { o.Runs[0].State = run.Skipped },
		"a false proof":           func(o *Outcome) { o.Runs[0].Attempts[0].State = run.AttemptNotStarted },
		"no proof":                func(o *Outcome) { o.Runs[0].Attempts[0].State, o.Starts = run.AttemptNotStarted, o.Starts[1:] },
		"two at once":             func(o *Outcome) { o.Starts[0].End = o.Starts[1].End },
		"failed over from a lost one": func(o *Outcome) {
			o.Runs[0].Attempts = append([]run.Attempt{{N: 2, Host: "x", State: run.AttemptLost}}, o.Runs[0].Attempts...)
		},
	} {
		out := good()
		spoil(&out)
		if len(judge(w, out)) == 0 {
			t.Errorf("%s: nothing was found", name)
		}
	}
}
