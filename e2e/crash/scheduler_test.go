package crash

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/web"
)

// scheduler is a running solocron serve.
type scheduler struct {
	site    *site
	n       int // which of the site's
	cmd     *exec.Cmd
	serving chan struct{} // closed when it says that it is
	done    chan struct{} // closed when it has ended

	mu    sync.Mutex
	lines []string // the last it printed
}

// start starts the site's n-th scheduler, which dies at the point if one is
// given.
func (s *site) start(n int, point string) *scheduler {
	s.t.Helper()
	d := &scheduler{site: s, n: n, serving: make(chan struct{}), done: make(chan struct{})}
	d.cmd = exec.Command(binary, "serve", "--file", s.path("jobs.yaml"), "--socket", s.socket(n), "--drain", "5s")
	d.cmd.Env = append(os.Environ(), "SOLOCRON_CRASH_POINT="+point, "SOLOCRON_CRASH_PASSED="+s.path("passed"),
		"GOGC=400") // it won't get old
	out, err := d.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(d.done)
		told := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			d.mu.Lock()
			d.lines = append(d.lines[max(0, len(d.lines)-40):], lines.Text())
			d.mu.Unlock()
			if !told && strings.Contains(lines.Text(), "msg=serving") {
				told = true
				close(d.serving)
			}
		}
		_ = d.cmd.Wait()
	}()
	return d
}

// after kills the scheduler when it has served for so long, unless it has ended
// before; it reports whether it had. A scheduler that never gets to serve is a
// failure.
func (d *scheduler) after(wait time.Duration) (ended bool) {
	d.site.t.Helper()
	select {
	case <-d.done:
		return true
	case <-d.serving:
	case <-time.After(time.Minute):
		d.site.t.Fatalf("not serving after a minute:\n%s", d.log())
	}
	select {
	case <-d.done:
		ended = true
	case <-time.After(wait):
	}
	d.kill()
	return ended
}

// kill is kill -9. Commands under way go on.
func (d *scheduler) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

// drain is SIGTERM, and waits for the end.
func (d *scheduler) drain() {
	d.site.t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(30 * time.Second):
		d.site.t.Errorf("no drain within 30s:\n%s", d.log())
		d.kill()
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		d.site.t.Errorf("drained with exit code %d:\n%s", code, d.log())
	}
}

func (d *scheduler) log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, "\n")
}

// killed reports whether it ended by SIGKILL, and by nothing else.
func (d *scheduler) killed() bool {
	status, ok := d.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// keeper is the process number of the scheduler's keeper, 0 if it has none.
func (d *scheduler) keeper() int {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", d.cmd.Process.Pid))
	for _, task := range tasks {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", d.cmd.Process.Pid, task.Name()))
		for child := range strings.FieldsSeq(string(children)) {
			if argv, _ := os.ReadFile("/proc/" + child + "/cmdline"); strings.HasPrefix(string(argv), "solocron-keeper") {
				pid, _ := strconv.Atoi(child)
				return pid
			}
		}
	}
	return 0
}

// open are the states of runs that have work ahead of them.
var open = slices.DeleteFunc(slices.Clone(run.States), func(s run.State) bool { return !s.Open() })

// settle is a calm last start. When every job is up to date none comes due any
// more, and when nothing is open and everybody has been told, the scheduler
// drains.
func (s *site) settle() {
	s.t.Helper()
	d := s.start(0, "")
	ctx := context.Background()
	c := s.client(0)
	var jobs []web.Job
	await(s.t, "the scheduler answers", func() (err error) {
		jobs, err = c.Jobs(ctx)
		return err
	})
	begun := time.Now()
	for _, j := range jobs {
		await(s.t, "what "+j.Name+" owed has had its turn", func() error {
			ahead, err := c.Runs(ctx, web.Select{Job: j.Name, States: []run.State{run.Planned, run.Starting}})
			if err != nil {
				return err
			}
			since, err := c.Runs(ctx, web.Select{Job: j.Name, Since: begun}) // the latest due first
			owed := func(r web.Run) bool { return r.Due.Before(begun) }
			if err == nil && (slices.ContainsFunc(ahead, owed) || len(since) == 0 || !hasComeDue(since[len(since)-1])) {
				err = errors.New(d.log())
			}
			return err
		})
		if err := c.Pause(ctx, j.Name, web.Ask{By: "test"}); err != nil {
			s.t.Fatal(err)
		}
	}
	await(s.t, s.kind.String()+": nothing is open and everybody is told", func() error {
		runs, err := c.Runs(ctx, web.Select{States: open})
		if err != nil {
			return err
		}
		if len(runs) > 0 {
			return fmt.Errorf("%d runs are open, such as %+v; %s", len(runs), runs[0], d.log())
		}
		return s.untold(ctx, c)
	})
	s.left = time.Now()
	d.drain()
}

// hasComeDue reports whether the run is not only prepared.
func hasComeDue(r web.Run) bool { return r.State.Final() || r.StartedAt != nil }

// untold is an error if somebody has yet to hear of a run.
func (s *site) untold(ctx context.Context, c *web.Client) error {
	runs, err := c.Runs(ctx, web.Select{States: []run.State{run.Failed, run.TimedOut, run.Lost}})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range runs {
		if !s.told[r.ID] {
			return fmt.Errorf("nobody is told of run %s, which is %s", r.ID, r.State)
		}
	}
	return nil
}

// await waits until there is no error any more. A notice that a dead scheduler
// had in hand takes a minute.
func await(t *testing.T, what string, try func() error) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(4 * time.Minute); ; <-tick.C {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s: %v", what, err)
		}
	}
}
