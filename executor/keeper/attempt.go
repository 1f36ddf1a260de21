package keeper

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/solocron/solocron/crash"
	"github.com/solocron/solocron/guard"
	"golang.org/x/sys/unix"
)

// attempt is one that the keeper keeps, from its order to its end. All but what
// the collector writes belongs to one goroutine.
type attempt struct {
	k      *keeper
	talk   io.ReadWriteCloser // to the daemon, which may have gone
	errand guard.Errand
	as     account
	dir    string // the run directory, once it is surely this attempt's

	granted  bool // go is claimed
	main     process
	exited   <-chan syscall.WaitStatus
	poked    chan struct{} // look whether there is a "stop" or a "kill"
	code     int
	isOver   bool // code is known
	from, to int64
	begun    time.Time
	note     string
	collects chan struct{} // closed when the output is whole

	telling sync.Mutex // what follows
	told    bool       // the result was told
	size    string     // the output's, to be told with the result
}

// attend holds one conversation to its end, and follows what comes of it.
func (k *keeper) attend(talk io.ReadWriteCloser) {
	a := &attempt{k: k, talk: talk, poked: make(chan struct{}, 1)}
	k.enrol(a)
	defer func() {
		if mistake := recover(); mistake != nil {
			a.fail(mistake)
		}
		k.dismiss(a)
		if a.collects != nil {
			<-a.collects
		}
		k.teller.end(talk)
	}()
	var refused refusal
	switch err := a.run(); {
	case err == nil:
		a.settle(a.end(), a.code, refusal{})
		k.flusher.add(a.dir)
	case errors.As(err, &refused):
		a.settle(string(guard.Refused), 0, refused)
	case a.errand.Name != "":
		a.settle(string(guard.Refused), 0, refusal{reason: err.Error()})
	}
}

// run is the story of an attempt. An error is why its command never started.
func (a *attempt) run() error {
	hear := bufio.NewReaderSize(a.talk, 1<<10) // there may be many that wait for go
	var err error
	if a.errand, err = guard.ReadErrand(hear); err != nil {
		a.errand.Name = "" // nobody knows what was meant: leave no trace
		return err
	}
	root, err := a.check()
	if err != nil {
		return err
	}
	if err := a.prepare(root); err != nil {
		return err
	}
	a.say("ready\n")
	if err := a.awaitGo(hear); err != nil {
		return err
	}
	if a.errand.Lock != "" {
		release, err := takeLock(a.lock(root))
		if err != nil {
			return err
		}
		defer release()
	}
	if err := a.start(); err != nil {
		return err
	}
	a.follow()
	return nil
}

// awaitGo waits for go or the end of input, and makes go the attempt's own.
func (a *attempt) awaitGo(hear *bufio.Reader) error {
	line, err := hear.ReadSlice('\n')
	words := strings.Fields(string(line))
	if err != nil || len(words) != 3 || words[0] != "go" || words[1] != a.errand.Token {
		if a.claim("go", "revoked") {
			return refusal{reason: "no go was given to this attempt"}
		}
	} else if a.cosign("go") == nil {
		a.granted = true
		a.from, _ = strconv.ParseInt(words[2], 10, 64) // the daemon's clock, or none
		a.begun = time.Now()
		return nil
	}
	return refusal{reason: "the attempt was stopped before its go"}
}

// lock is the path of the job's lock on this host.
func (a *attempt) lock(root string) string { return filepath.Join(root, "locks", a.errand.Lock) }

// takeLock takes a job's lock on this host, which is held until release.
func takeLock(path string) (release func(), err error) {
	fd, err := openLock(path)
	if err != nil {
		return nil, refusal{reason: "cannot open lock " + path}
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		unix.Close(fd)
		return nil, refusal{reason: "the job's lock on this host is held by another attempt", busy: true}
	}
	return func() {
		// A process that is just being started holds a copy until its exec.
		_ = unix.Flock(fd, unix.LOCK_UN)
		unix.Close(fd)
	}, nil
}

func openLock(path string) (fd int, err error) {
	return unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC, 0o600)
}

// start starts the command and its collector. A stop that was asked for before
// this is seen here; a later one by follow.
func (a *attempt) start() error {
	pipe, w, err := newPipe()
	if err != nil {
		return err
	}
	if a.has("stop") {
		a.code, a.isOver = 128+int(syscall.SIGTERM), true
	} else {
		crash.Before("keeper", "command")
		err = a.command(w)
		crash.After("keeper", "command")
	}
	syscall.Close(w)
	if err != nil {
		pipe.Close()
		return fmt.Errorf("start %s: %w", a.argv("")[0], err)
	}
	if a.main.pid != 0 {
		// Not in the file "pid", as a shell's: a new file costs more than the rest.
		_ = a.put("guard", sign(strings.Fields(a.k.signed)[0], a.main)+"\n", unix.O_APPEND)
	}
	a.say("started\n")
	a.errand.Command, a.errand.Env = "", nil
	a.collects = make(chan struct{})
	go func() {
		defer close(a.collects)
		defer func() { _ = recover() }() // the output's size stays unknown
		a.collect(pipe)
	}()
	return nil
}

// command starts the command, by itself if it can do without a shell.
func (a *attempt) command(out int) (err error) {
	env := a.environ()
	if path, argv := a.plain(env); path != "" {
		if a.main, a.exited, err = a.k.children.start(path, argv, env, a.errand.Dir, out); err == nil {
			return nil
		}
	}
	argv := a.argv(a.errand.Command)
	a.main, a.exited, err = a.k.children.start(argv[0], argv, env, a.errand.Dir, out)
	return err
}

// follow waits for the command's end, or ends it when its time is over or
// somebody asks for that, and settles the result.
func (a *attempt) follow() {
	timeout := time.NewTimer(a.errand.Timeout)
	defer timeout.Stop()
	ending := a.has("stop")
	for !a.isOver && !ending {
		select {
		case status := <-a.exited:
			a.code, a.isOver = exitCode(status), true
		case <-a.poked:
			ending = a.has("stop")
		case <-timeout.C:
			if ending = len(a.exited) == 0; ending {
				a.claim("stop", string(guard.TimedOut))
			}
		}
	}
	if ending && a.main.pid != 0 {
		a.endTree(a.errand.Grace)
	}
	if !a.isOver {
		a.over(<-a.exited)
	}
	a.to = a.from + time.Since(a.begun).Milliseconds()
}

// over keeps the command's exit code while its tree is being ended.
func (a *attempt) over(status syscall.WaitStatus) {
	a.code, a.isOver = exitCode(status), true
	_ = a.write("over", fmt.Sprintf("%d\n", a.code))
}

// end is why the command ended: by itself, or as "stop" says.
func (a *attempt) end() string {
	words, err := os.ReadFile(a.path("stop"))
	switch end := strings.TrimSpace(string(words)); {
	case err != nil:
		return string(guard.Exited)
	case end == "":
		return string(guard.Cancelled)
	default:
		return end
	}
}

// fail settles an attempt after a mistake of the keeper's, which must not be
// taken for an end that it did not have.
func (a *attempt) fail(mistake any) {
	reason := refusal{reason: fmt.Sprintf("the guard failed: %v", mistake)}
	switch {
	case a.dir == "":
	case !a.granted:
		if a.claim("go", "revoked") {
			a.settle(string(guard.Refused), 0, reason)
		}
	default:
		a.endTree(0)
		a.settle(string(guard.Gone), 0, reason)
	}
}

// conclude tells the result, with the output's size if that is known.
func (a *attempt) conclude(result string) {
	a.telling.Lock()
	defer a.telling.Unlock()
	a.told = true
	a.say(result + a.size)
}

// measured tells the output's size, at the latest with the result: most outputs
// are whole by then.
func (a *attempt) measured(size string) {
	a.telling.Lock()
	defer a.telling.Unlock()
	if a.told {
		a.say(size)
	} else {
		a.size = size
	}
}

// say tells the daemon, which may not listen for a while, or have gone; the run goes
// on.
func (a *attempt) say(words string) { a.k.teller.say(a.talk, words) }
