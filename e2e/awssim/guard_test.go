package awssim_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/guard"
)

// host is a server with what outlives a restart of it: the run directories. Its
// guard is that of guard/sh, step by step, but for what is about processes.
type host struct {
	w     *world
	id    string
	agent *awsloop.Instance

	mu        sync.Mutex
	boot      *boot
	restarted time.Time
	dirs      map[string]*dir // by attempt
}

// boot is the host between two restarts. What runs ends with it.
type boot struct {
	context.Context
	end   context.CancelFunc
	locks map[string]bool // the jobs whose lock is held
}

// dir is an attempt's run directory.
type dir struct {
	boot   *boot // in which its guard was
	going  bool  // its go is there
	record string
	output string
	ended  chan struct{} // closed once the guard left its result
}

const bootTime = 40 * time.Second

func newHost(w *world, id string) *host {
	w.t.Helper()
	h := &host{w: w, id: id, dirs: map[string]*dir{}}
	h.start()
	var err error
	h.agent, err = w.loop.AddInstance(id, awsloop.InstanceOptions{Online: true, Boot: bootTime, Lost: time.Minute, Run: h.run})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (h *host) start() {
	ctx, end := context.WithCancel(h.w.ctx)
	h.boot = &boot{ctx, end, map[string]bool{}}
}

// restart ends all processes and boots, unless the host is at it already.
func (h *host) restart() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.restarted) < bootTime {
		return
	}
	h.restarted = time.Now()
	h.boot.end()
	h.agent.Reboot()
	h.start()
}

// run is what the agent calls: the script of the document.
func (h *host) run(ctx context.Context, _, _ string, parameters map[string][]string) (stdout, stderr string, exit int) {
	text, err := base64.StdEncoding.DecodeString(parameters["order"][0])
	if err != nil {
		h.w.t.Error(err)
	}
	switch name := parameters["run"][0]; parameters["verb"][0] {
	case guard.VerbStart:
		o := readOrder(string(text))
		if o.name != name {
			h.w.t.Errorf("the order of %q says %q", name, o.name)
		}
		return h.front(ctx, o)
	case guard.VerbStatus:
		return h.status(name), "", 0
	}
	h.w.t.Errorf("the guard was asked to do %q", parameters)
	return "", "", 1
}

// front is what the agent waits for; the guard itself goes on without it.
func (h *host) front(ctx context.Context, o order) (stdout, stderr string, exit int) {
	d, made := h.prepare(o.name)
	if !made {
		h.w.rest(ctx, h.w.upTo(50*time.Millisecond))
		h.mu.Lock()
		defer h.mu.Unlock()
		if d.record == "" {
			d = &dir{record: record(guard.Refused, 0, "duplicate 1", "this attempt was delivered to this host before")}
		}
		return d.tell()
	}
	h.strike()
	h.w.spawn(func() {
		if h.guard(d, o) {
			close(d.ended)
		}
	})
	select {
	case <-d.ended:
		h.mu.Lock()
		defer h.mu.Unlock()
		return d.tell()
	case <-ctx.Done():
		return "", "", -1
	}
}

// prepare makes the run directory, if it is not there.
func (h *host) prepare(name string) (d *dir, made bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.dirs[name]; d != nil {
		return d, false
	}
	d = &dir{boot: h.boot, ended: make(chan struct{})}
	h.dirs[name] = d
	return d, true
}

// strike restarts the host soon, if it is to be.
func (h *host) strike() {
	h.w.mu.Lock()
	k := h.w.reboot
	h.w.mu.Unlock()
	if !h.w.roll(k.P) {
		return
	}
	within := k.For
	if h.w.roll(0.5) {
		within = 300 * time.Millisecond // while the guard still asks
	}
	h.w.spawn(func() {
		if h.w.rest(h.w.ctx, h.w.upTo(within)) {
			h.restart()
		}
	})
}

// guard brings the attempt to its end, unless the host is restarted.
func (h *host) guard(d *dir, o order) bool {
	if !h.takes(d, 50*time.Millisecond) {
		return false
	}
	refusal, alive := h.permit(d.boot, o)
	switch {
	case !alive:
		return false
	case refusal != "":
		return h.settle(d, record(guard.Refused, 0, refusal))
	}
	h.mu.Lock()
	d.going = true
	h.mu.Unlock()
	if !h.takes(d, 20*time.Millisecond) {
		return false
	}
	if !d.boot.lock(h, o.lock) {
		return h.settle(d, record(guard.Refused, 0, "busy 1", "the job's lock on this host is held by another attempt"))
	}
	defer d.boot.unlock(h, o.lock)
	return h.command(d, o)
}

// commandTimeout is that of the jobs.
const commandTimeout = 90 * time.Second

// command tells the witness, takes its time and ends, by itself or by the
// guard.
func (h *host) command(d *dir, o order) bool {
	h.w.witness.saw(start{o.name, h.id})
	begun := time.Now()
	took, code := h.w.upTo(40*time.Second), 0
	end := guard.Exited
	switch {
	case h.w.roll(0.15):
		code = []int{1, 3, 137, 168, 194}[int(h.w.upTo(5))]
	case h.w.roll(0.05):
		took, end, code = o.timeout, guard.TimedOut, 143
	}
	if !h.w.rest(d.boot, took) {
		return false
	}
	h.mu.Lock()
	d.output = "output of " + o.name + "\n"
	h.mu.Unlock()
	return h.settle(d, record(end, code, "from "+milliseconds(begun), "to "+milliseconds(time.Now()), ""))
}

// takes is a step of the guard, and says whether it got there.
func (h *host) takes(d *dir, most time.Duration) bool { return h.w.rest(d.boot, h.w.upTo(most)) }

// settle leaves the result of the attempt.
func (h *host) settle(d *dir, record string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.boot.Err() != nil {
		return false
	}
	d.record = record
	return true
}

func (b *boot) lock(h *host, job string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if job == "" {
		return true
	}
	was := b.locks[job]
	b.locks[job] = true
	return !was
}

func (b *boot) unlock(h *host, job string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(b.locks, job)
}

// status answers the question for the attempt.
func (h *host) status(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.dirs[name]
	switch {
	case d == nil:
		return "phase absent\n"
	case d.record == "" && d.boot != h.boot && d.going:
		d.record = record(guard.Gone, 0, "the host was restarted during the run")
	case d.record == "" && d.boot != h.boot:
		d.record = record(guard.Gone, 0, "the host was restarted while the guard waited for its go")
	}
	switch {
	case d.record != "":
		return "phase ended\n" + d.trailer()
	case d.going:
		return "phase running\n"
	}
	return "phase ready\n"
}

// tell is the front's last word.
func (d *dir) tell() (stdout, stderr string, exit int) {
	trailer, _ := guard.ReadTrailer(d.output, d.trailer())
	switch r := trailer.Result; {
	case r.End == guard.TimedOut:
		exit = 124
	case r.End == guard.Refused:
		exit = 75
	case r.End != guard.Exited, r.Code == 137, r.Code == 168, r.Code == 194:
		exit = 1
	default:
		exit = r.Code
	}
	return d.output, d.trailer(), exit
}

// trailer is the record and the end of the output, which is all of it here.
func (d *dir) trailer() string {
	text := d.record
	if d.output == "" {
		return text + "tail 0\n.\n"
	}
	return text + fmt.Sprintf("output %d \ntail %d\n%s\n.\n", len(d.output), len(d.output), base64.StdEncoding.EncodeToString([]byte(d.output)))
}

// record is a result as the guard writes it; the last of the lines is the
// reason.
func record(end guard.End, code int, lines ...string) string {
	last := len(lines) - 1
	more := strings.Join(lines[:last], "\n")
	if more != "" {
		more += "\n"
	}
	return fmt.Sprintf("end %s\ncode %d\n%sreason %s\nnote \n.\n", end, code, more, lines[last])
}

func milliseconds(t time.Time) string { return fmt.Sprint(t.UnixMilli()) }
