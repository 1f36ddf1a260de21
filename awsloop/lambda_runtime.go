package awsloop

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of payloads, in bytes.
const (
	syncLimit  = 6 << 20
	asyncLimit = 1 << 20
)

// outcome is how an invocation ended.
type outcome struct {
	payload       []byte
	functionError string // "Unhandled", or empty
}

// failed is an outcome in the form that Lambda gives to errors of its own.
func failed(kind, id, message string) outcome {
	body, _ := json.Marshal(map[string]string{ //nolint:errchkjson // strings
		"errorType":    kind,
		"errorMessage": "RequestId: " + id + " Error: " + message,
	})
	return outcome{body, "Unhandled"}
}

func timedOut(id string, limit time.Duration) outcome {
	return failed("Sandbox.Timedout", id, fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds()))
}

// invocation is one event on its way through a function.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	finished atomic.Bool
	done     chan outcome // gets one
}

func newInvocation(id string, payload []byte) *invocation {
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	return &invocation{id: id, payload: payload, done: make(chan outcome, 1)}
}

// finish sets the outcome; only the first counts.
func (i *invocation) finish(o outcome) bool {
	first := i.finished.CompareAndSwap(false, true)
	if first {
		i.done <- o
	}
	return first
}

// routes is the Runtime API of one process.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
func (b *sandbox) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", b.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", b.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", b.failure)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", b.initError)
	return mux
}

// next holds the process until there is work for it.
func (b *sandbox) next(w http.ResponseWriter, r *http.Request) {
	select {
	case b.asks <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	select {
	case i := <-b.work:
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", b.function.arn)
		h.Set("Lambda-Runtime-Trace-Id", fmt.Sprintf("Root=1-%08x-%.24s;Sampled=0", time.Now().Unix(), strings.ReplaceAll(i.id, "-", "")))
		w.Write(i.payload) //nolint:errcheck // the process is gone, which reap notices
	case <-r.Context().Done():
	}
}

// response takes what the function returned. An error can still follow the
// body, as its trailer.
func (b *sandbox) response(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, syncLimit))
	switch {
	case err != nil:
		message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", syncLimit)
		b.answer(w, r, failed("Function.ResponseSizeTooLarge", r.PathValue("id"), message), http.StatusRequestEntityTooLarge)
	case r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "":
		kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type")
		b.answer(w, r, failed(kind, r.PathValue("id"), "the response broke off"), http.StatusAccepted)
	default:
		b.answer(w, r, outcome{payload: body}, http.StatusAccepted)
	}
}

// failure takes the error that the function returned, or its panic.
func (b *sandbox) failure(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, syncLimit))
	if err != nil {
		body = nil
	}
	b.answer(w, r, outcome{body, "Unhandled"}, http.StatusAccepted)
}

// answer ends the invocation that the request names.
func (b *sandbox) answer(w http.ResponseWriter, r *http.Request, o outcome, status int) {
	b.mu.Lock()
	i := b.current
	b.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if i == nil || i.id != r.PathValue("id") || !i.finish(o) {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`) //nolint:errcheck // the process is gone
		return
	}
	w.WriteHeader(status)
	io.WriteString(w, `{"status":"OK"}`) //nolint:errcheck // the process is gone
}

// initError takes why the process can't start; it exits then.
func (b *sandbox) initError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, syncLimit))
	if err == nil {
		b.mu.Lock()
		b.report = &outcome{body, "Unhandled"}
		b.mu.Unlock()
	}
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`) //nolint:errcheck // the process is gone
}
