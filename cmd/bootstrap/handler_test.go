package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/dispatch"
	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/ledger/memledger"
)

// A sweep that got to its end leaves a line, also if something went wrong with
// some jobs.
func TestSweptIsLogged(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	bad := ledger.JobSpec{Name: "bad", Hash: "h", When: "w", Body: []byte("{")}
	for name, test := range map[string]struct {
		ctx    context.Context
		jobs   []ledger.JobSpec
		want   []string // msg and failed of each line
		failed bool
	}{
		"nothing to do": {t.Context(), nil, []string{"swept false"}, false},
		"a bad job":     {t.Context(), []ledger.JobSpec{bad}, []string{"swept true", "an event is not dealt with yet <nil>"}, true},
		"cut short":     {over, nil, []string{"an event is not dealt with yet <nil>"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := memledger.New()
			if err := l.PutJobs(t.Context(), time.Now(), test.jobs...); err != nil {
				t.Fatal(err)
			}
			var lines bytes.Buffer
			log := slog.New(slog.NewJSONHandler(&lines, nil))
			h := &handler{steps: dispatch.New(dispatch.Options{Ledger: l, Log: log, Stepwise: true}), log: log}
			if _, err := h.Invoke(test.ctx, []byte(`{"sweep":true}`)); err != nil != test.failed {
				t.Errorf("error %v", err)
			}
			var got []string
			for line := range strings.Lines(lines.String()) {
				var said struct {
					Msg    string
					Failed *bool
				}
				if err := json.Unmarshal([]byte(line), &said); err != nil {
					t.Fatal(err)
				}
				failed := "<nil>"
				if said.Failed != nil {
					failed = map[bool]string{true: "true", false: "false"}[*said.Failed]
				}
				got = append(got, said.Msg+" "+failed)
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
