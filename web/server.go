package web

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// Server answers the API of one dispatcher.
type Server struct {
	Dispatcher *dispatch.Dispatcher
	Version    string
	Ledger     string // as people know it, without a password
	Started    time.Time
	Log        *slog.Logger

	news news
}

// Observe wakes those who wait for a run to change. It is made for
// dispatch.Options.Observe.
func (s *Server) Observe(r run.Run) { s.news.tell(r) }

// Handler routes the API. It expects to be reached only by those who may do
// everything: the socket's permissions, or what else stands in front of it, are
// the authentication.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range s.routes() {
		limit := int64(maxAsk)
		if pattern == deployment {
			limit = maxDeployment
		}
		mux.Handle(pattern, http.MaxBytesHandler(s.serve(h), limit))
	}
	return mux
}

// routes are all that can be asked for. A GET changes nothing.
func (s *Server) routes() map[string]handler {
	return map[string]handler{
		"GET /v1/status":                 s.status,
		"GET /v1/jobs":                   s.jobs,
		"GET /v1/hosts":                  s.hosts,
		"GET /v1/runs":                   s.runs,
		"GET /v1/runs/{id}":              s.run,
		"GET /v1/runs/{id}/wait":         s.wait,
		"GET /v1/runs/{id}/output":       s.output,
		"POST /v1/jobs/{job}/run":        s.runNow,
		"POST /v1/jobs/{job}/pause":      s.pause(true),
		"POST /v1/jobs/{job}/resume":     s.pause(false),
		"POST /v1/runs/{id}/cancel":      s.cancel,
		"POST /v1/runs/{id}/resolve":     s.resolve,
		"POST /v1/hosts/{host}/rehearse": s.rehearse,
		"GET /v1/deployment":             s.deployed,
		deployment:                       s.deploy,
	}
}

const deployment = "POST /v1/deployment"

// maxAsk bounds the body of what people ask for.
const maxAsk = 64 << 10

// handler answers with a value to be shown as JSON, or with an error.
type handler func(*http.Request) (any, error)

func (s *Server) serve(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := h(r)
		if raw, ok := v.([]byte); ok && err == nil {
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(raw) // the client went away: nobody to tell
			return
		}
		status := http.StatusOK
		if err != nil {
			p := problem(err)
			if status = p.Status; status == http.StatusInternalServerError && r.Context().Err() == nil {
				s.Log.Error("api", "request", r.Method+" "+r.URL.Path, "error", err)
			}
			v = p
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
}

// problem turns an error into what the client is told.
func problem(err error) *Problem {
	p := &Problem{Message: err.Error(), Status: http.StatusInternalServerError}
	var asked *Problem
	var move *run.MoveError
	switch {
	case errors.As(err, &asked):
		return asked
	case errors.Is(err, dispatch.ErrUnknownJob):
		p.Status, p.Hint = http.StatusNotFound, "solocron status lists the jobs"
	case errors.Is(err, dispatch.ErrMoved):
		p.Status, p.Hint = http.StatusConflict, "run solocron plan again"
	case errors.Is(err, dispatch.ErrBadJob):
		p.Status, p.Hint = http.StatusBadRequest, "solocron apply brings the scheduler to the version of this command line"
	case errors.Is(err, dispatch.ErrHalted):
		p.Status, p.Hint = http.StatusServiceUnavailable, hintWentBack
	case errors.Is(err, ledger.ErrNotFound):
		p.Status, p.Hint = http.StatusNotFound, "solocron runs lists the runs"
	case errors.As(err, &move):
		p.Status, p.Hint = http.StatusConflict, "solocron show "+move.ID
	}
	return p
}

const hintWentBack = "stop the schedulers and run solocron ledger resume, which shows what is missing"

func (s *Server) status(r *http.Request) (any, error) {
	v := Status{Version: s.Version, Owner: s.Dispatcher.Owner(), Ledger: s.Ledger, Started: s.Started.UTC()}
	if f := s.Dispatcher.File(); f != nil {
		v.File, v.Jobs = f.Path, len(f.Jobs)
	}
	if err := s.Dispatcher.Halted(); err != nil {
		v.Halted = err.Error()
	}
	busy, err := s.Dispatcher.Ledger.Busy(r.Context())
	for _, n := range busy {
		v.Running += n
	}
	return v, err
}

func (s *Server) jobs(r *http.Request) (any, error) {
	known, err := s.Dispatcher.Ledger.Jobs(r.Context())
	if err != nil {
		return nil, err
	}
	byName := make(map[string]ledger.Job, len(known))
	for _, k := range known {
		byName[k.Name] = k
	}
	jobs, err := s.Dispatcher.Jobs(r.Context())
	if err != nil {
		return nil, err
	}
	list := []Job{}
	for _, j := range jobs {
		k := byName[j.Name]
		v := Job{Name: j.Name, Schedule: j.When.Expr, Timezone: j.When.Zone, Pause: k.Pause, Holder: k.Holder}
		when, err := schedule.Parse(j.When)
		if err != nil {
			return nil, err
		}
		if next, ok := when.Next(time.Now()); ok {
			v.Next = at(next)
		}
		list = append(list, v)
	}
	return list, nil
}

func (s *Server) hosts(r *http.Request) (any, error) {
	hosts, err := s.Dispatcher.Fleet.Hosts(r.Context())
	if err != nil {
		return nil, err
	}
	refused := map[string]string{}
	if job := r.URL.Query().Get("job"); job != "" {
		candidates, err := s.Dispatcher.Candidates(r.Context(), job)
		if err != nil {
			return nil, err
		}
		for _, c := range candidates {
			refused[c.Host] = c.Refused
		}
	}
	list := []Host{}
	for _, h := range hosts {
		list = append(list, Host{
			ID: h.ID, Address: h.Address, Tags: h.Tags, Health: s.Dispatcher.Fleet.Health(h), Verdict: refused[h.ID],
		})
	}
	return list, nil
}

func badRequest(message string) error {
	return &Problem{Message: message, Status: http.StatusBadRequest}
}
