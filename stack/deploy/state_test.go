package deploy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/guard"
)

func TestFailedStack(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		i := installation(t, daily("a"))
		made := plan(t, a, i, Options{}).Stack.Resources
		c.breaks = made[len(made)-1].ID
		p := plan(t, a, i, Options{})
		err := a.Apply(t.Context(), i, p, Options{})
		if err == nil || !strings.Contains(err.Error(), "ROLLBACK_COMPLETE") || !strings.Contains(err.Error(), c.breaks+": it can't be made") {
			t.Errorf("apply of a stack that can't be made: %v", err)
		}
		var state *StateError
		if _, err := a.Plan(t.Context(), i, Options{}); !errors.As(err, &state) || state.Status != "ROLLBACK_COMPLETE" || !strings.Contains(state.Remedy, "destroy") {
			t.Errorf("plan after that: %v", err)
		}
		if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: "cron"}); err == nil || !strings.Contains(err.Error(), "DELETE_FAILED") || !strings.Contains(err.Error(), "it can't be deleted") {
			t.Errorf("destroy of a stack that can't be deleted: %v", err)
		}
		c.breaks = ""
		if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: "cron"}); err != nil {
			t.Error(err)
		}
		apply(t, a, i, Options{})

		c.breaks = made[0].ID
		a.Code.Zip = []byte("newer code")
		a.Code.Hash = sha256Hex(a.Code.Zip)
		p = plan(t, a, i, Options{})
		if p.Stack.Action != Update || !p.Stack.Upload || p.Stack.Make {
			t.Errorf("plan of an update is %+v", p.Stack)
		}
		if err := a.Apply(t.Context(), i, p, Options{}); err == nil || !strings.Contains(err.Error(), "UPDATE_ROLLBACK_COMPLETE") {
			t.Errorf("apply of an update that fails: %v", err)
		}
		c.breaks = ""
		apply(t, a, i, Options{})
	})
}

// Each state of the stack, and whether anything can be done to it.
func TestStates(t *testing.T) {
	ready := map[cfntypes.StackStatus]bool{
		"CREATE_COMPLETE": true, "UPDATE_COMPLETE": true, "UPDATE_ROLLBACK_COMPLETE": true, "IMPORT_COMPLETE": true, "IMPORT_ROLLBACK_COMPLETE": true,
	}
	for _, status := range cfntypes.StackStatus("").Values() {
		err := (&standing{status: string(status)}).ready("cron")
		if (err == nil) != ready[status] {
			t.Errorf("%s: %v", status, err)
		}
		var state *StateError
		if err != nil && (!errors.As(err, &state) || state.Remedy == "") {
			t.Errorf("%s has no remedy: %v", status, err)
		}
	}
}

// An interrupted apply leaves CloudFormation at work, which the next one says.
func TestCancelled(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		i := installation(t, daily("a"))
		p := plan(t, a, i, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		a.Progress = func(s Step) {
			if s.Part == "stack" {
				cancel()
			}
		}
		if err := a.Apply(ctx, i, p, Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled apply: %v", err)
		}
		a.Progress = nil
		var state *StateError
		if _, err := a.Plan(t.Context(), i, Options{}); !errors.As(err, &state) || state.Status != "CREATE_IN_PROGRESS" {
			t.Errorf("plan while CloudFormation is at work: %v", err)
		}
		time.Sleep(time.Minute)
		apply(t, a, i, Options{})
		c.check(t, i)
	})
}

// The stack that the plan's change set made goes, unless somebody else has a
// change set for it by then.
func TestReviewedStack(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		i := installation(t, daily("a"))
		c.before = func(_ int, op string) error {
			if op == "ListChangeSets" {
				for _, s := range c.stacks {
					s.sets["theirs"] = &fakeSet{}
				}
			}
			return nil
		}
		plan(t, a, i, Options{})
		for _, s := range c.stacks {
			if s.status != cfntypes.StackStatusReviewInProgress {
				t.Errorf("the stack of somebody else's change set is %s", s.status)
			}
		}
		c.before = nil
		if p := apply(t, a, i, Options{}); p.Stack.Action != Create {
			t.Errorf("plan for a stack in review is %+v", p.Stack)
		}
	})
}

// A new version of the document is the one that commands are sent with, also
// if an apply was interrupted before that.
func TestDocument(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.newVersions = true
		a := c.account()
		i := installation(t, daily("a"))
		apply(t, a, i, Options{})
		c.documents = []string{`{"schemaVersion":"2.2"}`, string(guard.Document())}
		if p := apply(t, a, i, Options{}); p.Stack.Document != "2" || c.standard != 2 {
			t.Errorf("plan is %+v, default version is %d", p.Stack, c.standard)
		}
		c.documents = append(c.documents, `{"schemaVersion":"2.2"}`)
		c.standard = 3
		if p := plan(t, a, i, Options{}); p.Changed() || !strings.Contains(strings.Join(p.Warnings, "\n"), "document solocron") {
			t.Errorf("plan with a foreign document is %+v", p.Warnings)
		}
	})
}

// A stack can't make a document whose name is taken.
func TestDocumentOfSomebodyElse(t *testing.T) {
	c := newCloud()
	c.documents, c.standard = []string{string(guard.Document())}, 1
	_, err := c.account().Plan(t.Context(), installation(t, daily("a")), Options{})
	if err == nil || !strings.Contains(err.Error(), "document solocron is there already") || len(c.stacks) > 0 {
		t.Errorf("plan where the document is somebody else's: %v", err)
	}
}

func TestBucket(t *testing.T) {
	const own = "cron-123456789012-eu-central-1"
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		i := installation(t, daily("a"))
		if _, err := a.Plan(t.Context(), i, Options{Bucket: "shared"}); err == nil || !strings.Contains(err.Error(), "shared is not there") {
			t.Errorf("plan with a bucket that is not there: %v", err)
		}
		c.buckets[own] = &fakeBucket{owner: "666666666666"}
		if _, err := a.Plan(t.Context(), i, Options{}); err == nil || !strings.Contains(err.Error(), "--bucket") {
			t.Errorf("plan with somebody else's bucket: %v", err)
		}
		delete(c.buckets, own)
		c.buckets["shared"] = &fakeBucket{owner: "999999999999", objects: map[string]string{"solocron/other.zip": "x"}}
		apply(t, a, i, Options{Bucket: "shared"})
		if len(c.buckets) != 1 || c.buckets["shared"].closed || len(c.buckets["shared"].objects) != 2 {
			t.Errorf("buckets are %+v", c.buckets)
		}
		// Once there, the stack's bucket is the one.
		if p := plan(t, a, i, Options{}); p.Changed() || p.Stack.Bucket != "shared" {
			t.Errorf("plan without --bucket is %+v", p.Stack)
		}
		if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: "cron"}); err != nil || len(c.buckets["shared"].objects) != 2 {
			t.Errorf("destroy touched a bucket that was given: %v, %+v", err, c.buckets["shared"])
		}
		apply(t, a, i, Options{})
		c.buckets[own].objects["notes.txt"] = "x"
		if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: "cron"}); err != nil || len(c.buckets[own].objects) != 1 {
			t.Errorf("destroy with a bucket of other things: %v, %+v", err, c.buckets[own])
		}
	})
}

// Without the function nobody can retire the jobs, so the ledger that stays
// would owe them.
func TestDestroyWithoutFunction(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		i := installation(t, daily("a"))
		apply(t, a, i, Options{})
		c.function = false
		if d, err := a.PlanDestroy(t.Context(), i, DestroyOptions{}); err != nil || len(d.Warnings) != 1 {
			t.Errorf("plan to destroy is %+v, %v", d, err)
		}
		if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: "cron"}); err == nil || !strings.Contains(err.Error(), "--delete-ledger") || !c.group {
			t.Errorf("destroy: %v", err)
		}
		if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: "cron", DeleteLedger: true}); err != nil || c.group || c.table {
			t.Errorf("destroy with the ledger: %v", err)
		}
	})
}

func TestOpenRuns(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		i := installation(t, daily("a"))
		apply(t, a, i, Options{})
		c.open = []string{"a@2026-11-22T02:30:00Z"}
		d, err := a.PlanDestroy(t.Context(), i, DestroyOptions{})
		if err != nil || len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "1 open run will not be followed to its end: a@2026") {
			t.Errorf("plan to destroy is %+v, %v", d, err)
		}
	})
}
