package sshexec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/executor/sshdtest"
)

// A host whose clock is far off is refused until it keeps time, and says so.
func TestFault51ClockOff(t *testing.T) {
	for shift, refused := range map[string]string{"-300": "5m0s off", "300": "5m0s off", "5": ""} {
		t.Run(shift+"s", func(t *testing.T) {
			skewed := filepath.Join(t.TempDir(), "skewed")
			script := `#!/bin/sh
sh -c "$SSH_ORIGINAL_COMMAND" | awk -v by=` + shift + ` '$1 == "time" { split($2, at, "."); printf "time %d.%s\n", at[1] + by, at[2]; next } { print }'
`
			if err := os.WriteFile(skewed, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			s := sshdtest.Start(t, "ForceCommand "+skewed)
			opts := quick
			opts.Guarded.MaxSkew = 30 * time.Second
			health := open(t, opts).Probe(t.Context(), hostOf(t, s))
			if said := strings.Contains(health.Refused, "the host's clock is") && strings.Contains(health.Refused, refused); said != (refused != "") {
				t.Errorf("a clock %ss off: refused %q", shift, health.Refused)
			}
			if health.Skew.Abs() < 4*time.Second {
				t.Errorf("the probe measured %s", health.Skew)
			}
		})
	}
}
