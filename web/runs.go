package web

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

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
