// Package crash kills the real scheduler: at every named point before and after
// each durable write, and at random; with the ledger in SQLite and in
// PostgreSQL, alone and with a second scheduler, its keeper and the shell guards
// of hosts behind SSH included. Afterwards what the commands wrote to a witness
// file is held against the ledger.
//
//	SOLOCRON_CYCLES=10000 go test -run TestCycles ./e2e/crash
package crash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/solocron/solocron/ledger/pgtest"
)

// binary is the program with its crash points, built by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "solocron-crash-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "solocron")
		build := exec.Command("go", "build", "-trimpath", "-tags", "crashpoints", "-o", binary, "../../cmd/solocron")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build solocron: %v\n%s", err, out)
			return 1
		}
		return pgtest.Run(m)
	}())
}
