package keeper

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// tree are the pids of all live processes of the attempt. They are found by the
// mark in their environment, which survives setsid and double forks; by the
// command's session; and as children of those. One that cleared its environment,
// left the session and lost its parent can't be found.
func (a *attempt) tree() []int {
	all := processes()
	session := a.main.pid
	if now, ok := look(session); ok && now.born != a.main.born {
		session = 0 // a number that now names a stranger says nothing
	}
	found := map[int]bool{}
	for _, p := range all {
		if p.live() && (session != 0 && p.session == session || p.carries("SOLOCRON_MARK="+a.dir+"/")) {
			found[p.pid] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if p.live() && found[p.parent] && !found[p.pid] {
				found[p.pid], grown = true, true
			}
		}
	}
	// No mistake above may reach beyond the attempt.
	var pids []int
	for pid := range found {
		if pid > 1 && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// endTree ends every process of the attempt: TERM, grace, KILL until none is
// left. The file "kill" cuts the grace short. Leaves a note about survivors.
func (a *attempt) endTree(grace time.Duration) {
	patience := time.Now().Add(grace)
	pause := 50 * time.Millisecond
	if pids := a.tree(); !a.has("kill") && len(pids) > 0 {
		signalAll(pids, syscall.SIGTERM)
		signalAll(pids, syscall.SIGCONT)
		for time.Now().Before(patience) && !a.has("kill") && len(a.tree()) > 0 {
			a.pause(min(pause, time.Until(patience)))
			pause = 200 * time.Millisecond
		}
	}
	// A process in the middle of an exec has no environment to show: only two
	// looks that find nothing count.
	var left []int
	for rounds, empty := 0, 0; empty < 2 && rounds < 50; rounds++ {
		if left = a.tree(); len(left) > 0 {
			empty = 0
			signalAll(left, syscall.SIGKILL)
		} else {
			empty++
		}
		a.pause(20 * time.Millisecond)
	}
	if len(left) > 0 {
		a.note = "could not end processes " + strings.Trim(fmt.Sprint(left), "[]")
	}
}

// pause rests, at most until the attempt is poked. If the command ends meanwhile
// its exit code is kept, in case the keeper does not live to see the rest.
func (a *attempt) pause(d time.Duration) {
	rest := time.NewTimer(d)
	defer rest.Stop()
	select {
	case status := <-a.exited:
		a.over(status)
		<-rest.C
	case <-a.poked:
	case <-rest.C:
	}
}

func signalAll(pids []int, s syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, s) // it may have ended by itself
	}
}
