package keeper

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/solocron/solocron/crash"
)

// sync brings a file of the run directory to disk, or the directory itself.
func (a *attempt) sync(name string) error {
	crash.Before("disk", name)
	defer crash.After("disk", name)
	return syncFile(a.path(name))
}

func syncFile(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(again(func() error { return unix.Fsync(fd) }), unix.Close(fd))
}

// Results are brought to disk once none has come for a lag, at the latest after
// maxLag: not before the starts that this would hold up, and mostly after the daemon
// has them in its ledger.
const (
	lag    = time.Second
	maxLag = 5 * time.Second
)

// flusher brings results and output to disk, one after the other.
type flusher struct {
	alone   <-chan struct{} // closed when the daemon has gone: nobody else has the results then
	mu      sync.Mutex
	waiting []string // run directories
	under   sync.WaitGroup
}

// add takes a run directory whose result is written.
func (f *flusher) add(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = append(f.waiting, dir)
	if len(f.waiting) == 1 {
		f.under.Go(f.flush)
	}
}

// flush takes what comes together. What can't be kept, a power failure may cost.
func (f *flusher) flush() {
	for last, n := time.Now().Add(maxLag), 0; n < f.count() && time.Now().Before(last); {
		n = f.count()
		f.rest()
	}
	f.mu.Lock()
	dirs := f.waiting
	f.waiting = nil
	f.mu.Unlock()
	crash.Before("disk", "results")
	for _, dir := range dirs {
		_ = syncFile(dir + "/result")
		_ = syncFile(dir + "/out")
	}
	crash.After("disk", "results")
}

func (f *flusher) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiting)
}

// rest waits for a lag, or until nobody else has the results.
func (f *flusher) rest() {
	wait := time.NewTimer(lag)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-f.alone:
	}
}

// batch is one bringing to disk of a directory that many attempts share.
type batch struct {
	done chan struct{}
	err  error
}

// syncShared is syncFile for a directory that many attempts write to: those that
// come while it is being brought to disk wait for the next time together.
func (k *keeper) syncShared(dir string) error {
	crash.Before("disk", "runs")
	defer crash.After("disk", "runs")
	b, first := k.gather(dir)
	if first {
		k.syncing.Lock()
		k.begin(dir) // who comes from now on may have come too late
		b.err = syncFile(dir)
		k.syncing.Unlock()
		close(b.done)
	}
	<-b.done
	return b.err
}

// gather joins the batch of the directory that has yet to begin.
func (k *keeper) gather(dir string) (joined *batch, first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if b := k.gathering[dir]; b != nil {
		return b, false
	}
	b := &batch{done: make(chan struct{})}
	k.gathering[dir] = b
	return b, true
}

func (k *keeper) begin(dir string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.gathering, dir)
}
