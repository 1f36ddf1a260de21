package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/executor"
	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// read is a ledger of which only what reads is there: anything else panics, also
// what a ledger will have one day.
type read struct {
	ledger.Ledger
	of ledger.Ledger
}

func (r read) Run(ctx context.Context, id string) (run.Run, error) { return r.of.Run(ctx, id) }
func (r read) Runs(ctx context.Context, q ledger.Query) ([]run.Run, error) {
	return r.of.Runs(ctx, q)
}
func (r read) Details(ctx context.Context, id string) ([]ledger.Detail, error) {
	return r.of.Details(ctx, id)
}
func (r read) Notices(ctx context.Context, id string) ([]ledger.Notice, error) {
	return r.of.Notices(ctx, id)
}
func (r read) Busy(ctx context.Context) (map[string]int, error)          { return r.of.Busy(ctx) }
func (r read) Jobs(ctx context.Context) ([]ledger.Job, error)            { return r.of.Jobs(ctx) }
func (r read) Job(ctx context.Context, name string) (ledger.Job, error)  { return r.of.Job(ctx, name) }
func (r read) Spec(ctx context.Context, hash string) ([]byte, error)     { return r.of.Spec(ctx, hash) }
func (r read) Owners(ctx context.Context, t time.Time) ([]string, error) { return r.of.Owners(ctx, t) }

// seen are a fleet and an executor of which only what reads is there.
type seen struct {
	fleet.View
	executor.Executor
	host  fleet.Host
	asked []string // the run directories that output was read from
}

func (s *seen) Hosts(context.Context) ([]fleet.Host, error) { return []fleet.Host{s.host}, nil }
func (s *seen) Find(ctx context.Context, _ fleet.Selector) ([]fleet.Host, error) {
	return s.Hosts(ctx)
}
func (s *seen) Health(fleet.Host) fleet.Health { return fleet.Health{} }
func (s *seen) Output(_ context.Context, _ fleet.Host, a guard.Attempt, _ int64, _ int) ([]byte, error) {
	s.asked = append(s.asked, a.Dir())
	return []byte("output"), nil
}

const ranID = "a@20261122T023000Z"

// newReader is a server with the job a and a run of it, that can only read.
func newReader(t testing.TB) (*Server, *seen) {
	t.Helper()
	writer, way := newServer(true)
	if err := NewClientVia(way, "here").Deploy(t.Context(), put(aJob("a", "true"))); err != nil {
		t.Fatal(err)
	}
	all := writer.Dispatcher.Ledger
	r := run.Run{ID: ranID, Job: "a", State: run.Succeeded, Trigger: run.Scheduled, Due: time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC), Attempts: []run.Attempt{{N: 1, Host: "h", State: run.AttemptSucceeded, Ref: `{"id":"h"}`}}}
	if out, err := all.Write(t.Context(), ledger.Change{Run: r}); err != nil || out[0].Err != nil {
		t.Fatal(out, err)
	}
	on := &seen{host: fleet.Host{ID: "h"}}
	log := slog.New(slog.DiscardHandler)
	return &Server{Log: log, Dispatcher: dispatch.New(dispatch.Options{
		Ledger: read{of: all}, Fleet: on, Executor: on, Log: log, Stepwise: true,
	})}, on
}

// Whatever a page or a link makes somebody's program fetch, it changes nothing:
// every route that does wants a POST.
func TestFault91GetChangesNothing(t *testing.T) {
	t.Parallel()
	s, _ := newReader(t)
	h := s.Handler()
	routes := s.routes()
	gets := 0
	for pattern := range routes {
		_, path, _ := strings.Cut(pattern, " ")
		asked := strings.NewReplacer("{id}", ranID, "{job}", "a", "{host}", "h").Replace(path) + "?job=a&version=-1&by=eve"
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, asked, strings.NewReader(`{"by":"eve"}`)))
			want := http.StatusMethodNotAllowed
			if routes["GET "+path] != nil && (method == http.MethodGet || method == http.MethodHead) {
				want = http.StatusOK
				gets++
			}
			if w.Code != want {
				t.Errorf("%s %s: %d, want %d: %s", method, path, w.Code, want, w.Body)
			}
		}
	}
	if gets < 16 {
		t.Errorf("only %d answers", gets)
	}
}

// What is asked for is looked up in the ledger, so no name in a request becomes
// a path on a host.
func TestFault98NamesInRequests(t *testing.T) {
	t.Parallel()
	s, on := newReader(t)
	c := NewClientVia(&direct{Handler: s.Handler()}, "here")
	if out, err := c.Output(t.Context(), ranID, 1, 0); err != nil || string(out) != "output" {
		t.Errorf("%s, %v", out, err)
	}
	for _, id := range []string{
		"../../../etc/passwd", "..", ".", "/etc/passwd", ranID + "/../../x", ranID + ".1", "a@20261122T023000Z-..%2f", "%2e%2e%2f", "\x00", "a\n",
	} {
		for way, ask := range map[string]func() error{
			"run":    func() error { _, err := c.Run(t.Context(), id); return err },
			"output": func() error { _, err := c.Output(t.Context(), id, 1, 0); return err },
			"job":    func() error { _, err := c.Hosts(t.Context(), id); return err },
		} {
			err := ask()
			if p, ok := errors.AsType[*Problem](err); err == nil || ok && p.Status >= http.StatusInternalServerError {
				t.Errorf("%s %q: %v", way, id, err)
			}
		}
	}
	for _, dir := range on.asked {
		if dir != ranID+".1" {
			t.Errorf("output was read from %q", dir)
		}
	}
}
