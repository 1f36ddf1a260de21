package dispatch

import (
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
)

// A rehearsal goes the whole way to a host, says where that ends, and leaves no
// run.
func TestRehearse(t *testing.T) {
	tests := map[string]struct {
		host  string
		spoil func(h *hosts)
		wrong string
	}{
		"it works":          {host: "b"},
		"it is not there":   {host: "c", wrong: "not one of the fleet's 2 hosts"},
		"it is down":        {host: "b", spoil: func(h *hosts) { h.down["b"] = true }, wrong: "unreachable"},
		"its guard refuses": {host: "b", spoil: func(h *hosts) { h.refuse["b"] = "no claim" }, wrong: "no claim"},
		"the command fails": {host: "b", spoil: func(h *hosts) { h.command = fails }, wrong: "exited"},
		"it takes too long": {host: "b", spoil: func(h *hosts) { h.command = hangs }, wrong: "timed_out"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []string{"a", "b"}, func(t *testing.T, w *world) {
				if test.spoil != nil {
					test.spoil(w.hosts)
				}
				d := w.start().Dispatcher
				err := d.Rehearse(t.Context(), test.host, false)
				switch {
				case test.wrong == "" && err != nil:
					t.Error(err)
				case test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)):
					t.Errorf("error %v, want %q in it", err, test.wrong)
				}
				if runs, err := w.ledger.Runs(t.Context(), ledger.Query{}); err != nil || len(runs) != 0 {
					t.Errorf("%v, %v", runs, err)
				}
			})
		})
	}
}

func fails(guard.Order) (time.Duration, int) { return time.Second, 1 }
func hangs(guard.Order) (time.Duration, int) { return time.Hour, 0 }
