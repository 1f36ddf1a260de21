package crash

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/run"
)

// The size of TestCycles: SOLOCRON_CYCLES, by default what fits into every run
// of the tests.
const (
	cyclesUsual = 40
	perSite     = 250 // cycles of one ledger, which is then judged
	streams     = 8   // sites at work at a time
)

// kindOf is what the n-th site works with. The more work a start takes, the fewer
// there are of it: each further host is probed, each connection to PostgreSQL is a
// process, and SSH takes most.
func kindOf(n int) kind {
	if n%20 == 2 {
		return kind{ssh: true}
	}
	return []kind{{alone: true}, {postgres: true, alone: true}, {}, {alone: true}, {postgres: true, two: true}, {alone: true}}[n%6]
}

// cyclesWanted is SOLOCRON_CYCLES, 0 without it.
func cyclesWanted() int {
	n, _ := strconv.Atoi(os.Getenv("SOLOCRON_CYCLES"))
	return max(n, 0)
}

// TestCycles starts the scheduler and kills it, over and over: at a point or at
// random, sometimes its keeper or a guard first. It prints a line that says how
// often.
func TestCycles(t *testing.T) {
	total := cmp.Or(cyclesWanted(), cyclesUsual)
	each := min(perSite, max(total/4, 1))
	all := &score{died: map[string]int{}}
	begun := time.Now()
	turn := make(chan struct{}, streams)
	var sites sync.WaitGroup
	for n := range (total + each - 1) / each {
		turn <- struct{}{}
		s := newSite(t, kindOf(n), seldom)
		size := min(each, total-n*each)
		sites.Go(func() {
			func() {
				defer func() { <-turn }()
				s.cycles(all, uint64(n), size)
			}()
			s.settle() // waits more than it works, while the next site has its turn
			all.add(s)
		})
	}
	sites.Wait()
	if all.cycles != total {
		t.Errorf("%d cycles of %d", all.cycles, total)
	}
	t.Logf("cycles: %s, in %s", all, time.Since(begun).Round(time.Second))
}

// score counts what was done, and what came of it.
type score struct {
	mu             sync.Mutex
	cycles, guards int
	died           map[string]int // kills by point
	due, starts    int
	lost           int
}

func (c *score) String() string {
	atPoint := 0
	for _, n := range c.died {
		atPoint += n
	}
	return fmt.Sprintf("%d starts killed, %d of them at %d points; %d keepers and guards killed; %d due times, %d commands started, %d lost",
		c.cycles, atPoint, len(c.died), c.guards, c.due, c.starts, c.lost)
}

// count counts a cycle.
func (c *score) count(guard bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cycles++
	if guard {
		c.guards++
	}
}

// add judges the site and counts what came of it.
func (c *score) add(s *site) {
	h := s.judge()
	_, died := s.passed()
	c.mu.Lock()
	defer c.mu.Unlock()
	for point, n := range died {
		c.died[point] += n
	}
	c.due += len(h.Runs)
	c.starts += len(h.Starts)
	for _, r := range h.Runs {
		if r.State == run.Lost {
			c.lost++
		}
	}
}

// cycles kills the site's scheduler so many times.
func (s *site) cycles(c *score, seed uint64, count int) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	var points []string
	var other *scheduler // the second one, which is killed less often
	for n := range count {
		if s.kind.two && n%20 == 0 {
			if other != nil {
				other.kill()
			}
			other = s.start(1, "")
		}
		if n%10 == 2 {
			points = s.known()
		}
		c.count(s.cycle(rnd, n, points))
		if n%8 == 7 && !s.kind.two {
			s.bury()
		}
	}
	if other != nil {
		other.kill()
	}
	s.bury()
}

// known are the points that were passed so far, the usual ones several times.
func (s *site) known() (points []string) {
	passed, _ := s.passed()
	for _, name := range slices.Sorted(maps.Keys(passed)) {
		points = append(points, slices.Repeat([]string{name}, 1+min(passed[name]/10, 5))...)
	}
	return points
}

// cycle is one start and its kill: every other one at a point, the next one
// early, at any moment of a start, the next one at work. It reports whether it
// killed a keeper or a guard too.
func (s *site) cycle(rnd *rand.Rand, n int, points []string) (guard bool) {
	point := ""
	wait := time.Duration(rnd.IntN(150)) * time.Millisecond
	if n%2 == 0 && len(points) > 0 {
		point = fmt.Sprintf("%s#%d", points[rnd.IntN(len(points))], 1+rnd.IntN(3))
		wait = 400 * time.Millisecond
	}
	d := s.start(0, point)
	switch {
	case n%4 == 1:
		d.await(wait)
		d.kill()
	case n%8 == 3:
		<-d.serving
		d.await(wait)
		guard = s.killGuard(d, rnd)
		fallthrough
	default:
		d.after(wait)
	}
	if !d.killed() {
		s.t.Errorf("the scheduler ended by itself: %v\n%s", d.cmd.ProcessState, d.log())
	}
	return guard
}

// killGuard kills the scheduler's keeper, or the shell's guard of the attempt
// that came last, and reports whether there was one.
func (s *site) killGuard(d *scheduler, rnd *rand.Rand) bool {
	pid := d.keeper()
	if s.kind.ssh {
		pid = s.guard([]string{"guard", "supervisor", "watcher", "pid"}[rnd.IntN(4)])
	}
	return pid > 0 && syscall.Kill(pid, syscall.SIGKILL) == nil
}

// guard is the process that signed the file in the latest run directory, 0 if
// that one lives no more.
func (s *site) guard(file string) int {
	var latest time.Time
	var signed []string // boot, process, when it was born
	found, _ := filepath.Glob(s.path("[ab]/runs/*/" + file))
	for _, path := range found {
		info, err := os.Stat(path)
		if err != nil || info.ModTime().Before(latest) {
			continue
		}
		words, _ := os.ReadFile(path)
		latest, signed = info.ModTime(), strings.Fields(string(words))
	}
	if len(signed) < 3 {
		return 0
	}
	stat, _ := os.ReadFile("/proc/" + signed[1] + "/stat")
	_, rest, _ := strings.Cut(string(stat), ") ")
	if words := strings.Fields(rest); len(words) < 20 || words[19] != signed[2] {
		return 0
	}
	pid, _ := strconv.Atoi(signed[1])
	return pid
}
