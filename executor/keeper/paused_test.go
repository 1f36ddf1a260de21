package keeper

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/guard/guardtest"
)

// pausing is a daemon's end of the socket, from which nobody reads while it is
// locked.
type pausing struct {
	net.Conn
	sync.Mutex
}

func (p *pausing) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.Lock()
	defer p.Unlock()
	return n, err
}

// A daemon that does not listen holds no command up, and hears of every end later.
func TestFault68PausedDaemon(t *testing.T) {
	conn, err := launch(guard.Environ("root", t.TempDir(), ""))
	if err != nil {
		t.Fatal(err)
	}
	daemon := &pausing{Conn: conn}
	k, err := converse(daemon)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	defer time.AfterFunc(time.Minute, func() { k.Close() }).Stop() // no end may hang the test
	root := guardtest.Dir(t)
	var orders []guard.Order
	var talks []io.ReadWriteCloser
	for n := range 600 { // which say more than a socket holds
		o := guard.Order{
			Attempt: guard.Attempt{Run: "job@20261122T023000Z", N: n + 1, Kept: root},
			Token:   "t", Job: "job", Command: "exit 3", Timeout: time.Minute,
		}
		wire, err := o.Encode(guard.Link{})
		if err != nil {
			t.Fatal(err)
		}
		talk, err := k.Attend()
		if err == nil {
			_, err = talk.Write(wire)
		}
		if err != nil {
			t.Fatal(err)
		}
		orders, talks = append(orders, o), append(talks, talk)
	}
	var heard []*guard.Reader
	for _, talk := range talks {
		hear := guard.NewReader(talk)
		if m, err := hear.Next(); err != nil || m.Word != "ready" {
			t.Fatalf("%+v, %v", m, err)
		}
		heard = append(heard, hear)
	}
	daemon.Lock()
	for i, talk := range talks {
		if _, err := io.WriteString(talk, orders[i].Go(time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	guardtest.Eventually(t, "all commands have ended", func() bool {
		for _, o := range orders {
			if !guard.Settled(guard.RunDir(root, o.Attempt)) {
				return false
			}
		}
		return true
	})
	daemon.Unlock()
	for i, hear := range heard {
		var outcome guard.Outcome
		for !outcome.Complete(guard.Link{}) {
			m, err := hear.Next()
			if err != nil {
				t.Fatalf("attempt %d of %d: %v", i+1, len(heard), err)
			}
			outcome.Take(m)
		}
		if res := outcome.Result(); res.End != guard.Exited || res.Code != 3 {
			t.Errorf("attempt %d: %+v", i+1, res)
		}
	}
}
