package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

func (s *Server) runNow(r *http.Request) (any, error) {
	ask, err := decodeAsk(r)
	if err != nil {
		return nil, err
	}
	made, err := s.Dispatcher.RunNow(r.Context(), r.PathValue("job"), ask.By)
	return ViewRun(made), err
}

func (s *Server) pause(on bool) handler {
	return func(r *http.Request) (any, error) {
		ask, err := decodeAsk(r)
		if err != nil {
			return nil, err
		}
		name := r.PathValue("job")
		if _, err := s.Dispatcher.Job(r.Context(), name); err != nil {
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
	ask, err := decodeAsk(r)
	if err != nil {
		return nil, err
	}
	after, err := s.Dispatcher.Cancel(r.Context(), r.PathValue("id"), ask.By, ask.Kill)
	return ViewRun(after), err
}

func (s *Server) resolve(r *http.Request) (any, error) {
	ask, err := decodeAsk(r)
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

func decodeAsk(r *http.Request) (Ask, error) {
	var ask Ask
	err := decode(r, &ask)
	ask.By = cmp.Or(ask.By, "somebody")
	return ask, err
}

// decode reads the body strictly. No body leaves v as it is.
func decode(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	var large *http.MaxBytesError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &large):
		return &Problem{Message: fmt.Sprintf("request body: more than %d bytes", large.Limit), Status: http.StatusRequestEntityTooLarge}
	}
	return badRequest("request body: " + err.Error())
}
