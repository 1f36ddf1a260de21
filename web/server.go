package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
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
// everything: the socket's permissions are the authentication.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /v1/status":             s.status,
		"GET /v1/jobs":               s.jobs,
		"GET /v1/hosts":              s.hosts,
		"GET /v1/runs":               s.runs,
		"GET /v1/runs/{id}":          s.run,
		"GET /v1/runs/{id}/wait":     s.wait,
		"GET /v1/runs/{id}/output":   s.output,
		"POST /v1/jobs/{job}/run":    s.runNow,
		"POST /v1/jobs/{job}/pause":  s.pause(true),
		"POST /v1/jobs/{job}/resume": s.pause(false),
		"POST /v1/runs/{id}/cancel":  s.cancel,
		"POST /v1/runs/{id}/resolve": s.resolve,
	} {
		mux.HandleFunc(pattern, s.serve(h))
	}
	return http.MaxBytesHandler(mux, 64<<10)
}

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
			if status = p.Status; status == http.StatusInternalServerError {
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
		p.Status, p.Hint = http.StatusNotFound, "solocron check lists the jobs of the file"
	case errors.Is(err, ledger.ErrNotFound):
		p.Status, p.Hint = http.StatusNotFound, "solocron runs lists the runs"
	case errors.As(err, &move):
		p.Status, p.Hint = http.StatusConflict, "solocron show "+move.ID
	}
	return p
}

func (s *Server) status(r *http.Request) (any, error) {
	v := Status{Version: s.Version, Owner: s.Dispatcher.Owner(), Ledger: s.Ledger, Started: s.Started.UTC()}
	if f := s.Dispatcher.File(); f != nil {
		v.File, v.Jobs = f.Path, len(f.Jobs)
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
	list := []Job{}
	for _, j := range s.Dispatcher.File().Jobs {
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

func (s *Server) runs(r *http.Request) (any, error) {
	form := r.URL.Query()
	q := ledger.Query{Job: form.Get("job")}
	for _, state := range form["state"] {
		q.States = append(q.States, run.State(state))
	}
	var err error
	if text := form.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 0 {
			return nil, badRequest("limit: want a number, got " + strconv.Quote(text))
		}
	}
	for name, t := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := form.Get(name); text != "" {
			if *t, err = time.Parse(time.RFC3339, text); err != nil {
				return nil, badRequest(name + ": want a time like 2026-11-22T02:30:00Z, got " + strconv.Quote(text))
			}
		}
	}
	runs, err := s.Dispatcher.Ledger.Runs(r.Context(), q)
	if err != nil {
		return nil, err
	}
	list := make([]Run, 0, len(runs))
	for _, r := range runs {
		list = append(list, ViewRun(r))
	}
	return list, nil
}

func (s *Server) run(r *http.Request) (any, error) {
	id := r.PathValue("id")
	found, err := s.Dispatcher.Ledger.Run(r.Context(), id)
	if err != nil {
		return nil, err
	}
	v := RunView{Run: ViewRun(found), Details: []Detail{}, Notices: []Notice{}}
	details, err := s.Dispatcher.Ledger.Details(r.Context(), id)
	if err != nil {
		return nil, err
	}
	for _, d := range details {
		v.Details = append(v.Details, Detail(d))
	}
	notices, err := s.Dispatcher.Ledger.Notices(r.Context(), id)
	if err != nil {
		return nil, err
	}
	for _, n := range notices {
		v.Notices = append(v.Notices, viewNotice(n))
	}
	return v, nil
}

// wait answers once the run's version differs from the given one, or after
// half a minute with the run as it is. A change that another dispatcher made is
// seen by looking again every second.
func (s *Server) wait(r *http.Request) (any, error) {
	id := r.PathValue("id")
	seen, _ := strconv.ParseInt(r.URL.Query().Get("version"), 10, 64)
	changed, leave := s.news.join(id)
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		found, err := s.Dispatcher.Ledger.Run(r.Context(), id)
		if err != nil {
			return nil, err
		}
		if found.Version != seen || ctx.Err() != nil {
			return ViewRun(found), nil
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// outputChunk is how much output one answer carries.
const outputChunk = 256 << 10

// output reads from the host while it can be reached, because the host has the
// whole of it; else from the ledger's beginning and end.
func (s *Server) output(r *http.Request) (any, error) {
	form := r.URL.Query()
	offset, err := strconv.ParseInt(cmp.Or(form.Get("offset"), "0"), 10, 64)
	if err != nil || offset < 0 {
		return nil, badRequest("offset: want a number of bytes")
	}
	found, err := s.Dispatcher.Ledger.Run(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(cmp.Or(form.Get("attempt"), strconv.Itoa(len(found.Attempts))))
	if err != nil || n < 0 || n > len(found.Attempts) {
		return nil, badRequest("attempt: the run has " + strconv.Itoa(len(found.Attempts)))
	}
	if n == 0 {
		return []byte{}, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	chunk, hostErr := s.Dispatcher.Output(ctx, found, n, offset, outputChunk)
	if hostErr == nil && (len(chunk) > 0 || offset > 0) {
		return chunk, nil
	}
	kept, err := s.kept(r.Context(), found.ID, n)
	if err != nil {
		return nil, err
	}
	if kept == nil {
		return chunk, hostErr
	}
	return kept[min(int(offset), len(kept)):], nil
}

// kept is what the ledger has of an attempt's output; nil before its end.
func (s *Server) kept(ctx context.Context, id string, n int) ([]byte, error) {
	details, err := s.Dispatcher.Ledger.Details(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, d := range details {
		if d.Attempt == n && d.Output != nil {
			return d.Output.Text(), nil
		}
	}
	return nil, nil
}

func (s *Server) runNow(r *http.Request) (any, error) {
	ask, err := decode(r)
	if err != nil {
		return nil, err
	}
	made, err := s.Dispatcher.RunNow(r.Context(), r.PathValue("job"), ask.By)
	return ViewRun(made), err
}

func (s *Server) pause(on bool) handler {
	return func(r *http.Request) (any, error) {
		ask, err := decode(r)
		if err != nil {
			return nil, err
		}
		name := r.PathValue("job")
		if _, err := s.Dispatcher.Job(name); err != nil {
			return nil, err
		}
		p := ledger.Pause{On: on}
		if on {
			p = ledger.Pause{On: true, By: ask.By, At: time.Now().UTC(), Note: ask.Note}
		}
		return p, s.Dispatcher.Pause(r.Context(), name, p)
	}
}

func (s *Server) cancel(r *http.Request) (any, error) {
	ask, err := decode(r)
	if err != nil {
		return nil, err
	}
	after, err := s.Dispatcher.Cancel(r.Context(), r.PathValue("id"), ask.By, ask.Kill)
	return ViewRun(after), err
}

func (s *Server) resolve(r *http.Request) (any, error) {
	ask, err := decode(r)
	if err != nil {
		return nil, err
	}
	why := "resolved by " + ask.By
	if ask.Note != "" {
		why += ": " + ask.Note
	}
	var after run.Run
	if ask.Rerun {
		after, err = s.Dispatcher.Rerun(r.Context(), r.PathValue("id"), why)
	} else {
		after, err = s.Dispatcher.Resolve(r.Context(), r.PathValue("id"), ask.As, why)
	}
	return ViewRun(after), err
}

func decode(r *http.Request) (Ask, error) {
	var ask Ask
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&ask); err != nil && !errors.Is(err, io.EOF) {
		return ask, badRequest("request body: " + err.Error())
	}
	if ask.By == "" {
		ask.By = "somebody"
	}
	return ask, nil
}

func badRequest(message string) error {
	return &Problem{Message: message, Status: http.StatusBadRequest}
}
