package ssmexec

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/bubbletest"
	"github.com/solocron/solocron/guard"
)

func TestWait(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := newScript()
		x := s.open()
		if err := x.Start(t.Context(), host, order(), granted(new(int))); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, func() { s.change(func() { s.claim(byTheGuard) }) })
		time.AfterFunc(time.Hour, func() {
			s.change(func() { s.commands[0].details, s.commands[0].stderr = "Success", trailer("exited") })
		})
		began := time.Now()
		res, err := x.Wait(t.Context(), host, attempt)
		if took := time.Since(began); err != nil || res.End != guard.Exited || took > time.Hour+15*time.Second {
			t.Errorf("%+v, %v after %s", res, err, took)
		}
		if x.remembered(host, attempt) != "" {
			t.Error("the attempt is remembered after its end")
		}
	})
}

func TestWaitTakesBack(t *testing.T) {
	for name, tt := range map[string]struct {
		set    func(*script)
		reason string
		least  time.Duration
	}{
		"what nobody claims":        {func(*script) {}, "no claim within 2m0s", 2 * time.Minute},
		"what can't be delivered":   {func(s *script) { s.commands[0].details = "DeliveryTimedOut" }, "DeliveryTimedOut", 0},
		"what lost its instance":    {func(s *script) { s.states[host.ID] = "terminated" }, "the instance is terminated", 0},
		"what was never seen again": {func(s *script) { s.commands = nil }, "no claim within 2m0s", 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				s := newScript()
				x := s.open()
				if err := x.Start(t.Context(), host, order(), granted(new(int))); err != nil {
					t.Fatal(err)
				}
				tt.set(s)
				began := time.Now()
				res, err := x.Wait(t.Context(), host, attempt)
				if took := time.Since(began); err != nil || res.End != guard.Refused || took < tt.least || took > tt.least+20*time.Second {
					t.Errorf("%+v, %v after %s", res, err, took)
				}
				contains(t, res.Reason, "taken back before the host claimed it", tt.reason)
				if s.items["CLAIM#"+attempt.Dir()]["by"]["S"] != "scheduler" || s.count("CancelCommand") != 1 {
					t.Errorf("%v, calls %v", s.items, s.calls)
				}
				if status, err := x.Status(t.Context(), host, attempt); err != nil || status.Result.Reason != res.Reason {
					t.Errorf("later: %+v, %v", status, err)
				}
			})
		})
	}
}

// The guard claims at the very moment at which the attempt would be taken back.
func TestWaitLosesTheRace(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := newScript()
		s.commands = []*sentCommand{{id: "c1", comment: attempt.Dir(), details: "InProgress"}}
		s.fail["UpdateItem"] = func() (*http.Response, error) {
			s.claim(byTheGuard)
			s.commands[0].details, s.commands[0].stderr = "Success", trailer("exited")
			return nil, nil
		}
		res, err := s.open().Wait(t.Context(), host, attempt)
		if err != nil || res.End != guard.Exited || s.count("CancelCommand") > 0 {
			t.Errorf("%+v, %v, calls %v", res, err, s.calls)
		}
	})
}

// The answer to a take-back is lost after it was applied.
func TestTakeBackKnowsItself(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := newScript()
		first := true
		s.fail["UpdateItem"] = func() (*http.Response, error) {
			if !first {
				return nil, nil
			}
			first = false
			s.claim("scheduler")
			return nil, errors.New("connection reset by peer")
		}
		got, err := s.open().TakeBack(t.Context(), host, attempt, "enough")
		if err != nil || got.Result.End != guard.Refused || s.count("UpdateItem") != 2 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestWaitNeverTakesBackWhatIsUnclaimed(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := newScript()
		a := attempt
		a.Unclaimed = true
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("long enough"))
		defer cancel()
		res, err := s.open().Wait(ctx, host, a)
		if err == nil || !strings.Contains(err.Error(), "long enough") || s.count("UpdateItem") > 0 {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

func TestWaitOutlivesTrouble(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := newScript()
		s.claim(byTheGuard)
		s.commands = []*sentCommand{{id: "c1", comment: attempt.Dir(), details: "Success", stderr: trailer("exited")}}
		s.fail["GetCommandInvocation"] = func() (*http.Response, error) { return failure(400, "ThrottlingException"), nil }
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		_, err := s.open().Wait(ctx, host, attempt)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "ThrottlingException") {
			t.Errorf("%v", err)
		}
		s.fail = map[string]func() (*http.Response, error){}
		if res, err := s.open().Wait(t.Context(), host, attempt); err != nil || res.End != guard.Exited {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

func TestStop(t *testing.T) {
	const running = "phase running\n"
	for name, tt := range map[string]struct {
		unclaimed bool
		by        string
		details   string
		answer    string
		errand    bool
		cancelled bool
		words     string // of an error
	}{
		"before the claim":        {details: "Pending", cancelled: true},
		"again":                   {by: "scheduler", details: "Pending", cancelled: true},
		"of what runs":            {by: byTheGuard, details: "InProgress", answer: running, errand: true},
		"of what the host denies": {by: byTheGuard, details: "InProgress", answer: "error no disk\n", errand: true, words: "no disk"},
		"without an answer":       {by: byTheGuard, details: "InProgress", errand: true, words: "without an answer"},
		"of what ended":           {by: byTheGuard, details: "Success"},
		"of an unclaimed one":     {unclaimed: true, details: "InProgress", answer: running, errand: true},
		"on its way, unclaimed":   {unclaimed: true, details: "Pending", answer: "phase absent\n", errand: true, cancelled: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				s := newScript()
				s.commands = []*sentCommand{{id: "c1", comment: attempt.Dir(), details: tt.details, stderr: trailer("exited")}}
				s.claim(tt.by)
				s.items["CLAIM#"+attempt.Dir()]["command"] = map[string]string{"S": "c1"}
				s.answers[guard.VerbStop] = tt.answer
				a := attempt
				a.Unclaimed = tt.unclaimed
				err := s.open().Stop(t.Context(), host, a, true)
				if tt.words == "" && err != nil || tt.words != "" && (err == nil || !strings.Contains(err.Error(), tt.words)) {
					t.Errorf("%v, want %q", err, tt.words)
				}
				if (s.count("SendCommand") > 0) != tt.errand || (s.count("CancelCommand") > 0) != tt.cancelled {
					t.Errorf("calls %v", s.calls)
				}
				if order := base64.StdEncoding.EncodeToString([]byte("'' '" + a.Dir() + "' 'kill'")); tt.errand {
					contains(t, s.bodies["SendCommand"], order, `"TimeoutSeconds":30`, `"stop `+a.Dir())
				}
			})
		})
	}
}

func TestOutput(t *testing.T) {
	page := func(n int) string {
		var b strings.Builder
		for line := range slices.Chunk([]byte(strings.Repeat("x", n)), 57) {
			fmt.Fprintln(&b, base64.StdEncoding.EncodeToString(line))
		}
		return "page\n" + b.String() + ".\n"
	}
	t.Run("from the result", func(t *testing.T) {
		s := newScript()
		s.claim(byTheGuard)
		s.commands = []*sentCommand{{id: "c1", comment: attempt.Dir(), details: "Success", stderr: trailer("exited")}}
		x := s.open()
		for _, tt := range []struct {
			offset int64
			limit  int
			want   string
		}{{0, 100, "out\n"}, {1, 2, "ut"}, {4, 10, ""}, {1 << 40, 10, ""}, {-1, 10, ""}, {0, 0, ""}} {
			if got, err := x.Output(t.Context(), host, attempt, tt.offset, tt.limit); err != nil || string(got) != tt.want {
				t.Errorf("%d from %d: %q, %v", tt.limit, tt.offset, got, err)
			}
		}
		if s.count("SendCommand") > 0 {
			t.Error("the host was asked")
		}
	})
	t.Run("from the host", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			s := newScript()
			s.claim(byTheGuard)
			s.answers[guard.VerbRead] = page(7)
			x := s.open()
			if got, err := x.Output(t.Context(), host, attempt, 0, 100); err != nil || len(got) != 7 {
				t.Errorf("%q, %v", got, err)
			}
			s.answers[guard.VerbRead] = page(guard.PageBytes)
			if got, err := x.Output(t.Context(), host, attempt, 0, 2*guard.PageBytes); err != nil || len(got) != 2*guard.PageBytes {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			s.answers[guard.VerbRead] = "error no disk\n"
			if got, err := x.Output(t.Context(), host, attempt, 0, 100); err == nil {
				t.Errorf("%q", got)
			}
		})
	})
	t.Run("of what has none", func(t *testing.T) {
		s := newScript()
		for _, by := range []string{"", "scheduler"} {
			s.claim(by)
			if got, err := s.open().Output(t.Context(), host, attempt, 0, 100); err != nil || len(got) > 0 {
				t.Errorf("%q: %q, %v", by, got, err)
			}
		}
	})
}

func TestErrandTakesNoLongerThanItMay(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := newScript()
		s.claim(byTheGuard)
		s.fail["GetCommandInvocation"] = func() (*http.Response, error) { return failure(400, "InvocationDoesNotExist"), nil }
		began := time.Now()
		_, err := s.open().Output(t.Context(), host, attempt, 0, 100)
		if took := time.Since(began); err == nil || took > time.Minute {
			t.Errorf("%v after %s", err, took)
		}
		contains(t, fmt.Sprint(err), "no answer within 30s")
	})
}
