// Package ledgertest is the contract of [ledger.Ledger] as tests. Every
// adapter passes it, each case on a ledger of its own.
package ledgertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// Open returns an empty ledger that the test closes when it ends.
type Open func(t *testing.T) ledger.Ledger

// Place makes room for one ledger, empty at first, and returns what opens it:
// again after it was closed, and where the ledger can be shared also while it
// is open. The opener closes what it opened when its test ends, unless that
// was closed before.
type Place func(t *testing.T) Open

// Run tests all that one handle of the ledger promises.
func Run(t *testing.T, open Open) {
	groups := []map[string]func(*testing.T, ledger.Ledger){
		runCases, queryCases, slotCases, raceCases, detailCases, noticeCases, jobCases, retireCases, ownerCases, markCases, pruneCases, contextCases,
	}
	for _, cases := range groups {
		for name, test := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, open(t))
			})
		}
	}
}

// base is the suite's idea of now; it has a zone and nanoseconds, which no
// ledger keeps.
var base = time.Date(2026, 3, 29, 2, 30, 0, 123_456_789, time.FixedZone("", 2*60*60))

// occurrence is a planned run of the job, the n-th of its due times.
func occurrence(job string, n int) run.Run {
	due := base.Truncate(time.Second).Add(time.Duration(n) * time.Minute).UTC()
	return run.Run{ID: run.ID(job, due), Job: job, Due: due, Trigger: run.Scheduled, State: run.Planned, Spec: "spec"}
}

// starting is the occurrence with a first attempt on the host.
func starting(job string, n int, host string) run.Run {
	r := occurrence(job, n)
	r.State = run.Starting
	r.Attempts = []run.Attempt{{N: 1, Host: host, State: run.AttemptStarting}}
	return r
}

// ended is the occurrence ended a second after it was due.
func ended(job string, n int, as run.State) run.Run {
	r := occurrence(job, n)
	r.State, r.EndedAt = as, r.Due.Add(time.Second)
	return r
}

// write performs the changes, of which none may be refused, and returns the
// stored runs.
func write(t *testing.T, l ledger.Ledger, changes ...ledger.Change) []run.Run {
	t.Helper()
	runs := make([]run.Run, len(changes))
	for i, o := range outcomes(t, l, changes...) {
		if o.Err != nil {
			t.Fatalf("change %d of run %s: %v", i, changes[i].Run.ID, o.Err)
		}
		runs[i] = o.Run
	}
	return runs
}

func put(t *testing.T, l ledger.Ledger, r run.Run) run.Run {
	t.Helper()
	return write(t, l, ledger.Change{Run: r})[0]
}

func take(r run.Run) ledger.Change {
	return ledger.Change{Run: r, Slot: ledger.Slot{Op: ledger.SlotTake}}
}

func outcomes(t *testing.T, l ledger.Ledger, changes ...ledger.Change) []ledger.Outcome {
	t.Helper()
	out, err := l.Write(t.Context(), changes...)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	if len(out) != len(changes) {
		t.Fatalf("write of %d changes gave %d outcomes", len(changes), len(out))
	}
	return out
}

// holder is who holds the job's slot.
func holder(t *testing.T, l ledger.Ledger, name string) string {
	t.Helper()
	return job(t, l, name).Holder
}

// job is one entry of Jobs, which only lists jobs that were put.
func job(t *testing.T, l ledger.Ledger, name string) ledger.Job {
	t.Helper()
	for _, j := range must(l.Jobs(t.Context()))(t) {
		if j.Name == name {
			return j
		}
	}
	t.Fatalf("job %s is not listed", name)
	return ledger.Job{}
}

func putJob(t *testing.T, l ledger.Ledger, now time.Time, name, when string) {
	t.Helper()
	spec := ledger.JobSpec{Name: name, Hash: "hash of " + name, When: when, Body: fmt.Appendf(nil, "{%q:1}", name)}
	if err := l.PutJobs(t.Context(), now, spec); err != nil {
		t.Fatalf("put job %s: %v", name, err)
	}
}

// must(f())(t) is f's value, or the end of the test.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got error %v, want %v", got, want)
	}
}

// same compares values as JSON readers would: no slice differs from an empty
// one. Times must be equal in their zone too.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	exact := cmp.Comparer(func(a, b time.Time) bool { return a == b })
	if diff := cmp.Diff(want, got, exact, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func ids(runs []run.Run) []string {
	all := []string{}
	for _, r := range runs {
		all = append(all, r.ID)
	}
	return all
}
