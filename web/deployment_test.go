package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/ledger/memledger"
	"github.com/solocron/solocron/schedule"
)

// direct carries requests to a handler, and notes how long the answers are as
// text within JSON.
type direct struct {
	http.Handler
	answers []int
}

func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	d.ServeHTTP(w, r)
	text, err := json.Marshal(w.Body.String())
	d.answers = append(d.answers, len(text))
	return w.Result(), err
}

// newServer is a scheduler without a file, and the way to it.
func newServer(stepwise bool) (*Server, *direct) {
	log := slog.New(slog.DiscardHandler)
	s := &Server{Log: log, Dispatcher: dispatch.New(dispatch.Options{Ledger: memledger.New(), Log: log, Stepwise: stepwise})}
	return s, &direct{Handler: s.Handler()}
}

func aJob(name, command string) job.Job {
	return job.Job{Name: name, When: schedule.Spec{Expr: "@daily"}, Pick: fleet.First, Command: command, Overlap: job.Skip, StartWithin: time.Minute}
}

func put(jobs ...job.Job) (d dispatch.Deployment) {
	for _, j := range jobs {
		d.Put = append(d.Put, dispatch.Edit{Body: j.Body()})
	}
	return d
}

func TestDeploy(t *testing.T) {
	t.Parallel()
	_, way := newServer(true)
	c := NewClientVia(way, "here")
	a, b := aJob("a", `echo "<&>"`), aJob("b", "true")
	for range 2 { // repeating is safe
		if err := c.Deploy(t.Context(), put(a, b)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Pause(t.Context(), "b", Ask{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	a2 := a
	a2.Command = "false"
	change := dispatch.Deployment{
		Put:    []dispatch.Edit{{From: a.Hash(), Body: a2.Body()}},
		Retire: []dispatch.Leaver{{Name: "b", From: b.Hash()}},
	}
	if err := c.Deploy(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	all, err := c.Deployed(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	for i, want := range []job.Job{a2, b} {
		if got := all[i]; got.Name != want.Name || got.Hash != want.Hash() || !bytes.Equal(got.Body, want.Body()) {
			t.Errorf("got %+v with body %s, want %s", got, got.Body, want.Body())
		}
	}
	if !all[0].Retired.IsZero() || all[1].Retired.IsZero() || all[1].Paused != "ann" {
		t.Errorf("%+v", all)
	}
	jobs, err := c.Jobs(t.Context())
	if err != nil || len(jobs) != 1 || jobs[0].Name != "a" {
		t.Errorf("jobs %+v, %v", jobs, err)
	}
	if err := c.Pause(t.Context(), "b", Ask{}); err == nil || !strings.Contains(err.Error(), "no such job") {
		t.Errorf("pause of a retired job: %v", err)
	}
}

// No page is more than a Lambda function can answer, whatever is in the jobs.
func TestDeployedInPages(t *testing.T) {
	t.Parallel()
	_, way := newServer(true)
	c := NewClientVia(way, "here")
	if all, err := c.Deployed(t.Context()); err != nil || len(all) != 0 {
		t.Fatal(all, err)
	}
	const jobs = 70
	for i := range jobs {
		// Each of these characters takes up several when it is text within JSON.
		if err := c.Deploy(t.Context(), put(aJob(fmt.Sprintf("job-%02d", i), strings.Repeat(`"\<é`, 8<<10)))); err != nil {
			t.Fatal(err)
		}
	}
	way.answers = nil
	all, err := c.Deployed(t.Context())
	if err != nil || len(all) != jobs {
		t.Fatal(len(all), err)
	}
	for i, j := range all {
		if want := fmt.Sprintf("job-%02d", i); j.Name != want {
			t.Fatalf("%s comes as job %d", j.Name, i)
		}
	}
	if len(way.answers) < 3 {
		t.Errorf("%d answers: the jobs fit into one", len(way.answers))
	}
	for _, n := range way.answers {
		if n > 6<<20 {
			t.Errorf("an answer of %d bytes", n)
		}
	}
}

func TestDeployRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change dispatch.Deployment
		status int
		hint   string
		moved  bool
	}{
		"moved":       {put(aJob("a", "false")), http.StatusConflict, "plan again", true},
		"another's":   {dispatch.Deployment{Put: []dispatch.Edit{{Body: []byte(`{"name":"b","new":1}`)}}}, http.StatusBadRequest, "version", false},
		"no job":      {dispatch.Deployment{Put: []dispatch.Edit{{Body: []byte(`7`)}}}, http.StatusBadRequest, "version", false},
		"much at all": {put(aJob("b", strings.Repeat("x", maxDeployment))), http.StatusRequestEntityTooLarge, "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, way := newServer(true)
			c := NewClientVia(way, "here")
			if err := c.Deploy(t.Context(), put(aJob("a", "true"))); err != nil {
				t.Fatal(err)
			}
			err := c.Deploy(t.Context(), test.change)
			p, ok := errors.AsType[*Problem](err)
			if !ok || p.Status != test.status || !strings.Contains(p.Hint, test.hint) || errors.Is(err, dispatch.ErrMoved) != test.moved {
				t.Errorf("error %v: %+v", err, p)
			}
			if all, err := c.Deployed(t.Context()); err != nil || len(all) != 1 || all[0].Hash != aJob("a", "true").Hash() {
				t.Errorf("%+v, %v", all, err)
			}
		})
	}
}

// A daemon's jobs are those of its file.
func TestDeployToADaemon(t *testing.T) {
	t.Parallel()
	s, way := newServer(false)
	if err := s.Dispatcher.Load(t.Context(), &job.File{Path: "/etc/jobs.yaml", Jobs: []job.Job{aJob("a", "true")}}, nil); err != nil {
		t.Fatal(err)
	}
	c := NewClientVia(way, "here")
	err := c.Deploy(t.Context(), put(aJob("b", "true")))
	if p, ok := errors.AsType[*Problem](err); !ok || p.Status != http.StatusForbidden || !strings.Contains(p.Message, "/etc/jobs.yaml") {
		t.Errorf("error %v", err)
	}
	if all, err := c.Deployed(t.Context()); err != nil || len(all) != 1 || all[0].Name != "a" {
		t.Errorf("%+v, %v", all, err)
	}
}

// What is no deployment may be much shorter.
func TestFault109AskTooLong(t *testing.T) {
	t.Parallel()
	_, way := newServer(true)
	long := io.NopCloser(strings.NewReader(`{"by":"` + strings.Repeat("x", maxAsk) + `"}`))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/jobs/a/run", long)
	res, err := way.RoundTrip(r)
	if err == nil {
		defer res.Body.Close()
	}
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%+v, %v", res, err)
	}
}
