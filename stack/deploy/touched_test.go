package deploy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack/template"
)

func TestHandsOff(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		i := installation(t, daily("a"), daily("b"), daily("c"))
		apply(t, a, i, Options{})
		time.Sleep(time.Hour)
		now := time.Now()
		for name, s := range c.schedules {
			switch name[0] {
			case 'a':
				s.LastModificationDate, s.ScheduleExpression = &now, aws.String("cron(0 0 * * ? *)")
			case 'b':
				s.LastModificationDate, s.State = &now, types.ScheduleStateDisabled
			}
		}
		theirs := *c.schedules[first(c.schedules)]
		theirs.State = types.ScheduleStateEnabled
		theirs.Name, theirs.Target = aws.String("theirs"), &types.Target{Arn: aws.String("arn:aws:sqs:eu-central-1:123456789012:queue")}
		c.schedules["theirs"] = &theirs
		odd := theirs
		odd.Name, odd.Target = aws.String("odd"), &types.Target{Arn: aws.String("arn:aws:lambda:eu-central-1:123456789012:function:cron"), Input: aws.String(`{"sweep":true}`)}
		c.schedules["odd"] = &odd

		p := plan(t, a, i, Options{Prune: true})
		if !p.Changed() || len(p.Schedules.Edited) != 1 || p.Schedules.Edited[0][0] != 'a' || len(p.Schedules.Disabled) != 1 || !slices.Equal(p.Schedules.Foreign, []string{"odd", "theirs"}) {
			t.Errorf("plan of schedules that people touched is %+v", p.Schedules)
		}
		apply(t, a, i, Options{Prune: true})

		// A job whose schedule was switched off is edited.
		edited := daily("b")
		edited.Command = "false"
		i = installation(t, daily("a"), edited, daily("c"))
		apply(t, a, i, Options{Prune: true})
		if len(c.schedules) != 5 {
			t.Errorf("%d schedules, want those of the jobs and the 2 foreign ones", len(c.schedules))
		}
		for name, s := range c.schedules {
			if off := s.State == types.ScheduleStateDisabled; off != (name[0] == 'b') {
				t.Errorf("schedule %s is disabled: %v", name, off)
			}
		}
		if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: "cron"}); err == nil || !strings.Contains(err.Error(), "theirs") {
			t.Errorf("destroy with a foreign schedule in the group: %v", err)
		}
		delete(c.schedules, "theirs")
		delete(c.schedules, "odd")
		c.check(t, i)
	})
}

func first(m map[string]*fakeSchedule) string {
	for name := range m {
		return name
	}
	return ""
}

// A one-time job is done once its time is over, and its schedule isn't made
// anew.
func TestOnce(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		at(t, "2026-11-22T12:00:00Z")
		c := newCloud()
		a := c.account()
		soon, over := daily("soon"), daily("over")
		soon.When.Expr, over.When.Expr = "at(2026-12-24T18:00:00)", "at(2026-01-01T00:00:00)"
		i := installation(t, soon, over)
		if p := apply(t, a, i, Options{}); p.Schedules.Create != 1 {
			t.Errorf("plan is %+v, want a schedule for what is yet to come", p.Schedules)
		}
		at(t, "2027-01-01T00:00:00Z")
		if p := plan(t, a, i, Options{}); p.Changed() || p.Schedules.Keep != 1 {
			t.Errorf("plan when it is over: %+v", p.Schedules)
		}
	})
}

// Nobody but who made a stack of this name may change it.
func TestForeignStack(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		i := installation(t, daily("a"))
		apply(t, a, i, Options{})
		for _, s := range c.stacks {
			s.tags = nil
		}
		if _, err := a.Plan(t.Context(), i, Options{}); err == nil || !strings.Contains(err.Error(), "not solocron's") {
			t.Errorf("plan over a foreign stack: %v", err)
		}
		if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: "cron"}); err == nil {
			t.Error("a foreign stack was destroyed")
		}
	})
}

// A bucket of our name that somebody has in use is neither taken over nor
// emptied; one whose making was interrupted is.
func TestForeignBucket(t *testing.T) {
	tag := func(key, value string) s3types.Tag { return s3types.Tag{Key: &key, Value: &value} }
	theirs := map[string]string{"solocron/notes.txt": "x"}
	tests := map[string]struct {
		bucket fakeBucket
		taken  bool
	}{
		"tagged by others":           {fakeBucket{tags: []s3types.Tag{tag("team", "web")}, objects: map[string]string{}}, false},
		"of another installation":    {fakeBucket{tags: []s3types.Tag{tag(template.Tag, "Cron")}, objects: map[string]string{}}, false},
		"with something in it":       {fakeBucket{objects: theirs}, false},
		"interrupted while it began": {fakeBucket{objects: map[string]string{}}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				c := newCloud()
				a := c.account()
				i := installation(t, daily("a"))
				b := test.bucket
				b.owner = "123456789012"
				c.buckets["cron-123456789012-"+i.Region] = &b
				p, err := a.Plan(t.Context(), i, Options{})
				if err == nil {
					err = a.Apply(t.Context(), i, p, Options{})
				}
				if test.taken {
					if err != nil || !b.closed || len(b.tags) != 1 {
						t.Errorf("%v, bucket %+v", err, b)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), "not solocron's") || !strings.Contains(err.Error(), "--bucket") {
					t.Errorf("%v", err)
				}
				if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: i.Name}); err != nil {
					t.Error(err)
				}
				if b.closed || len(b.tags) != len(test.bucket.tags) || len(b.objects) != len(test.bucket.objects) || len(c.buckets) != 1 {
					t.Errorf("the bucket was changed: %+v", b)
				}
			})
		})
	}
}

func TestConfirm(t *testing.T) {
	c := newCloud()
	if err := c.account().Destroy(t.Context(), installation(t, daily("a")), DestroyOptions{Confirm: "corn", DeleteLedger: true}); err == nil || c.n > 0 {
		t.Errorf("destroy with another name confirmed: %v after %d calls", err, c.n)
	}
}

// A stack that somebody else makes is neither looked at nor touched.
func TestJobsOnly(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		c := newCloud()
		a := c.account()
		apply(t, a, installation(t, daily("a")), Options{})
		a.CloudFormation, a.S3, a.SSM, a.DynamoDB = nil, nil, nil, nil // a call would panic
		i, o := installation(t, daily("b")), Options{JobsOnly: true, Prune: true}
		p := apply(t, a, i, o)
		if p.Stack.Action != None || !p.Stack.Elsewhere || len(p.Jobs) != 2 || p.Schedules.Create != 1 || p.Schedules.Delete != 1 {
			t.Errorf("%+v", p)
		}
		c.check(t, i)

		if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: i.Name, JobsOnly: true, DeleteLedger: true}); err == nil || len(c.schedules) != 1 {
			t.Errorf("the ledger of somebody else's stack: %v", err)
		}
		if err := a.Destroy(t.Context(), i, DestroyOptions{Confirm: i.Name, JobsOnly: true}); err != nil {
			t.Fatal(err)
		}
		if len(c.schedules) != 0 || c.ledger["b"].Retired.IsZero() || !c.function {
			t.Errorf("schedules %v, job %+v, function %t", c.schedules, c.ledger["b"], c.function)
		}
		left, err := a.PlanDestroy(t.Context(), i, DestroyOptions{JobsOnly: true})
		if err != nil || !left.Empty() {
			t.Errorf("%+v, %v", left, err)
		}
	})
}

func TestThousandJobs(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		at(t, "2026-11-22T12:00:00Z")
		c := newCloud()
		a := c.account()
		var jobs []job.Job
		for n := range 1000 {
			j := daily("job-" + itoa(n))
			j.When.Expr = itoa(n%60) + " " + itoa(n/60) + " * * *"
			jobs = append(jobs, j)
		}
		count := func(what string) {
			t.Logf("%s: %d calls: %v", what, c.n, c.calls)
			c.reset()
		}
		run := func(what string, o Options) {
			i := installation(t, jobs...)
			p := plan(t, a, i, o)
			count("plan of " + what)
			begin := time.Now()
			if err := a.Apply(t.Context(), i, p, o); err != nil {
				t.Fatal(err)
			}
			t.Logf("apply of %s took %s", what, time.Since(begin))
			count("apply of " + what)
			if p := plan(t, a, i, o); p.Changed() {
				t.Fatalf("after %s there is something to do", what)
			}
			c.reset()
		}
		run("1,000 jobs", Options{})
		jobs[500].Command = "false"
		run("1 change", Options{})
		for n := range jobs {
			jobs[n].Timeout *= 2
		}
		run("1,000 changes", Options{})
		jobs = jobs[:1]
		run("999 removals", Options{Prune: true})
		c.check(t, installation(t, jobs...))
	})
}
