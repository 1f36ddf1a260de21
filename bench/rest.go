package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What a scheduler at rest with 10,000 hourly jobs may come to.
const (
	goalResident = 40 << 20
	goalCPU      = 20 * time.Millisecond // a minute
	goalLoad     = time.Second
	goalGrowth   = 1.1 // of anything, with a million runs in the ledger
)

// still is a scheduler at rest.
type still struct {
	load     time.Duration // from its start until it serves
	loadCPU  time.Duration
	resident int64
	cpu      time.Duration // a minute, with that of the programs that it starts
}

// settle is how long a scheduler is given to come to rest: its first sweep, beat
// and prune.
const settle = 5 * time.Second

// watch starts solocron with n hourly jobs, none due within minutes, and watches
// it for so long. Zero looks at the start alone.
func (b *bench) watch(dir string, n int, due time.Time, long time.Duration) (s still, err error) {
	jobs := filepath.Join(dir, "jobs.yaml")
	if err := writeJobs(jobs, errand{ledger: filepath.Join(dir, "ledger.db"), n: n}, strconv.Itoa(due.UTC().Minute())+" * * * *", "date"); err != nil {
		return s, err
	}
	daemon := exec.Command(b.solocron, "serve", "--file", jobs)
	log, err := daemon.StderrPipe()
	if err != nil {
		return s, err
	}
	start := time.Now()
	if err := daemon.Start(); err != nil {
		return s, err
	}
	pid := daemon.Process.Pid
	lines := bufio.NewReader(log)
	for line := ""; !strings.Contains(line, "msg=serving"); {
		if line, err = lines.ReadString('\n'); err != nil {
			return s, fmt.Errorf("solocron does not serve: %w", daemon.Wait())
		}
	}
	s.load, s.loadCPU = time.Since(start), ran(pid)
	if long > 0 {
		go func() { _, _ = io.Copy(io.Discard, lines) }() // until the daemon leaves
		time.Sleep(settle)
		spent := func() time.Duration { return ran(pid) + ranBelow(pid) }
		before, from := spent(), time.Now()
		time.Sleep(long)
		s.cpu = time.Duration(float64(spent()-before) / time.Since(from).Minutes())
		s.resident = memory(pid, "VmRSS")
	}
	_ = daemon.Process.Signal(os.Interrupt)
	if err := daemon.Wait(); err != nil {
		return s, err
	}
	return s, reap()
}

// halfAnHourOff is a minute at which hourly jobs don't disturb.
func halfAnHourOff() time.Time { return time.Now().Add(30 * time.Minute).Truncate(time.Minute) }

// atRest measures what the goals are about.
func (b *bench) atRest() error {
	b.heading("At rest", "10,000 hourly jobs, none due: until the scheduler serves, the first time and again on the same ledger; resident\nmemory and CPU time a minute, watched for "+b.rest.String()+".")
	dir, err := os.MkdirTemp(b.root, "rest-")
	if err != nil {
		return err
	}
	due := halfAnHourOff()
	first, err := b.watch(dir, 10_000, due, 0)
	if err != nil {
		return err
	}
	again, err := b.watch(dir, 10_000, due, b.rest)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "| what | figure | goal | |\n|---|---|---|---|\n")
	b.judge("first load, ms", ms(first.load), ms(goalLoad))
	b.judge("load again, ms", ms(again.load), ms(goalLoad))
	b.judge("CPU time of the first load, ms", ms(first.loadCPU), ms(goalLoad))
	b.judge("resident, MiB", float64(again.resident)/(1<<20), goalResident>>20)
	b.judge("CPU time a minute, ms", ms(again.cpu), ms(goalCPU))
	fmt.Fprintln(b.out)
	return nil
}

func (b *bench) judge(what string, figure, goal float64) {
	verdict := "met"
	if figure > goal {
		verdict = "**not met**"
	}
	fmt.Fprintf(b.out, "| %s | %.4g | %g | %s |\n", what, figure, goal, verdict)
}
