package sqliteledger

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/solocron/solocron/ledger"
)

// crashPath names, in the child's environment, the ledger that it writes to.
const crashPath = "SOLOCRON_TEST_CRASH_LEDGER"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashPath); path != "" {
		writeUntilKilled(path)
	}
	os.Exit(m.Run())
}

// writeUntilKilled makes runs from several goroutines, so that groups form, and
// prints each one's ID when it has been acknowledged.
func writeUntilKilled(path string) {
	l, err := Open(context.Background(), path)
	if err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := os.Getpid() * 1000; ; n++ {
				r := occurrence(n*8 + g)
				out, err := l.Write(context.Background(), ledger.Change{Run: r, Slot: ledger.Slot{Op: ledger.SlotShare}})
				if err != nil {
					panic(err)
				}
				if out[0].Err == nil {
					fmt.Println(r.ID) // one write(2): a line is whole or absent
				}
			}
		})
	}
	wg.Wait()
}

// Whatever the moment of a kill -9, acknowledged writes are there afterwards.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	var acknowledged []string
	for round := range 8 {
		acknowledged = append(acknowledged, killAfter(t, path, 20+37*round)...)
	}
	l := open(t, path)
	for _, id := range acknowledged {
		if _, err := l.Run(t.Context(), id); err != nil {
			t.Errorf("acknowledged, then lost: %v", err)
		}
	}
	sound(t, l)
}

// killAfter lets a child write, kills it after that many writes, and returns
// all that were acknowledged.
func killAfter(t *testing.T, path string, writes int) (ids []string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), crashPath+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		ids = append(ids, lines.Text())
		if len(ids) == writes {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // killed
	if len(ids) < writes {
		t.Fatalf("the child ended by itself after %d writes", len(ids))
	}
	return ids
}
