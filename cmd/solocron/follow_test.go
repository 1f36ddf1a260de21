package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

// listenAt serves h on a socket until the returned function is called.
func listenAt(t *testing.T, socket string, h http.Handler) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	return sync.OnceFunc(func() {
		_ = server.Close()
		serving.Wait()
	})
}

// away is a scheduler that leaves as soon as somebody waits for a run.
func away(waiting chan<- struct{}) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/wait") {
			select {
			case waiting <- struct{}{}:
			default:
			}
			panic(http.ErrAbortHandler)
		}
	})
}

func TestFollowOutlivesARestartOfTheScheduler(t *testing.T) {
	defer goleak.VerifyNone(t)
	socket := filepath.Join(t.TempDir(), "s")
	waiting := make(chan struct{}, 1)
	stop := listenAt(t, socket, away(waiting))
	defer stop()

	var out strings.Builder
	said := make(chan string, 10)
	f := follower{client: web.NewClient(socket), out: &out, talk: func(s string, args ...any) { said <- fmt.Sprintf(s, args...) }}
	type result struct {
		run web.Run
		err error
	}
	done := make(chan result, 1)
	go func() {
		r, err := f.follow(t.Context(), web.Run{ID: "a@20261122T000000Z", State: run.Running, Version: 1, Attempts: []web.Attempt{{N: 1, State: run.AttemptRunning}}})
		done <- result{r, err}
	}()

	<-waiting
	stop()
	if s := <-said; !strings.Contains(s, "waiting for the scheduler") {
		t.Errorf("said %q", s)
	}
	stopAgain := listenAt(t, socket, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/output") {
			text := "all of it\n"
			fmt.Fprint(w, text[min(len(text), atoi(r.URL.Query().Get("offset"))):])
			return
		}
		_ = json.NewEncoder(w).Encode(web.Run{ID: "a@20261122T000000Z", State: run.Succeeded, Version: 2, Attempts: []web.Attempt{{N: 1, State: run.AttemptSucceeded}}})
	}))
	defer stopAgain()

	got := <-done
	if got.err != nil || got.run.State != run.Succeeded {
		t.Fatalf("follow = %s, %v", got.run.State, got.err)
	}
	if out.String() != "all of it\n" {
		t.Errorf("output %q", out.String())
	}
	if len(said) > 0 {
		t.Errorf("also said %q", <-said)
	}
}

func atoi(s string) (n int) {
	_, _ = fmt.Sscan(s, &n)
	return n
}

func TestFollowStops(t *testing.T) {
	running := web.Run{ID: "a@20261122T000000Z", State: run.Running, Version: 1, Attempts: []web.Attempt{{N: 1, State: run.AttemptRunning}}}
	full := errors.New("disk full")

	t.Run("when it is interrupted", func(t *testing.T) {
		defer goleak.VerifyNone(t)
		waiting := make(chan struct{}, 1)
		socket := filepath.Join(t.TempDir(), "s")
		defer listenAt(t, socket, away(waiting))()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-waiting; cancel() }()
		f := follower{client: web.NewClient(socket), out: &strings.Builder{}, talk: func(string, ...any) {}}
		if _, err := f.follow(ctx, running); !errors.Is(err, context.Canceled) {
			t.Errorf("follow: %v, want canceled", err)
		}
	})
	t.Run("when the scheduler no longer knows the run", func(t *testing.T) {
		defer goleak.VerifyNone(t)
		socket := filepath.Join(t.TempDir(), "s")
		defer listenAt(t, socket, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(web.Problem{Message: "not found", Status: http.StatusNotFound})
		}))()
		f := follower{client: web.NewClient(socket), out: &strings.Builder{}, talk: func(string, ...any) {}}
		var p *web.Problem
		if _, err := f.follow(t.Context(), running); !errors.As(err, &p) || p.Status != http.StatusNotFound {
			t.Errorf("follow: %v, want not found", err)
		}
	})
	t.Run("when nobody takes the output", func(t *testing.T) {
		defer goleak.VerifyNone(t)
		socket := filepath.Join(t.TempDir(), "s")
		defer listenAt(t, socket, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/output") {
				fmt.Fprint(w, "text")
				return
			}
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		}))()
		f := follower{client: web.NewClient(socket), out: broken{full}, talk: func(string, ...any) {}}
		if _, err := f.follow(t.Context(), running); !errors.Is(err, full) {
			t.Errorf("follow: %v, want %v", err, full)
		}
	})
}

// broken can't be written to.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }
