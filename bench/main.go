// Command bench measures how late commands start when many come due in the same
// second, and how long all of them take, on this machine: solocron with
// everything that it promises (SQLite with synchronous=FULL, guard, output,
// result), beside a bare timer that starts the same program and records nothing.
//
//	go run ./bench -solocron bin/solocron -jobs 1,100,1000 -rounds 5
//
// The two take turns, so that a machine whose speed drifts is fair to both. The
// figures are medians over the rounds; the ratio is the median of the rounds'
// ratios. Each job is a tiny program that writes down its own clock.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "stamp" {
		stamp(os.Args[2])
		return
	}
	binary := flag.String("solocron", "bin/solocron", "the program to measure")
	sizes := flag.String("jobs", "1,100,1000", "how many jobs are due in the same second")
	rounds := flag.Int("rounds", 5, "how often each is measured")
	flag.Parse()
	if err := bench(*binary, *sizes, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// stamp is the job: it appends the time to the file, in one write.
func stamp(path string) {
	line := strconv.FormatInt(time.Now().UnixNano(), 10) + "\n"
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(line)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// figures are what one round came to.
type figures struct {
	p50, p99, max time.Duration // lateness of the starts
	all           time.Duration // from the due time to the last end that the starter knows of
}

func bench(binary, sizes string, rounds int) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Removed when all is measured: a file system that is still busy with the
	// removal of one round's files is slow in the next.
	root, err := os.MkdirTemp("", "solocron-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	fmt.Printf("%s, %d CPUs, %s, medians of %d rounds, in ms\n\n", runtime.GOARCH, runtime.NumCPU(), runtime.Version(), rounds)
	fmt.Println("| due at once | | p50 | p99 | max | all done |")
	fmt.Println("|---|---|---|---|---|---|")
	for size := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			return fmt.Errorf("-jobs %s: %w", sizes, err)
		}
		var ours, bare []figures
		for range rounds {
			o, err := solocron(root, binary, self, n)
			if err != nil {
				return err
			}
			b, err := timer(root, self, n)
			if err != nil {
				return err
			}
			ours, bare = append(ours, o), append(bare, b)
		}
		row(size, "solocron", ours, milliseconds)
		row(size, "bare timer", bare, milliseconds)
		ratios(size, ours, bare)
	}
	return nil
}

// solocron measures one round of the real program on a fresh ledger.
func solocron(root, binary, self string, n int) (figures, error) {
	dir, err := os.MkdirTemp(root, "round-")
	if err != nil {
		return figures{}, err
	}
	due := time.Now().Add(3*time.Second + time.Duration(n)*time.Millisecond).Truncate(time.Second)
	stamps := filepath.Join(dir, "stamps")
	var file strings.Builder
	fmt.Fprintf(&file, "ledger: %s/ledger.db\nfleet: { hosts: { here: { address: local, run-dir: %s/run } } }\n", dir, dir)
	fmt.Fprintln(&file, "jobs:")
	for i := range n {
		fmt.Fprintf(&file, "  j%05d: { schedule: \"at(%s)\", command: exec %s stamp %s }\n", i, due.UTC().Format("2006-01-02T15:04:05"), self, stamps)
	}
	jobs := filepath.Join(dir, "jobs.yaml")
	if err := os.WriteFile(jobs, []byte(file.String()), 0o600); err != nil {
		return figures{}, err
	}
	daemon := exec.Command(binary, "serve", "--file", jobs)
	if err := daemon.Start(); err != nil {
		return figures{}, err
	}
	defer func() {
		_ = daemon.Process.Signal(os.Interrupt)
		_ = daemon.Wait()
	}()
	done, err := allDone(binary, jobs, n)
	if err != nil {
		return figures{}, err
	}
	return read(stamps, n, due, done)
}

// allDone waits until n runs succeeded and returns when the last of them had,
// by the ledger.
func allDone(binary, jobs string, n int) (time.Time, error) {
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		out, err := exec.Command(binary, "runs", "--file", jobs, "--limit", "0", "--state", "succeeded", "--output", "json").Output()
		if err != nil {
			continue // it has yet to listen
		}
		ended := endings(out)
		if len(ended) == n {
			return slices.MaxFunc(ended, time.Time.Compare), nil
		}
	}
	return time.Time{}, fmt.Errorf("%d jobs did not all succeed within 5 minutes", n)
}

// timer measures one round of starting the program n times from a timer.
func timer(root, self string, n int) (figures, error) {
	dir, err := os.MkdirTemp(root, "round-")
	if err != nil {
		return figures{}, err
	}
	stamps := filepath.Join(dir, "stamps")
	due := time.Now().Add(1200 * time.Millisecond).Truncate(time.Second)
	time.Sleep(time.Until(due))
	started := make([]*exec.Cmd, 0, n)
	for range n {
		c := exec.Command(self, "stamp", stamps)
		if err := c.Start(); err != nil {
			return figures{}, err
		}
		started = append(started, c)
	}
	for _, c := range started {
		if err := c.Wait(); err != nil {
			return figures{}, err
		}
	}
	return read(stamps, n, due, time.Now())
}

// read turns the stamps into figures.
func read(stamps string, n int, due, done time.Time) (figures, error) {
	data, err := os.ReadFile(stamps)
	if err != nil {
		return figures{}, err
	}
	var late []time.Duration
	for line := range strings.Lines(string(data)) {
		ns, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil {
			return figures{}, err
		}
		late = append(late, time.Unix(0, ns).Sub(due))
	}
	if len(late) != n {
		return figures{}, fmt.Errorf("%d of %d commands started", len(late), n)
	}
	slices.Sort(late)
	return figures{late[n/2], late[n*99/100], late[n-1], done.Sub(due)}, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1000) }

func row(size, name string, rounds []figures, show func(time.Duration) string) {
	median := func(of func(figures) time.Duration) string {
		return show(middle(rounds, of))
	}
	fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", size, name,
		median(func(f figures) time.Duration { return f.p50 }), median(func(f figures) time.Duration { return f.p99 }),
		median(func(f figures) time.Duration { return f.max }), median(func(f figures) time.Duration { return f.all }))
}

func ratios(size string, ours, bare []figures) {
	ratio := func(of func(figures) time.Duration) float64 {
		var each []float64
		for i := range ours {
			each = append(each, float64(of(ours[i]))/float64(of(bare[i])))
		}
		return middle(each, func(r float64) float64 { return r })
	}
	fmt.Printf("| %s | **ratio** | %.2f | %.2f | %.2f | %.2f |\n", size,
		ratio(func(f figures) time.Duration { return f.p50 }), ratio(func(f figures) time.Duration { return f.p99 }),
		ratio(func(f figures) time.Duration { return f.max }), ratio(func(f figures) time.Duration { return f.all }))
}

// middle is the median of what the rounds came to.
func middle[T any, V cmp.Ordered](rounds []T, of func(T) V) V {
	var all []V
	for _, r := range rounds {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// endings are the ended_at of the runs in the program's JSON.
func endings(list []byte) []time.Time {
	var runs []struct {
		EndedAt time.Time `json:"ended_at"`
	}
	if json.Unmarshal(list, &runs) != nil {
		return nil
	}
	var all []time.Time
	for _, r := range runs {
		all = append(all, r.EndedAt)
	}
	return all
}
