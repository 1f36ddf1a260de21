package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/executor/ssmexec"
	"github.com/solocron/solocron/ledger"
)

// handler handles one event at a time.
type handler struct {
	steps    *dispatch.Dispatcher
	commands *ssmexec.Executor
	api      http.Handler
	document string
	log      *slog.Logger
}

// leave is how long before its end an invocation stops by itself, so that it
// can still say what it was at.
const leave = 2 * time.Second

// Invoke handles an event. An error makes Lambda repeat an asynchronous one,
// which is safe.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, deadline.Add(-leave), errors.New("the function's time is over"))
		defer cancel()
	}
	e, err := read(payload)
	if err != nil {
		h.log.Error("an event was not understood", "error", err)
		return nil, err
	}
	if e.ask != nil {
		return h.answer(ctx, e.ask)
	}
	err = errors.Join(h.handle(ctx, e), h.steps.Settle(ctx))
	if err != nil {
		h.log.Error("an event is not dealt with yet", "error", err)
	}
	return nil, err
}

func (h *handler) handle(ctx context.Context, e event) error {
	switch {
	case e.due != nil:
		return h.steps.Due(ctx, e.due.Job, e.due.Spec, e.due.Due)
	case e.hint != nil:
		return h.hear(ctx, e.hint)
	}
	begun := time.Now()
	err := h.steps.Sweep(ctx)
	if ctx.Err() == nil { // to its end, whatever went wrong with some jobs
		h.log.Info("swept", "took", time.Since(begun).Round(time.Millisecond), "failed", err != nil)
	}
	return err
}

// hear looks at the run whose command something happened to.
func (h *handler) hear(ctx context.Context, said *hint) error {
	if !said.tells(h.document) {
		return nil
	}
	run, _, err := h.commands.Find(ctx, said.Command, said.Instance)
	if errors.Is(err, ssmexec.ErrNotOurs) {
		return nil
	}
	if err != nil {
		return err
	}
	err = h.steps.News(ctx, run)
	if errors.Is(err, ledger.ErrNotFound) {
		h.log.Warn("a command's run is not in the ledger", "run", run, "command", said.Command, "instance", said.Instance)
		return nil
	}
	return err
}

// answer serves a request of the command line as the scheduler's socket would.
// Who may invoke the function may ask.
func (h *handler) answer(ctx context.Context, ask *events.LambdaFunctionURLRequest) ([]byte, error) {
	body := []byte(ask.Body)
	if ask.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(ask.Body); err != nil {
			return nil, err
		}
	}
	address := "http://solocron" + ask.RawPath + "?" + ask.RawQueryString
	r, err := http.NewRequestWithContext(ctx, ask.RequestContext.HTTP.Method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range ask.Headers {
		r.Header.Set(name, value)
	}
	w := &response{header: http.Header{}, status: http.StatusOK}
	h.api.ServeHTTP(w, r)
	if err := h.steps.Settle(ctx); err != nil {
		h.log.Error("settle", "error", err)
	}
	return w.marshal()
}

// response collects what the API answers.
type response struct {
	header http.Header
	status int
	bytes.Buffer
}

func (w *response) Header() http.Header    { return w.header }
func (w *response) WriteHeader(status int) { w.status = status }

func (w *response) marshal() ([]byte, error) {
	out := events.LambdaFunctionURLResponse{StatusCode: w.status, Headers: map[string]string{}, Body: w.String()}
	for name := range w.header {
		out.Headers[name] = w.header.Get(name)
	}
	if !utf8.Valid(w.Bytes()) {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(w.Bytes()), true
	}
	return json.Marshal(out)
}
