package deploy

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/awsloop/mototest"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/function"
)

func TestMain(m *testing.M) { mototest.Main(m) }

// loop is an account of awsloop's and moto's, over the services' real protocols;
// only the ledger behind the function is a map.
type loop struct {
	*Account
	t      *testing.T
	server *awsloop.Server
	jobs   *cloud
	name   string
}

func newLoop(t *testing.T) *loop {
	t.Helper()
	moto := mototest.Start(t)
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	s := awsloop.New(awsloop.Options{Moto: moto, Region: mototest.Region, Seed: 1, Dir: t.TempDir()})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Start(); err != nil {
		t.Fatal(err)
	}
	awsloop.NewAccount(s, awsloop.AccountOptions{})
	l := &loop{Account: New(s.Config(mototest.Region)), t: t, server: s, jobs: newCloud(), name: strings.ToLower(strings.TrimPrefix(t.Name(), "Test"))}
	l.jobs.function, l.jobs.table = true, true
	l.Jobs = fakeJobs{l.jobs}
	l.Code = code(t, "one")
	return l
}

// code is the zip of a program that no test invokes.
func code(t *testing.T, text string) function.Code {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "bootstrap"}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = w.Write([]byte("#!/bin/sh\n# " + text + "\n"))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return function.Code{Zip: b.Bytes(), Hash: sha256Hex(b.Bytes()), Architecture: "arm64"}
}

func (l *loop) installation(jobs ...job.Job) *stack.Installation {
	l.t.Helper()
	f := installation(l.t, jobs...).File
	f.Ledger = "dynamodb://" + mototest.Region + "/" + l.name
	f.Fleet.EC2 = &job.EC2{Region: mototest.Region, Document: l.name, Claims: l.name, ClaimWithin: time.Minute}
	f.Targets = map[string]job.Target{"ops": {SNS: &job.SNS{Topic: l.name, Email: []string{"ops@example.com"}}}}
	i, err := stack.New(f)
	if err != nil {
		l.t.Fatal(err)
	}
	return i
}

// calls are those since the last time.
func (l *loop) calls(before map[string]int) (total int, after map[string]int) {
	after = l.server.Calls()
	for op, n := range after {
		total += n - before[op]
	}
	return total, after
}

func TestLoop(t *testing.T) {
	l := newLoop(t)
	i := l.installation(daily("a"), daily("b"))
	p := apply(t, l.Account, i, Options{})
	if p.Stack.Action != Create || !p.Stack.Make || !p.Stack.Upload || p.Schedules.Create != 2 {
		t.Errorf("first plan is %+v, %+v", p.Stack, p.Schedules)
	}
	i = l.installation(edit(daily("a")), daily("b"))
	p = apply(t, l.Account, i, Options{})
	if p.Stack.Action != None || p.Schedules.Create != 1 || p.Schedules.Delete != 1 || p.Schedules.Keep != 1 {
		t.Errorf("plan of an edit is %+v, %+v", p.Stack, p.Schedules)
	}

	// Other code, and another right.
	l.Code = code(t, "two")
	wider := daily("b")
	wider.Hosts = map[string]string{"role": "db"}
	i = l.installation(edit(daily("a")), wider)
	p = apply(t, l.Account, i, Options{})
	if p.Stack.Action != Update || !p.Stack.Upload || p.Stack.Make || len(p.Stack.Resources) == 0 || len(p.Rights) == 0 {
		t.Errorf("plan of an update is %+v, rights %+v", p.Stack, p.Rights)
	}

	for range 2 {
		if err := l.Destroy(t.Context(), i, DestroyOptions{Confirm: l.name}); err != nil {
			t.Fatal(err)
		}
	}
	p = apply(t, l.Account, i, Options{})
	if !p.Stack.Adopted {
		t.Errorf("plan over a table that stayed is %+v", p.Stack)
	}
	if err := l.Destroy(t.Context(), i, DestroyOptions{Confirm: l.name, DeleteLedger: true}); err != nil {
		t.Fatal(err)
	}
	d, err := l.PlanDestroy(t.Context(), i, DestroyOptions{DeleteLedger: true})
	if err != nil || !d.Empty() || d.Table != "" {
		t.Errorf("there is left: %+v, %v", d, err)
	}
}

// Every awkward answer that is known of the real API, once to each thing, and
// throttling beside it.
func TestLoopAwkward(t *testing.T) {
	l := newLoop(t)
	k := awsloop.Knobs{
		Answers:  map[string]awsloop.Knob{},
		Throttle: map[string]awsloop.Knob{"*": {P: 0.1}},
		Lost:     map[string]awsloop.Knob{"*": {P: 0.03}},
		Pending:  awsloop.Knob{P: 1, For: 100 * time.Millisecond},
	}
	for _, a := range awsloop.Answers {
		if !a.Final {
			k.Answers[a.Name] = awsloop.Knob{First: 1}
		}
	}
	l.server.SetKnobs(k)
	settles := func(i *stack.Installation) {
		t.Helper()
		var err error
		for range 5 {
			var p *Plan
			if p, err = l.Plan(t.Context(), i, Options{Prune: true}); err == nil {
				if err = l.Apply(t.Context(), i, p, Options{Prune: true}); err == nil {
					return
				}
			}
			t.Logf("once more: %v", err)
		}
		t.Fatal(err)
	}
	settles(l.installation(daily("a"), daily("b"), daily("c")))
	i := l.installation(daily("a"), edit(daily("b")))
	settles(i)
	l.server.SetKnobs(awsloop.Knobs{})
	if p := plan(t, l.Account, i, Options{Prune: true}); p.Changed() {
		t.Errorf("there is something left to do: %+v", p)
	}
	l.server.SetKnobs(k)
	var err error
	for range 5 {
		if err = l.Destroy(t.Context(), i, DestroyOptions{Confirm: l.name, DeleteLedger: true}); err == nil {
			break
		}
		t.Logf("once more: %v", err)
	}
	if err != nil {
		t.Error(err)
	}
}

// How many calls a thousand jobs take, and one change among them.
func TestLoopThousand(t *testing.T) {
	l := newLoop(t)
	var jobs []job.Job
	for n := range 1000 {
		jobs = append(jobs, daily("job-"+itoa(n)))
	}
	_, seen := l.calls(nil)
	for _, what := range []string{"1,000 jobs", "1 change"} {
		begin := time.Now()
		i := l.installation(jobs...)
		p := plan(t, l.Account, i, Options{})
		n, then := l.calls(seen)
		if err := l.Apply(t.Context(), i, p, Options{}); err != nil {
			t.Fatal(err)
		}
		m, after := l.calls(then)
		t.Logf("%s: %d calls to plan, %d to apply, and %d of the function; %s", what, n, m, l.jobs.n, time.Since(begin).Round(time.Millisecond))
		seen, l.jobs.n = after, 0
		jobs[7] = edit(jobs[7])
	}
	if err := l.Destroy(t.Context(), l.installation(jobs...), DestroyOptions{Confirm: l.name, DeleteLedger: true}); err != nil {
		t.Error(err)
	}
}
