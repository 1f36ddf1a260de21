package crash

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

// How the source names its points, and how a point is called for each.
var inSource = []struct {
	dir     string
	pattern *regexp.Regexp
	who     string // of the pattern's last word
}{
	{".", regexp.MustCompile(`crash\.Before\("(\w+)", "([^"]+)"\)`), ""},
	{"config", regexp.MustCompile(`[^.]write(?:Only)?\("([^"]+)"`), "ledger"},
	{"executor/keeper", regexp.MustCompile(`a\.(?:write|claim|cosign)\("(\w+)"`), "keeper"},
	{"executor/keeper", regexp.MustCompile(`a\.sync\("(\w+)"`), "disk"},
}

// onHost are the points of a keeper.
var onHost = regexp.MustCompile(`^(before|after) (keeper|disk)\b`)

// notHere are writes that no scheduler of these tests makes.
var notHere = map[string]string{
	"ledger retire": "only a function in AWS takes jobs out of force",
	"ledger check":  "only once runs are old enough to be pruned",
	"ledger halt":   "only of a ledger that went back, see e2e/restored_test.go",
	"ledger resume": "a command's, on a ledger that no scheduler has",
	"keeper spare":  "only where the file system can't reserve room",
	"disk result":   "only where the file system can't reserve room",
}

// writes are the durable writes that the source marks.
func writes(t *testing.T, k kind) []string {
	t.Helper()
	found := map[string]bool{}
	for _, in := range inSource {
		err := filepath.WalkDir(filepath.Join("../..", in.dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, match := range in.pattern.FindAllStringSubmatch(string(text), -1) {
				found[strings.TrimSpace(in.who+" "+strings.Join(match[1:], " "))] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range run.States {
		found["ledger "+string(s)] = true
	}
	other := "postgres "
	if k.postgres {
		other = "sqlite "
	}
	maps.DeleteFunc(found, func(name string, _ bool) bool {
		return notHere[name] != "" || strings.HasPrefix(name, other)
	})
	return slices.Sorted(maps.Keys(found))
}

// passed is how often the site's processes have come to each point, and how
// often they died there.
func (s *site) passed() (passed, died map[string]int) {
	s.t.Helper()
	words, err := os.ReadFile(s.path("passed"))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	passed, died = map[string]int{}, map[string]int{}
	for line := range strings.Lines(string(words)) {
		name := strings.TrimSuffix(line, "\n")
		if at, dead := strings.CutPrefix(name, "died "); dead {
			died[at]++
		} else {
			passed[name]++
		}
	}
	return passed, died
}

// Every durable write that the source marks is one that a scheduler passes, and
// at every point that it passes it is killed. Whatever that leaves behind, the
// next start goes on from there.
func TestEveryPoint(t *testing.T) {
	for _, k := range []kind{{}, {postgres: true}} {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			points := slices.DeleteFunc(scout(t, k), func(point string) bool {
				// The keeper knows nothing of the ledger. For migrations see TestFault36.
				return k.postgres && onHost.MatchString(point) || strings.HasSuffix(point, " migration")
			})
			s := newSite(t, k, everyKind)
			var missed []string
			for n, point := range points {
				// The dispatcher is the same with both, so that half of its points do
				// with the second one.
				wanted := !k.postgres || n%2 == 0 || strings.Contains(point, "postgres") || cyclesWanted() > 0
				if wanted && !s.dieAt(point) {
					missed = append(missed, point)
				}
			}
			// What it takes to come to a rare point may fail to happen on a busy
			// machine; at full size all of them are wanted.
			if len(missed) > len(points)/20 || len(missed) > 0 && cyclesWanted() > 0 {
				t.Errorf("nobody came to %q", missed)
			}
			s.settle()
			h := s.judge()
			_, died := s.passed()
			t.Logf("killed at %d points; %d due times, %d commands started: %v", len(died), len(h.Runs), len(h.Starts), h.tally())
		})
	}
}

// scout lets a scheduler live through everything, and returns the points that
// it passed.
func scout(t *testing.T, k kind) []string {
	t.Helper()
	s := newSite(t, k, everyKind)
	want := writes(t, k)
	d := s.start(0, "")
	missing := func() (names []string) {
		passed, _ := s.passed()
		for _, name := range want {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(passed)), func(p string) bool {
				rest, ok := strings.CutPrefix(p, "after "+name)
				return ok && (rest == "" || rest == " with notices")
			}) {
				names = append(names, name)
			}
		}
		return names
	}
	leave := []string{"ledger leave"}
	deadline := time.Now().Add(2 * time.Minute)
	for n := 1; !slices.Equal(missing(), leave); n++ {
		if time.Now().After(deadline) {
			t.Fatalf("no scheduler passes %q; is that write made another way now?\n%s", missing(), d.log())
		}
		d.await(time.Second)
		switch {
		case n == 3:
			d.kill()
			s.bury()
			d = s.start(0, "")
		case n%4 == 0:
			d.stir()
		}
	}
	d.drain()
	if names := missing(); names != nil {
		t.Fatalf("no scheduler passes %q", names)
	}
	passed, _ := s.passed()
	return slices.Sorted(maps.Keys(passed))
}

// await lets the scheduler work for a while and reports whether it has ended.
func (d *scheduler) await(wait time.Duration) bool {
	select {
	case <-d.done:
		return true
	case <-time.After(wait):
		return false
	}
}

// stir makes happen what does not by itself: a pause, a cancellation, and the
// death of a keeper.
func (d *scheduler) stir() {
	ctx, c := context.Background(), d.site.client(d.n)
	if c.Pause(ctx, "quick-1", web.Ask{By: "test"}) == nil {
		_ = c.Resume(ctx, "quick-1", web.Ask{By: "test"})
	}
	runs, _ := c.Runs(ctx, web.Select{Job: "unwanted", States: []run.State{run.Running}, Limit: 1})
	for _, r := range runs {
		_, _ = c.Cancel(ctx, r.ID, web.Ask{By: "test"})
	}
	d.await(100 * time.Millisecond) // or nothing is left to be cancelled
	if keeper := d.keeper(); keeper != 0 {
		_ = syscall.Kill(keeper, syscall.SIGKILL)
	}
}

// dieAt kills the scheduler, or its keeper, at the point, and reports whether
// it came there. Some are only passed soon after a start.
func (s *site) dieAt(point string) bool {
	s.t.Helper()
	for range 8 {
		d := s.start(0, point)
		dead := d.diesAt(point)
		d.kill()
		s.bury()
		if dead {
			return true
		}
		if !d.killed() {
			s.t.Errorf("the scheduler ended before it came to %q: %v\n%s", point, d.cmd.ProcessState, d.log())
			return false
		}
	}
	return false
}

// diesAt waits for a death at the point, and stirs what leads there.
func (d *scheduler) diesAt(point string) bool {
	dead := func() bool { _, died := d.site.passed(); return died[point] > 0 }
	for n := 1; n < 80 && !d.await(100*time.Millisecond) && !dead(); n++ {
		switch {
		case strings.HasSuffix(point, " leave") && n == 1:
			<-d.serving
			_ = d.cmd.Process.Signal(syscall.SIGTERM)
		case n%40 == 0 || strings.HasSuffix(point, " pause") || n%10 == 0 && strings.Contains(point, "cancel"):
			d.stir()
		}
	}
	return dead()
}

// tally counts the runs by state.
func (h *history) tally() string {
	count := map[run.State]int{}
	for _, r := range h.Runs {
		count[r.State]++
	}
	return strings.TrimPrefix(fmt.Sprint(count), "map")
}
