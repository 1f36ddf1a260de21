package keeper

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// buffers are shared by all collectors: one that waits for output holds none.
var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// output keeps a command's output and never lets it wait or fail: the head goes
// to a file as it comes; of what comes after that, or after the disk is full,
// the last bytes are kept in memory until the end.
type output struct {
	path  string   // of the head
	head  *os.File // nil until something came
	left  int64    // what the head may still take
	keep  int      // how large ring may get
	ring  []byte
	next  int   // where ring is overwritten next, once it is full
	total int64 // all that came
	lost  bool  // the disk was full
}

// drain reads the pipe to its end.
func (o *output) drain(pipe *os.File) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		o.lost = true
		return
	}
	_ = raw.Read(func(fd uintptr) bool { // the end of the pipe ends it well
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		for {
			n, err := syscall.Read(int(fd), *buf)
			switch {
			case n > 0:
				o.take((*buf)[:n])
			case err == syscall.EAGAIN:
				return false
			case err != syscall.EINTR:
				return true
			}
		}
	})
}

func (o *output) take(b []byte) {
	o.total += int64(len(b))
	if o.left > 0 && !o.lost {
		n, err := o.write(b[:min(o.left, int64(len(b)))])
		o.left -= int64(n)
		o.lost = err != nil
		b = b[n:]
	}
	if len(b) > o.keep {
		b = b[len(b)-o.keep:]
	}
	if room := min(o.keep-len(o.ring), len(b)); room > 0 {
		o.ring = append(o.ring, b[:room]...)
		b = b[room:]
	}
	for len(b) > 0 {
		n := copy(o.ring[o.next:], b)
		b = b[n:]
		o.next = (o.next + n) % len(o.ring)
	}
}

// write adds to the head.
func (o *output) write(b []byte) (n int, err error) {
	if o.head == nil {
		if o.head, err = os.OpenFile(o.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
			return 0, err
		}
	}
	return o.head.Write(b)
}

// collect keeps the output that comes through the pipe, and says at its end how
// much there was.
func (a *attempt) collect(pipe *os.File) {
	o := output{path: a.path("out"), left: a.errand.HeadBytes, keep: int(a.errand.TailBytes)}
	func() {
		defer func() { o.lost = recover() != nil || o.lost }()
		o.drain(pipe)
	}()
	pipe.Close()
	if o.head != nil {
		o.head.Close()
	}
	if len(o.ring) > 0 {
		tail := append(o.ring[o.next:len(o.ring):len(o.ring)], o.ring[:o.next]...)
		o.lost = a.write("tail", string(tail)) != nil || o.lost
	}
	words := fmt.Sprintf("%d ", o.total)
	if o.lost {
		words += "lost"
	}
	if a.write("total", words+"\n") != nil {
		_ = os.Truncate(a.path("spare"), 0) // what it was kept for
		_ = a.write("total", words+"\n")
	}
	a.measured("output " + words + "\n")
}
