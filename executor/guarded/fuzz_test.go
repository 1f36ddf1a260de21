package guarded

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/guard"
)

// Whatever a host says of itself is bounded and can be printed.
func FuzzProbe(f *testing.F) {
	for _, seed := range []string{
		"time 1795314600.123456789\nfree 1000000\nlacks flock\nfit\n", "time 1795314600.%N\n", "unfit no room\n",
		"time 99999999999999999999\nfree -1\n", "time 9223372036854775807.9223372036854775807\n",
		strings.Repeat("lacks everything\n", 1000), "lacks \x1b[2J\nunfit \xff\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		var health fleet.Health
		for talk := guard.NewReader(strings.NewReader(said)); ; {
			m, err := talk.Next()
			if err != nil {
				break
			}
			note(&health, m, time.Unix(1795314600, 0))
		}
		if len(health.Note) > 2*maxNote+600 || len(health.Refused) > 600 {
			t.Errorf("%d bytes: %q", len(health.Note), health.Note)
		}
		if strings.ContainsFunc(health.Note+health.Refused, func(r rune) bool { return !unicode.IsPrint(r) && r != ' ' }) {
			t.Errorf("not printable: %q %q", health.Note, health.Refused)
		}
		_ = health.Skew.Abs()
	})
}
