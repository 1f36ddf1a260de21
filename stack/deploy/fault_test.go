package deploy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/stack"
)

var errLost = errors.New("connection reset by peer")

// converge plans and applies until both succeed.
func converge(t *testing.T, a *Account, i *stack.Installation, o Options) {
	t.Helper()
	var err error
	for range 4 {
		var p *Plan
		if p, err = a.Plan(t.Context(), i, o); err == nil {
			if err = a.Apply(t.Context(), i, p, o); err == nil {
				return
			}
		}
		time.Sleep(time.Minute) // CloudFormation ends what it is at
	}
	t.Fatalf("no end of errors: %v", err)
}

// ordeals fails each call of what a test does once: before it did anything, and
// when it has done all.
func ordeals(t *testing.T, do func(t *testing.T, c *cloud)) {
	t.Helper()
	total := 0
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		do(t, c)
		total = c.n
	})
	for n := range total {
		for _, lost := range []bool{false, true} {
			name := fmt.Sprintf("call %d, lost answer %v", n, lost)
			t.Run(name, func(t *testing.T) {
				bubbletest.Test(t, func(t *testing.T) {
					c := newCloud()
					hit := ""
					fail := func(k int, op string) error {
						if k != n {
							return nil
						}
						hit = op
						return errLost
					}
					if lost {
						c.after = fail
					} else {
						c.before = fail
					}
					do(t, c)
					if t.Failed() {
						t.Logf("it was %s that failed", hit)
					}
				})
			})
		}
	}
	t.Logf("%d calls, each failed twice", total)
}

func TestInterruptedApply(t *testing.T) {
	ordeals(t, func(t *testing.T, c *cloud) {
		a := c.account()
		converge(t, a, installation(t, daily("a"), daily("b"), daily("c")), Options{})
		edited := daily("b")
		edited.When.Expr = "0 5 * * *"
		a.Code.Zip = []byte("newer code")
		a.Code.Hash = sha256Hex(a.Code.Zip)
		i := installation(t, daily("a"), edited)
		converge(t, a, i, Options{Prune: true})
		c.check(t, i)
		c.before, c.after = nil, nil
		if p := plan(t, a, i, Options{Prune: true}); p.Changed() {
			t.Errorf("there is something left to do: %+v", p)
		}
		for _, s := range c.stacks {
			if s.status != cfntypes.StackStatusDeleteComplete && (s.status != cfntypes.StackStatusUpdateComplete && s.status != cfntypes.StackStatusCreateComplete) {
				t.Errorf("stack is %s", s.status)
			}
		}
	})
}

func TestInterruptedDestroy(t *testing.T) {
	ordeals(t, func(t *testing.T, c *cloud) {
		a := c.account()
		i := installation(t, daily("a"))
		converge(t, a, i, Options{})
		o := DestroyOptions{Confirm: "cron"}
		again := func() error {
			var err error
			for range 3 {
				if err = a.Destroy(t.Context(), i, o); err == nil {
					break
				}
				time.Sleep(time.Second)
			}
			return err
		}
		if err := again(); err != nil {
			t.Fatal(err)
		}
		if c.ledger["a"].Retired.IsZero() || !c.table {
			t.Error("the job isn't retired, or the table is gone")
		}
		o.DeleteLedger = true
		if err := again(); err != nil {
			t.Fatal(err)
		}
		if c.table || c.function || len(c.buckets) > 0 {
			t.Errorf("there is left: %+v", c)
		}
	})
}

// What AWS says of what was just made, or is just being changed.
func TestAwkwardAnswers(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		i := installation(t, daily("a"), daily("b"))
		c.assumable, c.answers = time.Now().Add(100*time.Second), time.Now().Add(50*time.Second)
		says := map[string][]error{ // once each, in this order
			"CreateBucket":    {apiError("OperationAborted", "A conflicting conditional operation is currently in progress")},
			"PutObject":       {apiError("NoSuchBucket", "The specified bucket does not exist")},
			"CreateChangeSet": {nil},
			"CreateSchedule":  {&types.ResourceNotFoundException{Message: new("Schedule group cron does not exist.")}},
		}
		c.before = func(_ int, op string) error {
			if list := says[op]; len(list) > 0 {
				says[op] = list[1:]
				return list[0]
			}
			return nil
		}
		apply(t, a, i, Options{})
		c.check(t, i)
		if c.calls["CreateSchedule"] < 5 {
			t.Errorf("schedules were asked for %d times", c.calls["CreateSchedule"])
		}

		// Schedules that are there already, and ones that are gone already.
		i = installation(t, edit(daily("a")), daily("b"))
		c.before = nil
		p := plan(t, a, i, Options{})
		c.before = func(_ int, op string) error {
			switch op {
			case "CreateSchedule":
				return &types.ConflictException{Message: new("Schedule already exists.")}
			case "DeleteSchedule":
				return errNoSchedule
			}
			return nil
		}
		if err := a.Apply(t.Context(), i, p, Options{}); err != nil {
			t.Error(err)
		}
	})
}

// A role that nobody will ever be able to assume is told of in the end.
func TestPatienceEnds(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		c.assumable = time.Now().Add(time.Hour)
		a := c.account()
		i := installation(t, daily("a"))
		p := plan(t, a, i, Options{})
		begin := time.Now()
		err := a.Apply(t.Context(), i, p, Options{})
		if err == nil || !strings.Contains(err.Error(), "assume the role") || time.Since(begin) > 4*time.Minute {
			t.Errorf("apply after %s: %v", time.Since(begin), err)
		}
	})
}
