// Command peers starts commands as the schedulers do that solocron is measured
// beside. It is a module of its own, so that solocron depends on none of them.
//
//	peers gocron|robfig DUE N COMMAND ARG...
//	peers ssh DUE N USER IDENTITY ADDRESS,ADDRESS... COMMAND
//
// DUE is a Unix second. It prints when the last of N commands has ended, in Unix
// nanoseconds, and leaves when its standard input ends.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/robfig/cron/v3"
)

func main() {
	if len(os.Args) < 5 {
		fail(fmt.Errorf("usage: peers gocron|robfig DUE N COMMAND ARG"))
	}
	second, err := strconv.ParseInt(os.Args[2], 10, 64)
	if err != nil {
		fail(err)
	}
	n, err := strconv.Atoi(os.Args[3])
	if err != nil {
		fail(err)
	}
	due := time.Unix(second, 0)
	if os.Args[1] == "ssh" {
		if err := sessions(due, n, os.Args[4:]); err != nil {
			fail(err)
		}
		fmt.Println(time.Now().UnixNano())
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	var all sync.WaitGroup
	all.Add(n)
	command := func() {
		defer all.Done()
		if out, err := exec.Command(os.Args[4], os.Args[5:]...).CombinedOutput(); err != nil {
			fail(fmt.Errorf("%w: %s", err, out))
		}
	}
	stop, err := schedule(os.Args[1], due, n, command)
	if err != nil {
		fail(err)
	}
	all.Wait()
	fmt.Println(time.Now().UnixNano())
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
}

// schedule has the command run n times at the due time.
func schedule(peer string, due time.Time, n int, command func()) (stop func(), err error) {
	switch peer {
	case "gocron":
		s, err := gocron.NewScheduler()
		if err != nil {
			return nil, err
		}
		for range n {
			if _, err := s.NewJob(gocron.OneTimeJob(gocron.OneTimeJobStartDateTime(due)), gocron.NewTask(command)); err != nil {
				return nil, err
			}
		}
		s.Start()
		return func() { _ = s.Shutdown() }, nil
	case "robfig":
		c := cron.New(cron.WithSeconds())
		for range n {
			if _, err := c.AddFunc(due.Format("5 4 15 2 1")+" *", command); err != nil {
				return nil, err
			}
		}
		c.Start()
		return func() { <-c.Stop().Done() }, nil
	}
	return nil, fmt.Errorf("no peer %q", peer)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "peers:", err)
	os.Exit(1)
}
