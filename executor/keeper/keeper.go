// Package keeper is the guard for this machine in Go: one process that starts
// and follows all commands of a daemon, where the shell's guard takes a handful
// of processes for each of them.
//
// The keeper is the program itself, started once more in a session of its own
// ([Main]). Over one socket it has a conversation with the daemon for every attempt,
// in which the same words are spoken as with the shell's guard; it leaves the same
// files in the run directory, signed with its own process number, so that the
// shell's verbs status, stop and output can't tell the two apart.
//
// # What can be relied on
//
// What package guard promises, word for word. A keeper outlives its daemon: at
// the end of the socket it takes no further orders, refuses those that wait for go,
// and leaves when its last command has. The next daemon starts a keeper of its own,
// and finds what the old one keeps by the run directories.
//
// # What can go wrong
//
// All commands of a daemon share one keeper. If it is killed they go on without
// a timeout and their output breaks off, as with a shell's guard that is killed;
// a stop still ends them, and they are gone when nothing of them is left. A
// mistake that panics ends the one attempt that it was made in.
package keeper

import (
	"math"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"
)

// argv0 is how a keeper knows that it is one.
const argv0 = "solocron-keeper"

// mainKeeps says that this program calls Main, so that it can be its own keeper.
var mainKeeps atomic.Bool

// Main must be the first thing in the main function of a program that wants a
// keeper. In a process that was started as one it does not return.
func Main() {
	if len(os.Args) == 1 && os.Args[0] == argv0 {
		os.Exit(serve())
	}
	mainKeeps.Store(true)
}

// Available reports whether this program calls [Main].
func Available() bool { return mainKeeps.Load() }

// keeper is the process that keeps attempts.
type keeper struct {
	children children
	flusher  flusher
	teller   teller
	signed   string // "BOOT PID BORN" of this very process
	attempts sync.WaitGroup

	mu        sync.Mutex
	kept      map[*attempt]bool // those that a stop may be meant for
	gathering map[string]*batch // by directory; joined until it begins
	syncing   sync.Mutex        // by the batch that has begun
}

// serve is a keeper's life: take orders until the control socket ends, then wait
// until nothing runs any more.
func serve() int {
	debug.SetGCPercent(100) // no more uncollected; commands have an environment of their own
	syscall.Umask(0o22)     // as commands want it
	// What commands leave behind ends as a child of the keeper's, which reaps it.
	// The first process of a container may be the daemon, which can't.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	// Whatever else the daemon was started with is not for them.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	boot, self := bootID(), process{}
	if p, ok := look(os.Getpid()); ok {
		self = p
	}
	control, err := controlled(3)
	if err != nil || boot == "" || self.pid == 0 {
		return 2
	}
	alone := make(chan struct{})
	k := &keeper{
		flusher: flusher{alone: alone},
		signed:  sign(boot, self), kept: map[*attempt]bool{}, gathering: map[string]*batch{},
		children: children{known: map[int]chan<- syscall.WaitStatus{}, strange: map[int]exit{}},
	}
	// A signal that is ignored would stay so in the commands; one that is handled,
	// here by nobody, is at its default there.
	signal.Notify(make(chan os.Signal, 1))
	go onSignal(syscall.SIGCHLD, k.children.reap)
	go onSignal(syscall.SIGUSR1, k.pokeAll)
	for {
		talk, err := control.AcceptStream()
		if err != nil {
			break
		}
		k.attempts.Go(func() { k.attend(talk) })
	}
	control.Close()
	close(alone)
	k.attempts.Wait()
	k.flusher.under.Wait()
	k.teller.under.Wait()
	return 0
}

// controlled takes up the keeper's end of the socket that it was started with.
func controlled(fd uintptr) (*yamux.Session, error) {
	file := os.NewFile(fd, "control")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return yamux.Server(newWire(conn), talking(math.MaxInt64)) // a daemon that was only paused wants to know everything
}

// onSignal does act after every signal; those that come together count as one.
func onSignal(s os.Signal, act func()) {
	arrived := make(chan os.Signal, 1)
	signal.Notify(arrived, s)
	for range arrived {
		act()
	}
}

// pokeAll lets every attempt look whether it was asked to stop: the signal says
// only that one of them was.
func (k *keeper) pokeAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for a := range k.kept {
		select {
		case a.poked <- struct{}{}:
		default:
		}
	}
}

func (k *keeper) enrol(a *attempt) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept[a] = true
}

func (k *keeper) dismiss(a *attempt) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.kept, a)
}
