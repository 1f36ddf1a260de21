package keeper

import (
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

func newChildren() *children {
	return &children{known: map[int]chan<- syscall.WaitStatus{}, strange: map[int]exit{}}
}

// exits runs a shell that exits with the code, and returns what is heard of it and
// its process.
func exits(t *testing.T, c *children, code int) (int, process) {
	t.Helper()
	null, err := nowhere()
	if err != nil {
		t.Fatal(err)
	}
	p, ended, err := c.start("/bin/sh", []string{"sh", "-c", "exit " + strconv.Itoa(code)}, nil, "/", null)
	if err != nil {
		t.Error(err)
		return -1, p
	}
	for late := time.Now().Add(time.Minute); time.Now().Before(late); {
		c.reap()
		select {
		case status := <-ended:
			return exitCode(status), p
		default:
		}
	}
	t.Errorf("process %d: no end was heard of", p.pid)
	return -1, p
}

// However starts and ends fall together, each process has its own exit code.
func TestEveryEndIsHeard(t *testing.T) {
	c := newChildren()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 25 {
				if code, p := exits(t, c, i*25+n); code != i*25+n {
					t.Errorf("process %d: exit code %d, want %d", p.pid, code, i*25+n)
				}
			}
		})
	}
	all.Wait()
	if len(c.known)+len(c.strange)+c.starting > 0 {
		t.Errorf("left: %d known, %d strange, %d starting", len(c.known), len(c.strange), c.starting)
	}
}

// A process that ended before a start began is not what that started, though it had
// the number.
func TestNumberGivenAgain(t *testing.T) {
	c := newChildren()
	_, before := exits(t, c, 0)
	c.starting = 1 // another start takes its time
	for pid := before.pid + 1; pid < before.pid+2000; pid++ {
		c.strange[pid] = exit{status: 77 << 8, at: time.Now()}
	}
	if code, p := exits(t, c, 3); code != 3 {
		t.Errorf("process %d: exit code %d, want 3", p.pid, code)
	}
	if len(c.known) > 0 {
		t.Errorf("left: %v", c.known)
	}
}

// A start that fails leaves nothing behind, and holds up nobody.
func TestFailedStart(t *testing.T) {
	c := newChildren()
	null, err := nowhere()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.start("/no/such/program", []string{"x"}, nil, "/", null); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
	if len(c.known)+len(c.strange)+c.starting > 0 {
		t.Errorf("left: %d known, %d strange, %d starting", len(c.known), len(c.strange), c.starting)
	}
}
